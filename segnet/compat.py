"""Private names of other packages that this one uses, in one place; ``tests/test_compat.py`` says what each must do."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:  # imported inside the functions, so that what needs torch alone waits for neither
    from hydra._internal.callbacks import Callbacks
    from omegaconf import DictConfig
    from pytorch_lightning.callbacks import RichProgressBar

__all__ = [
    "DispatchMode",
    "conv_forward",
    "cpu_has_bfloat16",
    "describe_epochs",
    "export_any_size",
    "has_hooks",
    "has_own_conv_forward",
    "hydra_callbacks",
    "tree_leaves",
]

# Torch


def cpu_has_bfloat16() -> bool:
    """Say whether this machine's CPU multiplies bfloat16 in instructions of its own (AMX or AVX512-BF16)."""
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def has_hooks(module: nn.Module) -> bool:
    """Say whether a module has a forward or backward hook of its own; global hooks do not count."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def conv_forward(module: nn.Conv2d, features: Tensor, weight: Tensor) -> Tensor:
    """Convolve ``(N, C, H, W)`` as a module's own ``forward`` does, with other weights; its padding mode counts."""
    convolved: Tensor = module._conv_forward(features, weight, module.bias)
    return convolved


def has_own_conv_forward(module: nn.Conv2d) -> bool:
    """Say whether a subclass, or somebody at the module itself, has replaced what :func:`conv_forward` calls."""
    return type(module)._conv_forward is not nn.Conv2d._conv_forward or "_conv_forward" in module.__dict__


def export_any_size() -> AbstractContextManager[None]:
    """Have ``torch.export`` take open sizes of 0 and 1 as sizes like any other; by itself it refuses a single image."""
    from torch.fx.experimental import _config  # late: it imports the compiler

    patched: AbstractContextManager[None] = _config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    return patched


class DispatchMode(TorchDispatchMode):
    """Torch's mode that sees every operator, without the import of the compiler, which takes seconds."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


# Hydra


def hydra_callbacks(config: "DictConfig") -> "Callbacks":
    """Return the callbacks that a launcher plugin of Hydra's is set up with, as Hydra's own multirun does it."""
    from hydra._internal.callbacks import Callbacks

    return Callbacks(config)


# Lightning


def describe_epochs(bar: "RichProgressBar", describe: Callable[[int], str]) -> None:
    """Have a progress bar of Lightning's call the epoch of an index, from 0, what ``describe`` says."""
    setattr(bar, "_get_train_description", describe)  # noqa: B010 - a type checker knows no assignment to a method
