"""What ``fairness.json`` and ``costs.json`` hold."""

from typing import NotRequired, TypedDict

from segnet.ablation.design.records import AxisComparison


class ParameterComparison(TypedDict):
    """How the parameters of the arms start, with one seed.

    Attributes:
        shared: hash by name of the parameters that all arms have with the same bits.
        own: for each arm the names of the parameters that not all arms have.
        different: names of the parameters that several arms have with the same shape and with different bits.
    """

    shared: dict[str, str]
    own: dict[str, list[str]]
    different: list[str]


class BatchHashes(TypedDict):
    """Hashes of batches; of the whole first epoch's order where they were planned, and the device where trained on."""

    batches: list[str]
    order: NotRequired[str]
    device: NotRequired[str]


class BatchComparison(TypedDict):
    """Whether all arms are shown the same batches: the hashes once, or for each arm where they differ."""

    same: bool
    batches: NotRequired[list[str]]
    order: NotRequired[str]
    device: NotRequired[str]
    arms: NotRequired[dict[str, BatchHashes]]


class StartComparison(TypedDict):
    """The comparison of the arms before the training, for each seed."""

    parameters: dict[str, ParameterComparison]
    batches: dict[str, BatchComparison]


class FairnessCheck(AxisComparison, StartComparison):
    """All that is checked of one comparison before the training."""


class TrainedComparison(TypedDict):
    """The first batches as they were trained on, for each seed, and a sentence about each problem."""

    seeds: dict[str, BatchComparison]
    problems: list[str]


class FairnessRecord(TypedDict, total=False):
    """``fairness.json``: ``checked`` has an entry for each comparison; ``trained`` is missing until runs have ended."""

    axis: list[str]
    checked: dict[str, FairnessCheck]
    trained: TrainedComparison


class LatencyRecord(TypedDict):
    """Milliseconds; see :class:`segnet.analysis.latency.Latency`."""

    median: float
    low: float
    high: float
    repeats: int


class ArmCosts(TypedDict):
    """What an arm costs for one image of the test split.

    Attributes:
        image_size: height and width, pixels.
        params: number of parameters.
        macs: multiply-accumulates of the operators that run.
        plain_macs: of the plain form of the same function.
        activation_bytes, index_bytes: memory that a training step keeps, float32.
        latency_ms: of "inference" and of a "training step".
    """

    image_size: list[int]
    params: int
    macs: int
    plain_macs: int
    activation_bytes: int
    index_bytes: int
    latency_ms: dict[str, LatencyRecord]


class CostsRecord(TypedDict):
    """The costs of one comparison in ``costs.json``: the setting of the measurement, and those of each arm.

    Attributes:
        keys: hash of the config of each arm, so that a repeated command knows what it has measured.
    """

    setting: dict[str, str | int]
    arms: dict[str, ArmCosts]
    keys: NotRequired[dict[str, str]]
