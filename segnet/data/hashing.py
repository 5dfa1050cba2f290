"""Hashes of tensors and batches: equal only where every bit is."""

import hashlib

import torch
from torch import Tensor

from segnet.data.samples import Sample


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
    for tensor in (batch["image"], batch["label"], batch["index"]):
        hash_tensor(tensor, digest)
    return digest.hexdigest()
