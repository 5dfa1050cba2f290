"""Feature maps that are not computed yet, so that the convolution behind them can choose a cheaper form.

A decoder stage hands its block an :class:`Enlarged` map (what an upsampler will make of some features) or a
:class:`Stacked` one (several maps along the channels) in place of a tensor. A convolution that knows them computes the
exact form; whatever does not know them gets the tensor, and so does every module that somebody watches with a hook.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Union

import torch
from torch import Tensor, nn

from segnet.layers.rewrites.exact import Kernel, convolve_map, keeps_size
from segnet.layers.rewrites.rules import note


class Enlarged:
    """What an upsampler will make of features.

    Args:
        features: ``(N, C, h, w)``, deferred or not.
        upsampler: a :class:`segnet.layers.Upsampler`.
        output_size: height and width of the result.
        pool_indices: what the upsampler wants of them.
    """

    def __init__(
        self, features: "Map", upsampler: nn.Module, output_size: tuple[int, int], pool_indices: Tensor | None = None
    ) -> None:
        self.features, self.upsampler = features, upsampler
        self.output_size, self.pool_indices = (int(output_size[0]), int(output_size[1])), pool_indices
        self._result: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the result."""
        return (self.features.shape[0], self.features.shape[1], *self.output_size)

    def compute(self) -> Tensor:
        """Upsample, once."""
        if self._result is None:
            self._result = self.upsampler(compute(self.features), self.output_size, self.pool_indices)
        return self._result

    def convolve(self, kernel: Kernel) -> "Map":
        """Convolve the result: before the upsampler, or in one operator with it, or after it."""
        before = self.upsampler.kernel_before(kernel, tuple(self.features.shape[-2:]), self.output_size)
        if before is not None:
            note(f"{type(self.upsampler).__name__} + {kernel.describe()} -> {before.describe()} first")
            return Enlarged(convolve(self.features, before), self.upsampler, self.output_size)
        joined = self.upsampler.upsample_and_convolve(compute(self.features), self.output_size, kernel)
        return convolve_map(self.compute(), kernel) if joined is None else joined


class Stacked:
    """Several maps of one size that will be stacked along the channels.

    Args:
        parts: maps ``(N, C_i, H, W)``, deferred or not.
    """

    def __init__(self, parts: Sequence["Map"]) -> None:
        self.parts = tuple(parts)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the result."""
        first = self.parts[0].shape
        return (first[0], sum(part.shape[1] for part in self.parts), first[2], first[3])

    def compute(self) -> Tensor:
        """Stack."""
        return torch.cat([compute(part) for part in self.parts], dim=1)

    def convolve(self, kernel: Kernel) -> "Map":
        """Convolve each part with its slice of the weights, so that no stacked copy is made."""
        sizes = [part.shape[1] for part in self.parts]
        if kernel.groups == 1:
            note(f"concatenation + {kernel.describe()} -> {len(sizes)} slices")
            slices = kernel.weight.split(sizes, dim=1)
            # The last part has the bias. Its result is new memory, to which the others' are added.
            biases = [None] * (len(sizes) - 1) + [kernel.bias]
            terms = [
                compute(convolve(part, kernel._replace(weight=weight, bias=bias)))
                for part, weight, bias in zip(self.parts, slices, biases, strict=True)
            ]
            return reduce(torch.add, terms)
        width = kernel.weight.shape[1]
        if any(size % width for size in sizes):  # a group of channels would lie across the border
            return convolve_map(self.compute(), kernel)
        groups = [size // width for size in sizes]
        outputs = [count * kernel.weight.shape[0] // kernel.groups for count in groups]
        slices = kernel.weight.split(outputs)
        biases = [None] * len(sizes) if kernel.bias is None else kernel.bias.split(outputs)
        return Stacked(
            [
                convolve(part, Kernel(w, b, kernel.dilation, g))
                for part, w, b, g in zip(self.parts, slices, biases, groups, strict=True)
            ]
        )


Map = Union[Tensor, Enlarged, Stacked]  # noqa: UP007 (names in quotes above)


def compute(features: Map) -> Tensor:
    """Return the tensor ``(N, C, H, W)``."""
    return features if isinstance(features, Tensor) else features.compute()


def convolve(features: Map, kernel: Kernel) -> Map:
    """Convolve a map; the result of a deferred one may be deferred again."""
    return convolve_map(features, kernel) if isinstance(features, Tensor) else features.convolve(kernel)


def run_convolutions(features: Map, *convolutions: nn.Module) -> Tensor:
    """Run convolution modules one after the other, in their exact forms as long as the map is deferred."""
    for module in convolutions:
        if isinstance(module, nn.Identity):
            continue
        kernel = None if isinstance(features, Tensor) else kernel_of(module)
        features = module(compute(features)) if kernel is None else convolve(features, kernel)
    return compute(features)


def kernel_of(module: nn.Module) -> Kernel | None:
    """Return the kernel of a convolution module; None where it is not one of stride 1 that keeps the size."""
    if not isinstance(module, nn.Conv2d) or is_watched(module) or "forward" in module.__dict__:
        return None
    if is_current(module, "kernel_weight", "forward"):
        weight = module.kernel_weight()
    elif type(module).forward is nn.Conv2d.forward and type(module)._conv_forward is nn.Conv2d._conv_forward:
        weight = module.weight
    else:
        return None
    if module.stride != (1, 1) or not keeps_size(module):
        return None
    return Kernel(weight, module.bias, module.dilation[0], module.groups)


def takes_deferred(module: nn.Module) -> bool:
    """Say whether a module's forward takes deferred maps, and nobody watches what goes in."""
    return is_current(module, "takes_deferred_maps", "forward") and not is_watched(module)


def is_current(module: nn.Module, exact: str, plain: str) -> bool:
    """Say whether a class means what its exact form says: a subclass with a plain form of its own does not."""
    if plain in module.__dict__:
        return False
    for kind in type(module).__mro__:
        if exact in kind.__dict__:
            return True
        if plain in kind.__dict__:
            return False
    return False


def is_watched(*modules: nn.Module) -> bool:
    """Say whether a module has a hook, which wants to see tensors; one marked ``sees_deferred`` does not."""
    return any(
        not getattr(hook, "sees_deferred", False)
        for module in modules
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        for hook in hooks.values()
    ) or any(module._backward_pre_hooks for module in modules)


def use_exact_rewrites(network: nn.Module, enabled: bool) -> nn.Module:
    """Switch the exact cheaper forms of all modules in ``network`` on or off; return it."""
    for module in network.modules():
        if hasattr(module, "exact_rewrites"):
            module.exact_rewrites = enabled
    return network
