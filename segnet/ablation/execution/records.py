"""What ``run.json``, ``tuning.json`` and ``experiment.json`` hold."""

from typing import Any, Literal, TypedDict

from segnet.config import Values

Status = Literal["completed", "failed", "interrupted", "killed", "pending"]


class Attempt(TypedDict, total=False):
    """One time that a worker trained a run; ``ended`` and ``seconds`` are missing where it was killed.

    Times are seconds since the epoch.
    """

    started: float
    host: str
    pid: int
    threads: int
    device: str | None
    processor: str
    ended: float
    seconds: float


class RunRecord(TypedDict, total=False):
    """``run.json``, in each run folder; ``without_weights`` where it came from a bundle."""

    arm: str
    levels: dict[str, str]
    seed: int
    kind: str
    key: str
    attempts: list[Attempt]
    without_weights: bool


class TrialRecord(TypedDict):
    """One trial of tuning: its values, its score (None where a run failed), and its run folders."""

    values: Values
    score: float | None
    runs: list[str]


class SearchRecord(TypedDict):
    """One search of tuning: the arms that it was for, and its trials."""

    arms: list[str]
    trials: list[TrialRecord]


class TuningRecord(TypedDict):
    """``tuning.json``; ``said`` is a sentence about the whole, ``chosen`` the values of each arm."""

    said: str
    per_arm: bool
    monitor: str
    trainings_of_each_arm: dict[str, int]
    chosen: dict[str, Values]
    searches: list[SearchRecord]


class RunEntry(TypedDict):
    """A run in ``experiment.json``; its folder is relative to the experiment's."""

    arm: str
    levels: dict[str, str]
    kind: str
    seed: int
    key: str
    folder: str
    status: str
    error: str | None
    seconds: float


class ExperimentRecord(TypedDict):
    """``experiment.json``.

    Attributes:
        status: "running", "completed", "incomplete" (runs failed or were killed) or "unfair".
        wall_seconds: of this command, from the plan to the last run.
        run_seconds: of all attempts that ended, set-up, validation and scoring included.
        train_seconds: of the training steps of all runs.
        workers: number of runs trained at a time; None where a scheduler decides.
    """

    name: str
    status: str
    baseline: str
    primary: str
    seeds: list[int]
    match: str | None
    monitor: str
    tuning: str
    started: str
    wall_seconds: float
    run_seconds: float
    train_seconds: float
    engine: str
    workers: int | None
    command: Any
    versions: dict[str, str]
    git_commit: str | None
    runs: list[RunEntry]
