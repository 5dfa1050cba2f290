"""What a training was shown first, as a hash."""

import hashlib
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor

from segnet.data.samples import Sample
from segnet.run_folder import write_json

BATCH_RECORD = "batches.json"


class BatchRecord(pl.Callback):
    """Writes ``batches.json``: the hash of each of the first batches as the network got them.

    A run that goes on after its first epoch keeps what was written then.

    Args:
        run_dir: the run folder.
        batches: how many.
    """

    def __init__(self, run_dir: str, batches: int = 3) -> None:
        self.path = Path(run_dir) / BATCH_RECORD
        self.batches = batches
        self.hashes: list[str] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Sample, batch_idx: int
    ) -> None:
        """Hash a batch, if it is one of the first."""
        if trainer.current_epoch > 0 or batch_idx >= self.batches:
            return
        self.hashes.append(hash_batch(batch))
        if trainer.is_global_zero:
            write_json(self.path, {"device": str(batch["image"].device), "batches": self.hashes})


def hash_tensor(tensor: Tensor, digest: "hashlib._Hash | None" = None) -> str:
    """Hash shape, type and bits of a tensor, whatever its memory layout."""
    digest = digest or hashlib.blake2b(digest_size=8)
    tensor = tensor.detach().cpu().contiguous()
    digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
    digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def hash_batch(batch: Sample) -> str:
    """Hash images, labels and indices of a batch."""
    digest = hashlib.blake2b(digest_size=8)
    for name in ("image", "label", "index"):
        hash_tensor(batch[name], digest)
    return digest.hexdigest()
