"""Private names of other packages that this one uses, in one place; ``tests/test_compat.py`` says what each must do.

Packages are imported inside the functions, so that a command's help waits for none of them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hydra._internal.callbacks import Callbacks
    from omegaconf import DictConfig
    from pytorch_lightning.callbacks import RichProgressBar

# Torch


def cpu_has_bfloat16() -> bool:
    """Say whether this machine's CPU multiplies bfloat16 in instructions of its own (AMX or AVX512-BF16)."""
    import torch

    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


# Hydra


def hydra_callbacks(config: "DictConfig") -> "Callbacks":
    """Return the callbacks that a launcher plugin of Hydra's is set up with, as Hydra's own multirun does it."""
    from hydra._internal.callbacks import Callbacks

    return Callbacks(config)


# Lightning


def describe_epochs(bar: "RichProgressBar", describe: Callable[[int], str]) -> None:
    """Have a progress bar of Lightning's call the epoch of an index, from 0, what ``describe`` says."""
    setattr(bar, "_get_train_description", describe)  # noqa: B010 - a type checker knows no assignment to a method
