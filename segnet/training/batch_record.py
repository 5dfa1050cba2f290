"""What a training was shown first, as a hash."""

import hashlib
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor

from segnet.data.samples import Batch
from segnet.run_folder import write_json

BATCH_RECORD = "batches.json"


class BatchRecord(pl.Callback):
    """Writes ``batches.json``: the hash of each of the first batches as the network got them.

    A run that is resumed after its first epoch keeps what was written then.

    Args:
        run_dir: the run folder.
        batches: how many.
    """

    def __init__(self, run_dir: str, batches: int = 3) -> None:
        self.path = Path(run_dir) / BATCH_RECORD
        self.batches = batches
        self.hashes: list[str] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Hash a batch, if it is one of the first."""
        if trainer.current_epoch > 0 or batch_idx >= self.batches:
            return
        self.hashes.append(hash_batch(batch))
        if trainer.is_global_zero:
            write_json(self.path, {"device": str(batch["image"].device), "batches": self.hashes})


def hash_tensor(*tensors: Tensor) -> str:
    """Hash shape, type and bits of tensors, whatever their memory layout."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        pixels = tensor.detach().cpu().contiguous()
        digest.update(f"{tuple(pixels.shape)} {pixels.dtype}".encode())
        digest.update(pixels.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def hash_batch(batch: Batch) -> str:
    """Hash images, labels and indices of a batch."""
    return hash_tensor(batch["image"], batch["label"], batch["index"])
