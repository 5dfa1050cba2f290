"""The results of the statistics; all in the measure's points, and NaN where nothing can be said."""

from dataclasses import dataclass
from typing import Literal

from segnet.resampling.interval import Interval

Outcome = Literal["better", "worse", "none", "no verdict"]
"""Of a comparison; "none": no difference detected."""


@dataclass(frozen=True)
class ArmSummary:
    """One arm's score.

    Attributes:
        arm: its name.
        values: the score of each seed.
        mean, deviation: over the seeds; the deviation is NaN for one seed.
        interval: for the mean, for further seeds and further images, cut at 0 and 100; NaN for one seed.
        seed_interval: for further seeds, scored on these very images (Student's t); NaN for one seed.
    """

    arm: str
    values: dict[int, float]
    mean: float
    deviation: float
    interval: Interval
    seed_interval: Interval


@dataclass(frozen=True)
class Outlier:
    """A run that lies far from the others of its arm: its score, and the median of the arm."""

    arm: str
    seed: int
    value: float
    median: float


@dataclass(frozen=True)
class Comparison:
    """One arm against another.

    Attributes:
        measure: name of the score.
        arm, baseline: names of the two.
        differences: arm minus baseline for each seed that both have.
        difference, deviation: their mean and their standard deviation over seeds.
        interval: for the mean, for further seeds and further images; the one that the verdict shows.
        seed_interval: for further seeds, scored on these very images (Student's t).
        image_interval: for further images, scored by these very networks (percentile bootstrap).
        p_value: of no difference, from ``interval``'s noise.
        p_holm: the same, corrected for all comparisons that were made in this measure with it (Holm).
        comparisons: how many these are.
        exploratory: the experiment was not planned to answer it: another measure is primary, or other pairs.
        effect_size: Hedges' g of the paired differences over seeds.
        image_deviation: standard deviation of the noise of images, which the differences of all seeds share.
        block_length: number of neighbouring images that are resampled together, 1 where each stands alone.
        blocks: number of blocks in a resample.
        image_degrees: degrees of freedom of that noise; few where few images decide.
        smallest_detectable: difference that would be found with a chance of 80% at this noise, with these seeds.
        seeds_needed: seeds to find a difference of ``target`` with that chance; None where 1000 are
            not enough, or where the noise is not known.
        target: that difference, 0.5 points.
        power, wrong_sign, exaggeration: what this experiment makes of a true difference of ``target``, see
            :class:`segnet.ablation.statistics.Design`.
        false_claim: probability that the arm with the higher mean is not the better one.
        outcome: see :data:`Outcome`.
    """

    measure: str
    arm: str
    baseline: str
    differences: dict[int, float]
    difference: float
    deviation: float
    interval: Interval
    seed_interval: Interval
    image_interval: Interval
    p_value: float
    p_holm: float
    comparisons: int
    exploratory: bool
    effect_size: float
    image_deviation: float
    block_length: int
    blocks: float
    image_degrees: float
    smallest_detectable: float
    seeds_needed: int | None
    target: float
    power: float
    wrong_sign: float
    exaggeration: float
    false_claim: float
    outcome: Outcome


@dataclass(frozen=True)
class Effect:
    """One contrast of the primary measure between the arms of two factors.

    Attributes:
        kind: "main" or "interaction".
        factor: whose level it is; of an interaction both, joined by "x".
        level, reference: the level and the one it is compared with; of an interaction both of each.
        effect, deviation: mean and standard deviation over the seeds that all its arms have.
        interval: for further seeds and further images.
        p_holm: of no effect, corrected for all effects of its kind (Holm).
        seeds: number of seeds.
    """

    kind: Literal["main", "interaction"]
    factor: str
    level: str
    reference: str
    effect: float
    deviation: float
    interval: Interval
    p_holm: float
    seeds: int
