"""Private names of other packages that this one uses, in one place; ``tests/test_compat.py`` says what each must do."""

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["DispatchMode", "conv_forward", "has_hooks", "has_own_conv_forward", "tree_leaves"]


def has_hooks(module: nn.Module) -> bool:
    """Say whether a module has a forward or backward hook of its own; global hooks do not count."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def conv_forward(module: nn.Conv2d, features: Tensor, weight: Tensor) -> Tensor:
    """Convolve ``(N, C, H, W)`` as a module's own ``forward`` does, with other weights; its padding mode counts."""
    return module._conv_forward(features, weight, module.bias)


def has_own_conv_forward(module: nn.Conv2d) -> bool:
    """Say whether a subclass, or somebody at the module itself, has replaced what :func:`conv_forward` calls."""
    return type(module)._conv_forward is not nn.Conv2d._conv_forward or "_conv_forward" in module.__dict__


class DispatchMode(TorchDispatchMode):
    """Torch's mode that sees every operator, without the import of the compiler, which takes seconds."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
