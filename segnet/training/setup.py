"""What every Lightning module needs, whatever the task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TrainingSetup:
    """What every Lightning module needs, whatever the task.

    Attributes:
        network: takes images in 0..1, ``(N, C, H, W)``.
        loss: takes the network's output and what it should be to a scalar.
        optimizer: factory of the optimiser, called with parameter groups.
        scheduler: factory of the schedule, called with the optimiser and the number of steps.
        sample_ids: names of the training samples, for messages.
        seed: the run's, of dropout and the like.
        skip_steps: how many steps with a gradient that is not finite are left out; one more ends the training.
        float32_after_skip: compute in float32 after the first such step, under a mixed precision.
        frozen: parts of the network that stay as they are, see :func:`segnet.training.fine_tuning.freeze`.
        rate_factors: of the learning rate, for parameters of the network that have one of their own.
        channels_last: feed the network in the channels-last memory layout.
        compile_network: run the training forward pass through ``torch.compile``.
    """

    network: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: Callable[..., torch.optim.Optimizer]
    scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler]
    sample_ids: Sequence[str]
    seed: int = 0
    skip_steps: int = 0
    float32_after_skip: bool = False
    frozen: Sequence[nn.Module] = ()
    rate_factors: Mapping[nn.Parameter, float] = field(default_factory=dict)
    channels_last: bool = True
    compile_network: bool = False
