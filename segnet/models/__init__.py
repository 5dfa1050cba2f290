"""Encoders, context blocks, decoders, and the network that joins them."""

from segnet.models.contexts import NoContext
from segnet.models.decoders import MirrorDecoder
from segnet.models.encoders import EncoderOutput, PlainEncoder
from segnet.models.initialisation import initialise
from segnet.models.network import SegmentationNetwork
from segnet.models.skips import AdditiveSkip, ConcatenatedSkip, NoSkip
from segnet.models.super_resolution import SuperResolutionNetwork

__all__ = [
    "AdditiveSkip",
    "ConcatenatedSkip",
    "EncoderOutput",
    "MirrorDecoder",
    "NoContext",
    "NoSkip",
    "PlainEncoder",
    "SegmentationNetwork",
    "SuperResolutionNetwork",
    "initialise",
]
