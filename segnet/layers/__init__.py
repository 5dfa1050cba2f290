"""Operators and the blocks built from them."""

from segnet.layers.convolution import (
    BatchNorm,
    ConvBlock,
    ConvNormAct,
    DepthwiseConvolution,
    FlippedConvolution,
    LibraryConvolution,
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
from segnet.layers.rewrites.deferred import use_exact_rewrites
from segnet.layers.rewrites.exact import Kernel
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
    "DepthwiseConvolution",
    "DySample",
    "FlippedConvolution",
    "Kernel",
    "LibraryConvolution",
    "LinearFusion",
    "MaxPool",
    "MaxUnpool",
    "Nearest",
    "PixelShuffle",
    "RegularConvolution",
    "SeparableConvolution",
    "StridedConvolution",
    "SumFusion",
    "TransposedConvolution",
    "Upsampler",
    "flat_pool_indices",
    "fusion_weights",
    "max_pool",
    "max_unpool",
    "use_exact_rewrites",
]
