"""An upsampler, what a skip connection stacks behind it, and the convolution of both, in one module.

:data:`FORMS` is the table of what is exact: for each class of upsampler, which convolution may run before it, and which
may run with it in one operator. A subclass is another class: it is not in the table, and runs as it is.
:func:`fuse` decides by it when a network is built; :class:`UpsampledConvolution` then runs what was decided. All that
is left for later is what only the features tell: their size, precision and device, which the rules weigh.
"""

from collections.abc import Sequence
from functools import partial, reduce
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn

from segnet.layers.convolution import (
    Convolution,
    DepthwiseConvolution,
    FlippedConvolution,
    RegularConvolution,
    SeparableConvolution,
)
from segnet.layers.fusion import AtrousRegularConvolution
from segnet.layers.learned_upsamplers import Carafe, DySample, PixelShuffle
from segnet.layers.rewrites.exact import convolve_map, convolve_nails, convolve_nearest, keeps_size
from segnet.layers.rewrites.kernel import Kernel
from segnet.layers.rewrites.rules import Rules, Size, UpsamplerForms
from segnet.layers.upsamplers import (
    BedOfNails,
    Bicubic,
    Bilinear,
    MaxUnpool,
    Nearest,
    TransposedConvolution,
    doubles,
)


def pointwise_before(kernel: Kernel, size: Size, output_size: Size) -> Kernel | None:
    """Return a 1x1 kernel itself: the weights of an interpolation sum to one, so that the bias may come first too."""
    return kernel if kernel.taps == 1 else None


def nearest_before(kernel: Kernel, size: Size, output_size: Size) -> Kernel | None:
    """Return a 1x1 kernel itself; one of even dilation, which stays among pixels of one phase, with half of it."""
    if kernel.taps == 1:
        return kernel
    # An odd border cuts a pixel's copies.
    is_whole = doubles(size, output_size) and all(after % 2 == 0 for after in output_size)
    return _halve_dilation(kernel) if is_whole else None


def nails_before(kernel: Kernel, size: Size, output_size: Size) -> Kernel | None:
    """Return a 1x1 kernel itself; one of even dilation, which stays among the nails, with half of it. No bias."""
    if kernel.bias is not None:  # it would stand on the nails only
        return None
    return kernel if kernel.taps == 1 else _halve_dilation(kernel) if doubles(size, output_size) else None


def nearest_joined(features: Tensor, output_size: Size, kernel: Kernel, rules: Rules) -> Tensor | None:
    """Run a transposed convolution with one tap more, for kernels without dilation."""
    is_exact = kernel.dilation == 1 and doubles(features.shape[-2:], output_size)
    if not is_exact or not rules.nearest_pays(features, kernel.weight):
        return None
    rules.note(f"Nearest + {kernel.describe()} -> transposed {kernel.taps + 1}x{kernel.taps + 1}")
    return convolve_nearest(features, kernel, output_size)


def nails_joined(features: Tensor, output_size: Size, kernel: Kernel, rules: Rules) -> Tensor | None:
    """Run a transposed convolution with the flipped kernel."""
    if not doubles(features.shape[-2:], output_size) or not rules.nails_pay(features, kernel.weight):
        return None
    rules.note(f"BedOfNails + {kernel.describe()} -> transposed {kernel.taps}x{kernel.taps}")
    return convolve_nails(features, kernel, output_size)


def never_before(kernel: Kernel, size: Size, output_size: Size) -> None:
    """Return None: no convolution gives the same result before the upsampler."""
    return


