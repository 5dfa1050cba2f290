"""Losses: pure functions, and thin modules over them."""

from segnet.losses.boundary import BoundaryCrossEntropy, boundary_band, boundary_cross_entropy
from segnet.losses.class_weights import (
    effective_number,
    enet,
    given_weights,
    inverse_sqrt,
    median_frequency,
    no_class_weights,
)
from segnet.losses.cross_entropy import CrossEntropy, cross_entropy
from segnet.losses.focal import Focal, focal
from segnet.losses.hard_pixels import HardPixels, hard_pixel_cross_entropy
from segnet.losses.lovasz import LovaszSoftmax, lovasz_softmax
from segnet.losses.means import Mean, loss_means
from segnet.losses.overlap import Dice, Jaccard, Tversky, overlap_loss, tversky_indices
from segnet.losses.weighted_sum import WeightedSum

__all__ = [
    "BoundaryCrossEntropy",
    "CrossEntropy",
    "Dice",
    "Focal",
    "HardPixels",
    "Jaccard",
    "LovaszSoftmax",
    "Mean",
    "Tversky",
    "WeightedSum",
    "boundary_band",
    "boundary_cross_entropy",
    "cross_entropy",
    "effective_number",
    "enet",
    "focal",
    "given_weights",
    "hard_pixel_cross_entropy",
    "inverse_sqrt",
    "loss_means",
    "lovasz_softmax",
    "median_frequency",
    "no_class_weights",
    "overlap_loss",
    "tversky_indices",
]
