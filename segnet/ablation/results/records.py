"""What ``results.json`` holds: every number of the report. Scores are in points (0..100); NaN is None."""

from typing import Any, TypedDict

Number = float | None
Numbers = list[Number]
Row = dict[str, Any]
"""One run: text and numbers by column; a run that is not completed has no scores."""


class Band(TypedDict):
    """A curve over the seeds: mean, smallest and largest value at each point."""

    mean: Numbers
    low: Numbers
    high: Numbers


LearningCurves = TypedDict(
    "LearningCurves",
    {"epoch": list[int], "train/loss": Band, "val/loss": Band, "val/miou": Band},
    total=False,
)
"""By epoch, counted from 1; empty where no run has a history."""


class TrimapCurve(TypedDict, total=False):
    """mIoU in bands around the boundaries, by the half width of the band in pixels; empty without scores."""

    width: list[int]
    miou: Band


class ScoreResult(TypedDict):
    """A score of an arm; see :class:`segnet.ablation.statistics.ArmSummary`."""

    values: dict[str, Number]
    mean: Number
    deviation: Number
    interval: Numbers
    seed_interval: Numbers


class ClassResult(TypedDict):
    """IoU of one class: the mean over seeds, and the value of each seed."""

    mean: Number
    values: dict[str, Number]


class Costs(TypedDict):
    """Costs of an arm, each the smaller the better; times are medians in milliseconds."""

    params: Number
    macs: Number
    plain_macs: Number
    activation_bytes: Number
    index_bytes: Number
    inference_ms: Number
    training_step_ms: Number


class ArmResult(TypedDict):
    """All that is known of one arm in one comparison; ``scores`` are by the key of the measure."""

    levels: dict[str, str]
    costs: Costs
    scores: dict[str, ScoreResult | None]
    classes: dict[str, ClassResult]
    learning: LearningCurves
    fusion: dict[str, Band]
    trimap: TrimapCurve


class ComparisonResult(TypedDict):
    """See :class:`segnet.ablation.statistics.Comparison`; ``verdict`` is its sentence; of the primary measure it names
    seeds that are missing, and says what the verdict is without outliers.
    """

    measure: str
    arm: str
    baseline: str
    differences: dict[str, Number]
    difference: Number
    deviation: Number
    interval: Numbers
    seed_interval: Numbers
    image_interval: Numbers
    p_value: Number
    p_holm: Number
    comparisons: int
    exploratory: bool
    effect_size: Number
    image_deviation: Number
    block_length: int
    blocks: float
    image_degrees: float
    smallest_detectable: Number
    seeds_needed: int | None
    target: float
    power: Number
    wrong_sign: Number
    exaggeration: Number
    false_claim: Number
    outcome: str
    verdict: str


class OutlierResult(TypedDict):
    """See :class:`segnet.ablation.statistics.Outlier`."""

    arm: str
    seed: int
    value: float
    median: float


class EffectResult(TypedDict):
    """See :class:`segnet.ablation.statistics.Effect`."""

    kind: str
    factor: str
    level: str
    reference: str
    effect: Number
    deviation: Number
    interval: Numbers
    p_holm: Number
    seeds: int


class Verdicts(TypedDict):
    """The comparisons of the arms.

    Attributes:
        comparisons: for each measure the comparison of each arm with the baseline.
        primary: key of the measure that carries the verdicts; the comparisons of the others are exploratory.
        pairs: of the primary measure, every two arms; exploratory.
        classes: for each class the comparisons of its IoU.
        outliers: runs that lie far from the others of their arm, in the primary measure.
        without_runs: a sentence for each arm that has no completed run.
        skipped: why nothing is compared, or None.
    """

    primary: str
    comparisons: dict[str, list[ComparisonResult]]
    pairs: list[ComparisonResult]
    classes: dict[str, list[ComparisonResult]]
    outliers: list[OutlierResult]
    without_runs: list[str]
    skipped: str | None


class VariantResult(Verdicts):
    """One comparison of the arms: as they are, or matched in cost.

    Attributes:
        arms: by name.
        effects: of two factors, see :func:`segnet.ablation.statistics.factor_effects`.
        front: for each cost the arms that no other beats in both cost and the primary measure.
        runs: one row for each run.
        images: number of test images.
        groups: number of groups that they belong to, such as films; as many as images where each stands alone.
        rare_classes: the classes that are labelled in too few images, and in how many.
        cost_setting: on what the costs were measured.
    """

    arms: dict[str, ArmResult]
    effects: list[EffectResult]
    front: dict[str, list[str]]
    runs: list[Row]
    images: int
    groups: int
    rare_classes: dict[str, int]
    cost_setting: dict[str, str | int]


class MeasureName(TypedDict):
    """A measure: its key in the results, and its name in sentences."""

    key: str
    name: str


class Results(TypedDict):
    """``results.json``."""

    format: int
    name: str
    status: str
    factors: dict[str, list[str]]
    baseline: str
    primary: str
    seeds: list[int]
    match: str | None
    monitor: str
    split: str
    confidence: float
    resamples: int
    measures: list[MeasureName]
    definitions: list[str]
    variants: dict[str, VariantResult]