def _halve_dilation(kernel: Kernel) -> Kernel | None:
    return kernel._replace(dilation=kernel.dilation // 2) if kernel.dilation % 2 == 0 else None


FORMS: dict[type, UpsamplerForms] = {
    Nearest: UpsamplerForms(nearest_before, nearest_joined),
    Bilinear: UpsamplerForms(pointwise_before),
    Bicubic: UpsamplerForms(pointwise_before),
    BedOfNails: UpsamplerForms(nails_before, nails_joined),
    **dict.fromkeys((MaxUnpool, TransposedConvolution, PixelShuffle, Carafe, DySample), UpsamplerForms(never_before)),
}


def forms_of(upsampler: nn.Module, rules: Rules) -> UpsamplerForms | None:
    """Return the exact forms of an upsampler, by its class alone; None where that is in no table."""
    return rules.forms.get(type(upsampler)) or FORMS.get(type(upsampler))


def lets_pointwise_pass(upsampler: nn.Module, rules: Rules, has_bias: bool = False) -> bool:
    """Say whether any 1x1 convolution gives the same result before an upsampler, at every size."""
    weight = torch.empty(1, 1, 1, 1)
    kernel, forms = Kernel(weight, torch.empty(1) if has_bias else None), forms_of(upsampler, rules)
    return forms is not None and forms.before(kernel, (2, 2), (3, 3)) is not None


def chains_of(convolution: nn.Module) -> list[list[nn.Conv2d]] | None:
    """Take a convolution apart into plain ones.

    Returns:
        For each of its branches the convolutions that run one after the other; None where one is not known, has
        strides, or does not keep the size.
    """
    if type(convolution) is SeparableConvolution:
        halves = [part for part in (convolution.depthwise, convolution.pointwise) if type(part) is not nn.Identity]
        plain = [half for half in halves if _is_plain(half)]
        return [plain] if len(plain) == len(halves) else None
    if type(convolution) is AtrousRegularConvolution:
        parts = [convolution.regular] if convolution.fusion is None else [convolution.regular, convolution.atrous]
        chains = [chains_of(part) for part in parts]
        known = [chain[0] for chain in chains if chain is not None and len(chain) == 1]
        return known if len(known) == len(chains) else None
    return [[convolution]] if _is_plain(convolution) else None


def _is_plain(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Say whether a module is a plain convolution without strides that keeps the size."""
    is_known = type(module) in (nn.Conv2d, Convolution, RegularConvolution, FlippedConvolution, DepthwiseConvolution)
    return is_known and isinstance(module, nn.Conv2d) and module.stride == (1, 1) and keeps_size(module)


def kernel_of(convolution: nn.Conv2d) -> Kernel:
    """Return the present kernel of a plain convolution."""
    weight = convolution.kernel_weight() if isinstance(convolution, Convolution) else convolution.weight
    return Kernel(weight, convolution.bias, convolution.dilation[0], convolution.groups)


def fuse(upsampler: nn.Module, convolution: nn.Module, rules: Rules, is_stacked: bool) -> "UpsampledConvolution | None":
    """Decide whether an upsampler and the convolution behind it have a cheaper form together.

    Args:
        upsampler: see :mod:`segnet.layers.upsamplers`.
        convolution: what convolves its result.
        rules: when a form pays.
        is_stacked: whether a skip connection stacks other features behind the upsampler's.

    Returns:
        What stands in for both; None where they run as they are.
    """
    chains, forms = chains_of(convolution), forms_of(upsampler, rules)
    if chains is None or forms is None:
        return None
    firsts = [kernel_of(chain[0]) for chain in chains]
    if is_stacked or forms.joined or any(forms.before(kernel, (2, 2), (4, 4)) for kernel in firsts):
        return UpsampledConvolution(upsampler, convolution, rules, is_stacked)
    return None


class UpsampledConvolution(nn.Module):
    """Runs in place of an upsampler, the stacking of a skip connection, and a convolution.

    The three stay where they are in the network; this module has no parameters, and reads theirs.
    """

    def __init__(self, upsampler: nn.Module, convolution: nn.Module, rules: Rules, is_stacked: bool) -> None:
        super().__init__()
        self.rules, self.is_stacked = rules, is_stacked
        self.forms = cast(UpsamplerForms, forms_of(upsampler, rules))
        # In a tuple torch does not register them, so that each parameter keeps its one name.
        self.replaced = upsampler, convolution
        self.chains = cast(list[list[nn.Conv2d]], chains_of(convolution))

    def forward(
        self,
        features: Tensor,
        output_size: Size,
        stacked: Tensor | None = None,
        pool_indices: Tensor | None = None,
    ) -> Tensor:
        """Take features ``(N, C, h, w)`` to ``(N, C_out, *output_size)``.

        Args:
            features: what the upsampler gets.
            output_size: what it makes of them.
            stacked: ``(N, C_s, *output_size)``, what stands behind its result; None: nothing does.
            pool_indices: what an unpooling needs of them.
        """
        upsampler, convolution = self.replaced
        enlarge = partial(upsampler, output_size=output_size, pool_indices=pool_indices)
        upsampled = _Upsampled(features, output_size, enlarge, self.forms, self.rules)
        outputs = []
        for chain in self.chains:
            parts: list[Part] = [upsampled] if stacked is None else [upsampled, stacked]
            for module in chain:
                parts = convolve_parts(parts, kernel_of(module), self.rules)
            outputs.append(stack(parts))
        fusion = getattr(convolution, "fusion", None)
        joined: Tensor = outputs[0] if fusion is None else fusion(outputs)
        return joined

    def extra_repr(self) -> str:
        """Show what runs here in one."""
        upsampler, convolution = (type(part).__name__ for part in self.replaced)
        return f"{upsampler}{', skip' if self.is_stacked else ''} and {convolution} in one"


class _Upsampled:
    """Features that an upsampler has yet to enlarge; it does so once, however many convolutions use the result."""

    def __init__(
        self,
        features: Tensor,
        output_size: Size,
        enlarge: partial[Tensor],
        forms: UpsamplerForms,
        rules: Rules,
    ) -> None:
        self.features, self.output_size, self.enlarge = features, output_size, enlarge
        self.forms, self.rules = forms, rules
        self._result: Tensor | None = None

    def compute(self) -> Tensor:
        """Return ``(N, C, *output_size)``."""
        if self._result is None:
            self._result = self.enlarge(self.features)
        return self._result

    def kernel_before(self, kernel: Kernel) -> Kernel | None:
        """Return the kernel that gives the same result before the upsampler; None where there is none."""
        height, width = self.features.shape[-2:]
        return self.forms.before(kernel, (height, width), self.output_size)

    def convolve(self, kernel: Kernel) -> "Part":
        """Convolve before the upsampler, in one operator with it, or behind it."""
        before = self.kernel_before(kernel)
        if before is not None:
            self.rules.note(f"{self._name()} + {kernel.describe()} -> {before.describe()} first")
            convolved = convolve_map(self.features, before, self.rules)
            return _Upsampled(convolved, self.output_size, self.enlarge, self.forms, self.rules)
        joined = self.forms.joined and self.forms.joined(self.features, self.output_size, kernel, self.rules)
        return convolve_map(self.compute(), kernel, self.rules) if joined is None else joined

    def _name(self) -> str:
        return type(self.enlarge.func).__name__


Part = Tensor | _Upsampled


def stack(parts: Sequence[Part]) -> Tensor:
    """Stack parts along the channels, ``(N, sum of C_i, H, W)``."""
    tensors = [part if isinstance(part, Tensor) else part.compute() for part in parts]
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=1)


def convolve_part(part: Part, kernel: Kernel, rules: Rules) -> Part:
    """Convolve one part."""
    return convolve_map(part, kernel, rules) if isinstance(part, Tensor) else part.convolve(kernel)


def convolve_parts(parts: list[Part], kernel: Kernel, rules: Rules) -> list[Part]:
    """Convolve what parts ``(N, C_i, H, W)`` make when they are stacked along the channels, without stacking them."""
    if len(parts) == 1:
        return [convolve_part(parts[0], kernel, rules)]
    sizes = [part.shape[1] if isinstance(part, Tensor) else part.features.shape[1] for part in parts]
    if kernel.groups == 1:
        bare = kernel._replace(bias=None)
        runs_first = any(isinstance(part, _Upsampled) and part.kernel_before(bare) is not None for part in parts)
        if not rules.slices_pay(parts[0] if isinstance(parts[0], Tensor) else parts[0].features, runs_first):
            return [convolve_map(stack(parts), kernel, rules)]
        rules.note(f"concatenation + {kernel.describe()} -> {len(sizes)} slices")
        slices = kernel.weight.split(sizes, dim=1)
        # The last part has the bias. Its result is new memory, to which the others' are added.
        biases = [None] * (len(sizes) - 1) + [kernel.bias]
        terms = [
            stack([convolve_part(part, kernel._replace(weight=weight, bias=bias), rules)])
            for part, weight, bias in zip(parts, slices, biases, strict=True)
        ]
        return [reduce(torch.add, terms)]
    width = kernel.weight.shape[1]
    if any(size % width for size in sizes):  # a group of channels would lie across the border
        return [convolve_map(stack(parts), kernel, rules)]
    groups = [size // width for size in sizes]
    outputs = [count * kernel.weight.shape[0] // kernel.groups for count in groups]
    slices = kernel.weight.split(outputs)
    biases = [None] * len(sizes) if kernel.bias is None else kernel.bias.split(outputs)
    return [
        convolve_part(part, Kernel(weight, bias, kernel.dilation, count), rules)
        for part, weight, bias, count in zip(parts, slices, biases, groups, strict=True)
    ]
