"""Losses: pure functions, and thin modules over them."""

from segnet.losses.class_weights import median_frequency, no_class_weights
from segnet.losses.cross_entropy import CrossEntropy, cross_entropy

__all__ = ["CrossEntropy", "cross_entropy", "median_frequency", "no_class_weights"]
