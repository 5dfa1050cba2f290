"""Resampling images: in which blocks, and what intervals follow; numpy and scipy only.

Definitions, formulas and sources: ``docs/statistics.md``.
"""

from segnet.resampling.blocks import Blocks, Groups, choose_blocks, groups_of, optimal_length
from segnet.resampling.bootstrap import RESAMPLES, bootstrap_values, image_covariance, image_interval, influences
from segnet.resampling.interval import CONFIDENCE, FloatArray, Interval

__all__ = [
    "CONFIDENCE",
    "RESAMPLES",
    "Blocks",
    "FloatArray",
    "Groups",
    "Interval",
    "bootstrap_values",
    "choose_blocks",
    "groups_of",
    "image_covariance",
    "image_interval",
    "influences",
    "optimal_length",
]
