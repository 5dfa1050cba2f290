"""What holds while ``torch.export`` captures a network, whose sizes it may leave open.

Open sizes cannot be compared. So an operator that has a faster form for one of them needs a promise, and without it
exports the form that serves any size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_promised: ContextVar[bool] = ContextVar("every_step_doubles", default=False)


@contextmanager
def every_step_doubles() -> Iterator[None]:
    """Promise that every upsampling goes from n to 2n or 2n - 1, as it does in every decoder of ours."""
    token = _promised.set(True)
    try:
        yield
    finally:
        _promised.reset(token)


def exports_doubling() -> bool:
    """Say whether ``torch.export`` runs, with that promise."""
    return torch.compiler.is_exporting() and _promised.get()
