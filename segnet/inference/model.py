"""A trained network with all that its use needs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from segnet.build import facts_from_config, load_network, task_from_config
from segnet.config import load_config
from segnet.data.facts import DataFacts
from segnet.devices import choose_device
from segnet.inference.predictor import Predictor
from segnet.inference.runner import Runner
from segnet.training.task import Prediction, Task
from segnet.trusted_classes import allow_code as code_allowed


class Model(Predictor):
    """A trained network, its task, and what it knows of its data.

    Attributes:
        network: the bare network, in evaluation mode; it takes images ``(N, C, H, W)``, floats in 0..1.
        task: what it was trained for.
        facts: classes, colours, channels and scale.
        runner: how it is run: device, precision, memory.
    """

    def __init__(self, network: nn.Module, task: Task, facts: DataFacts, runner: Runner) -> None:
        self.network, self.task, self.facts = network, task, facts
        self.runner: Runner = runner

    def predict_batch(self, images: Sequence[np.ndarray], probabilities: bool) -> Sequence[Prediction]:
        """Predict images ``(H, W, C)`` of one size and type at once."""
        return self.task.predict(self.runner, self.facts, images, probabilities)

    def kinds(self, asked: Sequence[str] | None) -> Sequence[str]:
        """Ask the task."""
        return self.task.kinds(asked)

    def files(self, name: str, kinds: Sequence[str]) -> Sequence[Path]:
        """Ask the task."""
        return self.task.files(name, kinds)


def load_run(
    run: str | Path,
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    memory_gib: float = 0.5,
    flips: str = "none",
    allow_code: bool = False,
    scales: Sequence[float] = (1.0,),
) -> Model:
    """Load the trained network of a run folder; see :func:`segnet.load`."""
    with code_allowed(allow_code):
        config = load_config(run)
    network = load_network(run, checkpoint, allow_code).to(choose_device(device))
    facts = facts_from_config(config)
    runner = Runner(network, facts.channels, precision, memory_gib, flips, scales)
    return Model(network, task_from_config(config), facts, runner)
