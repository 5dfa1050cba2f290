"""From the per-image scores of runs to a verdict on each pair of arms; numpy and scipy only.

Definitions, formulas and sources: ``docs/statistics.md``.
"""

from segnet.ablation.statistics.arms import read_arms
from segnet.ablation.statistics.comparison import compare, summarise_arms
from segnet.ablation.statistics.effects import factor_effects
from segnet.ablation.statistics.estimates import Estimate, effect_size, estimate, holm
from segnet.ablation.statistics.outliers import find_outliers
from segnet.ablation.statistics.power import Design, analyse_design, power, seeds_to_detect, smallest_detectable
from segnet.ablation.statistics.records import ArmSummary, Comparison, Effect, Outlier
from segnet.ablation.statistics.sentence import verdict_sentence
from segnet.metrics.measures import (
    BOUNDARY_F1,
    BOUNDARY_IOU,
    MEASURES,
    MIOU,
    SMALL_OBJECT_IOU,
    Measure,
    class_measure,
    rare_classes,
)
from segnet.resampling.blocks import Blocks, Groups, choose_blocks, groups_of, optimal_length
from segnet.resampling.bootstrap import (
    bootstrap_values,
    image_covariance,
    image_interval,
    influences,
)
from segnet.resampling.interval import Interval

__all__ = [
    "BOUNDARY_F1",
    "BOUNDARY_IOU",
    "MEASURES",
    "MIOU",
    "SMALL_OBJECT_IOU",
    "ArmSummary",
    "Blocks",
    "Comparison",
    "Design",
    "Effect",
    "Estimate",
    "Groups",
    "Interval",
    "Measure",
    "Outlier",
    "analyse_design",
    "bootstrap_values",
    "choose_blocks",
    "class_measure",
    "compare",
    "effect_size",
    "estimate",
    "factor_effects",
    "find_outliers",
    "groups_of",
    "holm",
    "image_covariance",
    "image_interval",
    "influences",
    "optimal_length",
    "power",
    "rare_classes",
    "read_arms",
    "seeds_to_detect",
    "smallest_detectable",
    "summarise_arms",
    "verdict_sentence",
]
