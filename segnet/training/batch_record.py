"""What a training was shown first, as a hash."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from segnet.data.hashing import hash_batch
from segnet.data.samples import Batch
from segnet.run_folder import BATCH_RECORD, write_json


class BatchRecord(pl.Callback):
    """Writes ``batches.json``: the hash of each of the first batches as the network got them.

    A run that is resumed later keeps what was written then.

    Args:
        run_dir: the run folder.
        batches: how many.
    """

    def __init__(self, run_dir: str, batches: int = 3) -> None:
        self.path = Path(run_dir) / BATCH_RECORD
        self.batches = batches
        self.hashes: list[str] = []

    def state_dict(self) -> dict[str, Any]:
        """Keep the hashes in the checkpoint."""
        return {"hashes": self.hashes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the checkpoint's hashes."""
        self.hashes = list(state_dict["hashes"])

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Hash a batch, if it is one of the first."""
        if trainer.current_epoch > 0 or batch_idx >= self.batches:
            return
        self.hashes.append(hash_batch(batch))
        if trainer.is_global_zero:
            write_json(self.path, {"device": str(batch["image"].device), "batches": self.hashes})
