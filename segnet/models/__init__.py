"""Encoders, context blocks, decoders, and the network that joins them."""

from segnet.models.contexts import ASPP, AtrousRegularContext, NoContext
from segnet.models.decoders import MirrorDecoder
from segnet.models.encoders import EncoderOutput, PlainEncoder
from segnet.models.initialisation import initialise
from segnet.models.network import SegmentationNetwork
from segnet.models.skips import AdditiveSkip, ConcatenatedSkip, NoSkip, ReducedConcatenatedSkip

__all__ = [
    "ASPP",
    "AdditiveSkip",
    "AtrousRegularContext",
    "ConcatenatedSkip",
    "EncoderOutput",
    "MirrorDecoder",
    "NoContext",
    "NoSkip",
    "PlainEncoder",
    "ReducedConcatenatedSkip",
    "SegmentationNetwork",
    "initialise",
]
