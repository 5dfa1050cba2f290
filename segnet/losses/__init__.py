"""Losses: pure functions, and thin modules over them."""

from segnet.losses.class_weights import enet, inverse_sqrt, median_frequency, no_class_weights
from segnet.losses.cross_entropy import CrossEntropy, cross_entropy

__all__ = ["CrossEntropy", "cross_entropy", "enet", "inverse_sqrt", "median_frequency", "no_class_weights"]
