"""Classification networks as encoders: what is common to all libraries.

A *backbone* is a module that takes images ``(N, in_channels, H, W)`` to a list of feature maps from high to low
resolution. The wrapper makes an encoder of it: any image size from 1 pixel up, feature sizes that round up, any batch
size in training, and, where asked for, pool indices.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.layers import ConvNormAct, MaxPool, RegularConvolution, replace_convolutions, replace_norms
from segnet.layers.pooling.torch_kernels import cut
from segnet.models.encoders import EncoderOutput, reduced_size
from segnet.models.initialisation import initialise

PROBE_SIZE = 64  # a power of two, and no stride of a backbone is larger


class BackboneEncoder(nn.Module):
    """Encoder around a backbone.

    Images go through as the network normalised them: ``data.mean`` and ``data.std`` stand in for the statistics that
    pretrained weights were trained with.

    Args:
        build: builds the backbone with a random start, drawn from torch's global generator.
        in_channels: channels of the image.
        pretrained: whether the caller puts weights into ``backbone`` afterwards, which initialising then leaves.
        pool_indices: whether to keep, beside the backbone's own way down, the 2x2 pool indices of each stage's
            features, so that max-unpool can stand behind it.
        full_resolution_width: channels of a further first stage, one 3x3 convolution with norm and ReLU at the
            image's resolution, where the backbone has none; with skip=none nothing trains it. None: no such stage.

    Raises:
        UserError: the backbone gives no feature maps whose strides are powers of two, or has a stage at full
            resolution besides ``full_resolution_width``.
    """

    mend_for_pool_indices: ClassVar[str] = (
        "set encoder.pool_indices=true (and encoder.full_resolution_width=16 where the backbone begins at stride 2)"
    )

    def __init__(
        self,
        build: Callable[[], nn.Module],
        in_channels: int,
        pretrained: bool = False,
        pool_indices: bool = False,
        full_resolution_width: int | None = None,
    ) -> None:
        super().__init__()
        self._build = build
        self.pretrained = pretrained
        self.backbone = build()
        replace_convolutions(self.backbone)
        replace_norms(self.backbone)
        channels, strides, self.pads = probe(self.backbone, in_channels)
        self.full_resolution = None
        if full_resolution_width is not None:
            if strides[0] == 1:
                raise UserError(
                    "encoder.full_resolution_width adds a stage at stride 1, but the backbone has one: leave it null"
                )
            self.full_resolution = ConvNormAct(in_channels, full_resolution_width, RegularConvolution)
            channels, strides = (full_resolution_width, *channels), (1, *strides)
        self.channels, self.strides = channels, strides
        self.keeps_pool_indices = tuple(pool_indices and after == 2 * before for before, after in pairwise(strides))
        self.pooling = nn.ModuleList(MaxPool(width) for width in channels[:-1])

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the backbone's own start again, by ``generator``'s seed alone; pretrained weights stay as they are."""
        seed = generator.initial_seed()
        if not self.pretrained:
            # Libraries draw from torch's global generator: it is seeded for them, and put back.
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                self.backbone.load_state_dict(self._build().state_dict())
        if self.full_resolution is not None:
            initialise(self.full_resolution, seed)

    def forward(self, images: Tensor) -> EncoderOutput:
        """Encode normalised images ``(N, in_channels, H, W)``."""
        padded = self._pad(images) if self.pads else images
        features = self.backbone(padded)
        if self.full_resolution is not None:
            features = [self.full_resolution(images), *features]
        if self.pads:
            features = [
                cut(stage, reduced_size(images.shape[-2:], stride))
                for stage, stride in zip(features, self.strides, strict=True)
            ]
        pool_indices: list[Tensor | None] = []
        for stage, pooling, keeps in zip(features, self.pooling, self.keeps_pool_indices, strict=False):
            pool_indices.append(pooling(stage.detach())[1] if keeps else None)
        return EncoderOutput(features, pool_indices)

    def _pad(self, images: Tensor) -> Tensor:
        # At the right and the bottom, with zeros, as a convolution's own padding.
        height, width = images.shape[-2:]
        stride = self.strides[-1]
        rows, columns = reduced_size((height, width), stride)
        return F.pad(images, (0, columns * stride - width, 0, rows * stride - height))


def probe(backbone: nn.Module, in_channels: int) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """Find a backbone's channels and strides, and whether images must be padded for sizes to round up.

    It runs on the meta device: shapes only, no arithmetic.

    Raises:
        UserError: it gives no feature maps whose strides are powers of two.
    """
    training = backbone.training
    backbone.eval()
    try:
        even = _meta_shapes(backbone, in_channels, PROBE_SIZE)
        odd = _meta_shapes(backbone, in_channels, PROBE_SIZE + 1)
    finally:
        backbone.train(training)
    if even is None:
        raise UserError(
            "the backbone of encoder.name does not take images of any size, such as 64x64: choose a convolutional one"
        )
    # Maps must be square, as the image is: those that keep the channels last are not, and are no use here.
    maps = all(len(shape) == 4 and shape[-2] == shape[-1] <= PROBE_SIZE for shape in even)
    strides = tuple(PROBE_SIZE // shape[-1] for shape in even) if maps else ()
    powers = all(stride * shape[-1] == PROBE_SIZE for shape, stride in zip(even, strides, strict=False))
    if not strides or not powers or list(strides) != sorted(strides):
        raise UserError(
            f"the backbone of encoder.name turns 64x64 pixels into maps of {[shape[1:] for shape in even]}, not all "
            f"(channels, height, width) at rising strides that are powers of two: choose a convolutional one"
        )
    pads = odd is None or any(
        shape[-1] != -(-(PROBE_SIZE + 1) // stride) for shape, stride in zip(odd, strides, strict=True)
    )
    return tuple(shape[1] for shape in even), strides, pads


def _meta_shapes(backbone: nn.Module, in_channels: int, size: int) -> list[tuple[int, ...]] | None:
    """Return the shapes of the feature maps of a square image; None where the backbone refuses its size."""
    tensors = {name: tensor.to("meta") for name, tensor in [*backbone.named_parameters(), *backbone.named_buffers()]}
    try:
        features = functional_call(backbone, tensors, torch.empty(1, in_channels, size, size, device="meta"))
    except (RuntimeError, AssertionError, ValueError):  # the kinds that backbones raise
        return None
    return [tuple(stage.shape) for stage in features]


def adapt_rgb_kernels(weight: Tensor, in_channels: int) -> Tensor:
    """Make kernels ``(out, 3, h, w)`` that were trained on RGB fit images of ``in_channels`` channels.

    One channel: the three are summed, which is the same function of a grey image. More or fewer: they are repeated in
    turn and scaled by ``3 / in_channels``, so that the response keeps its size.
    """
    if in_channels == 3:
        return weight
    if in_channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeats = -(-in_channels // 3)
    return weight.repeat(1, repeats, 1, 1)[:, :in_channels] * (3 / in_channels)
