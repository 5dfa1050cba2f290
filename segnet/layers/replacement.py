"""Modules of torchvision and timm, replaced by ours of the same function: parameters, buffers and names stay.

Only torch's own classes are replaced, which a subclass is not, and no module with a hook, which would be lost.
"""

from typing import Any

from torch import nn

from segnet.compat import has_hooks
from segnet.layers.convolution import BatchNorm, Convolution
from segnet.layers.rewrites.exact import keeps_size


def replace_convolutions(network: nn.Module) -> None:
    """Put a :class:`Convolution` in place of each grouped or atrous convolution that keeps the size."""
    for name, module in list(network.named_modules()):
        if type(module) is not nn.Conv2d or has_hooks(module) or not keeps_size(module):
            continue
        if module.groups > 1 or module.dilation[0] > 1:
            channels = module.in_channels, module.out_channels
            # A module says that these are tuples of any length, and its constructor takes pairs.
            sizes: tuple[Any, Any, Any, Any] = module.kernel_size, module.stride, module.padding, module.dilation
            convolution = Convolution(*channels, *sizes, module.groups, bias=False, device="meta")
            network.set_submodule(name, take_over(module, convolution, ("weight", "bias")))


def replace_norms(network: nn.Module) -> None:
    """Put a :class:`BatchNorm`, which trains on a single value a channel, in place of each batch norm."""
    for name, module in list(network.named_modules()):
        if type(module) is nn.BatchNorm2d and not has_hooks(module):
            setting = module.eps, module.momentum, module.affine, module.track_running_stats
            norm = BatchNorm(module.num_features, *setting, device="meta")
            network.set_submodule(name, take_over(module, norm, NORM_TENSORS))


NORM_TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def take_over(old: nn.Module, new: nn.Module, tensors: tuple[str, ...]) -> nn.Module:
    """Give ``new`` the parameters and buffers of ``old``, and its mode; return it."""
    for tensor in tensors:
        setattr(new, tensor, getattr(old, tensor))
    return new.train(old.training)
