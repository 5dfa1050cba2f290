"""Operators and the blocks built from them."""

from segnet.layers.bottleneck import SplitBottleneck
from segnet.layers.convolution import (
    BatchNorm,
    ConvBlock,
    ConvNormAct,
    Convolution,
    DepthwiseConvolution,
    FlippedConvolution,
    RegularConvolution,
    SeparableConvolution,
)
from segnet.layers.fusion import (
    AtrousRegularConvolution,
    ConcatFusion,
    LinearFusion,
    SumFusion,
    fusion_weights,
)
from segnet.layers.learned_upsamplers import Carafe, DySample, PixelShuffle
from segnet.layers.pooling.pool import MaxPool, StridedConvolution, flat_pool_indices, max_pool, max_unpool
from segnet.layers.replacement import replace_convolutions, replace_norms
from segnet.layers.rewrites.decision import use_exact_rewrites
from segnet.layers.rewrites.kernel import Kernel
from segnet.layers.rewrites.rules import Rules
from segnet.layers.upsamplers import (
    BedOfNails,
    Bicubic,
    Bilinear,
    MaxUnpool,
    Nearest,
    TransposedConvolution,
    Upsampler,
)

__all__ = [
    "AtrousRegularConvolution",
    "BatchNorm",
    "BedOfNails",
    "Bicubic",
    "Bilinear",
    "Carafe",
    "ConcatFusion",
    "ConvBlock",
    "ConvNormAct",
    "Convolution",
    "DepthwiseConvolution",
    "DySample",
    "FlippedConvolution",
    "Kernel",
    "LinearFusion",
    "MaxPool",
    "MaxUnpool",
    "Nearest",
    "PixelShuffle",
    "RegularConvolution",
    "Rules",
    "SeparableConvolution",
    "SplitBottleneck",
    "StridedConvolution",
    "SumFusion",
    "TransposedConvolution",
    "Upsampler",
    "flat_pool_indices",
    "fusion_weights",
    "max_pool",
    "max_unpool",
    "replace_convolutions",
    "replace_norms",
    "use_exact_rewrites",
]
