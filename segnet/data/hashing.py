"""Hashes of tensors and batches: equal only where every bit is."""

import hashlib

import torch
from torch import Tensor

from segnet.data.samples import Batch


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
