"""Separate random streams, each found by its key alone.

A stream depends on its key and on nothing that was drawn before, so that the augmentation of one sample,
the order of one epoch or the start of one parameter stays the same whatever else a run does.
"""

import hashlib

import numpy as np
import torch


def stream_seed(*key: int | str) -> int:
    """Hash a key such as ``(seed, "order", epoch)`` to a seed of 63 bits, equal on every machine."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def numpy_stream(*key: int | str) -> np.random.Generator:
    """Return numpy's generator for this key."""
    return np.random.Generator(np.random.PCG64(stream_seed(*key)))


def torch_stream(*key: int | str) -> torch.Generator:
    """Return torch's CPU generator for this key."""
    return torch.Generator().manual_seed(stream_seed(*key))
