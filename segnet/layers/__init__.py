"""Operators and the blocks built from them."""

from segnet.layers.convolution import (
    BatchNorm,
    ConvBlock,
    ConvNormAct,
    RegularConvolution,
    SeparableConvolution,
)
from segnet.layers.pooling import MaxPool, StridedConvolution, max_unpool
from segnet.layers.upsamplers import (
    BedOfNails,
    Bilinear,
    MaxUnpool,
    Nearest,
    TransposedConvolution,
    Upsampler,
)

__all__ = [
    "BatchNorm",
    "BedOfNails",
    "Bilinear",
    "ConvBlock",
    "ConvNormAct",
    "MaxPool",
    "MaxUnpool",
    "Nearest",
    "RegularConvolution",
    "SeparableConvolution",
    "StridedConvolution",
    "TransposedConvolution",
    "Upsampler",
    "max_unpool",
]
