"""The networks that against_smp.py compares: ours, theirs, and the proof that the two are the same.

Each :class:`Architecture` builds both for the same classes. :func:`largest_difference` puts one's weights into the
other and compares what they compute.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import segnet
from segnet.layers import ConvNormAct, SeparableConvolution
from segnet.models import ASPP

SEGNET_WIDTHS, SEGNET_DEPTHS = (32, 64, 128, 256, 256, 256), (2, 2, 3, 3, 3, 0)  # VGG16's, half as wide


class RefinedASPP(nn.Sequential):
    """ASPP as segmentation_models.pytorch has it: with dropout behind it and one more separable convolution.

    Args:
        in_channels: channels that arrive.
        out_channels: channels of each branch and of the result.
        rates: dilation of each atrous branch.
        convolution: factory of the atrous branches.
        activation: factory of the activation.
        dropout: share of the values that are dropped in training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        rates: Sequence[int],
        convolution: Callable[..., nn.Module] = SeparableConvolution,
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(
            ASPP(in_channels, out_channels, rates, convolution, activation),
            nn.Dropout(dropout),
            ConvNormAct(out_channels, out_channels, SeparableConvolution, activation),
        )
        self.out_channels = out_channels


class PlainSegNet(nn.Module):
    """SegNet written as torch's own operators offer it: int64 pool indices, max-unpooling, nothing else.

    Args:
        classes: number of classes.
        widths: channels of each stage.
        depths: convolutions of each stage; the last is 0, for the encoder ends in a pooling.
    """

    def __init__(
        self, classes: int, widths: Sequence[int] = SEGNET_WIDTHS, depths: Sequence[int] = SEGNET_DEPTHS
    ) -> None:
        super().__init__()
        befores = [3, *widths[:-2]]
        self.down = nn.ModuleList(
            self._block(before, width, depth) for before, width, depth in zip(befores, widths, depths, strict=False)
        )
        # The last convolution of a stage leads to the next stage's width, the last of all stays at the first.
        afters = [widths[0], *widths[:-2]]
        ups = [
            self._block(width, after, depth if stage else 1, change_last=True)
            for stage, (width, after, depth) in enumerate(zip(widths, afters, depths, strict=False))
        ]
        self.up = nn.ModuleList(reversed(ups))
        self.head = nn.Conv2d(widths[0], classes, 1)

    @staticmethod
    def _block(before: int, after: int, depth: int, change_last: bool = False) -> nn.Sequential:
        inner = before if change_last else after
        sizes = [before, *[inner] * (depth - 1), after]
        layers: list[nn.Module] = []
        for size, following in itertools.pairwise(sizes):
            layers += [nn.Conv2d(size, following, 3, padding=1, bias=False), nn.BatchNorm2d(following), nn.ReLU(True)]
        return nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Take normalised images ``(N, 3, H, W)`` to logits ``(N, K, H, W)``."""
        features, pooled = images, []
        for block in self.down:
            features = block(features)
            size = features.shape
            features, indices = F.max_pool2d(features, 2, ceil_mode=True, return_indices=True)
            pooled.append((indices, size))
        for block, (indices, size) in zip(self.up, reversed(pooled), strict=True):
            features = block(F.max_unpool2d(features, indices, 2, output_size=size[-2:]))
        return self.head(features)


class Architecture(NamedTuple):
    """One network in two forms.

    Attributes:
        name: as the table shows it.
        overrides: Hydra overrides of ours.
        other: builds the other one, called with ``classes``.
        other_name: who wrote the other one.
    """

    name: str
    overrides: Sequence[str]
    other: Callable[..., nn.Module]
    other_name: str


ARCHITECTURES = {
    "unet": Architecture(
        "U-Net, ResNet-18",
        ["model=unet_resnet18"],
        partial(smp.Unet, "resnet18", encoder_weights=None),
        "smp",
    ),
    "deeplabv3plus": Architecture(
        "DeepLabv3+, MobileNetV2",
        [
            "model=deeplabv3plus",
            "encoder=timm",
            "encoder.name=mobilenetv2_100",
            "encoder.output_stride=16",
            "context._target_=scripts.benchmarks.architectures.RefinedASPP",
            "context.rates=[12,24,36]",
            "decoder.project=false",
            "decoder.depths={4:1}",
        ],
        partial(smp.DeepLabV3Plus, "tu-mobilenetv2_100", encoder_weights=None),
        "smp",
    ),
    "segnet": Architecture(
        "SegNet, half of VGG16's widths",
        ["model=segnet", f"encoder.widths={list(SEGNET_WIDTHS)}"],
        PlainSegNet,
        "plain torch",
    ),
}


def build_ours(architecture: Architecture, overrides: Sequence[str] = ()) -> nn.Module:
    """Build our form, for CamVid's classes unless the overrides name another data set."""
    return segnet.build_network(["data=camvid", *architecture.overrides, *overrides])


def layers(network: nn.Module) -> list[nn.Module]:
    """Return the layers that have weights, in the order in which they were defined."""
    return [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))]


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Put all parameters and running statistics of ``source`` into ``target``, layer by layer.

    Raises:
        RuntimeError: the two do not have the same layers in the same order.
    """
    if len(layers(source)) != len(layers(target)):
        raise RuntimeError(f"the networks have {len(layers(source))} and {len(layers(target))} layers")
    for layer, twin in zip(layers(source), layers(target), strict=True):
        twin.load_state_dict(layer.state_dict())


def enlarge_in_two_steps(network: nn.Module) -> None:
    """Have smp's DeepLabv3+ enlarge twice by x2, half-pixel centres, as ours does; its own is once by x4, aligned."""
    network.decoder.up = network.segmentation_head[1] = nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.Upsample(scale_factor=2, mode="bilinear")
    )


def largest_difference(ours: nn.Module, other: nn.Module, size: tuple[int, int] = (96, 128)) -> float:
    """Return how far the two outputs are apart, relative to the largest value, once ours has the other's weights.

    Both run in float64 in evaluation mode, with running statistics that are not those of the start.
    """
    generator = torch.Generator().manual_seed(0)
    for layer in layers(other):
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
    copy_weights(other, ours)
    ours, other = ours.double().eval(), other.double().eval()
    images = torch.rand((2, 3, *size), generator=generator, dtype=torch.float64)
    with torch.no_grad():
        expected, actual = other((images - ours.mean) / ours.std), ours(images)
    return ((actual - expected).abs().max() / expected.abs().max()).item()
