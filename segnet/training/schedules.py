"""Learning-rate schedules, each a factory ``(optimizer, total_steps) -> scheduler`` that steps after every batch."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR


def constant(optimizer: Optimizer, total_steps: int, warmup_steps: int = 0) -> LRScheduler:
    """Keep the learning rate, after a linear warm-up."""
    return _scaled(optimizer, total_steps, warmup_steps, lambda progress: 1.0)


def poly(optimizer: Optimizer, total_steps: int, power: float = 0.9, warmup_steps: int = 0) -> LRScheduler:
    """Fall as ``(1 - progress) ** power`` (Chen et al. 2017, DeepLab), after a linear warm-up."""
    return _scaled(optimizer, total_steps, warmup_steps, lambda progress: (1 - progress) ** power)


def cosine(optimizer: Optimizer, total_steps: int, warmup_steps: int = 0) -> LRScheduler:
    """Fall along half a cosine to zero (Loshchilov and Hutter 2017), after a linear warm-up."""
    return _scaled(optimizer, total_steps, warmup_steps, lambda progress: 0.5 * (1 + math.cos(math.pi * progress)))


def one_cycle(optimizer: Optimizer, total_steps: int, warmup_share: float = 0.3) -> LRScheduler:
    """Rise to the optimiser's learning rate, then fall to nearly nothing (Smith and Topin 2018).

    Momentum keeps its value.
    """
    if total_steps * warmup_share == 1:
        warmup_share *= 1 + 1e-6  # torch divides by the length of the rise, the first step not counted
    peaks = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=peaks, total_steps=total_steps, pct_start=warmup_share, cycle_momentum=False)


FIXED_LENGTH = (one_cycle,)
"""Schedules that have no meaning for a training that turns out longer or shorter than it began."""


def follow(scheduler: LRScheduler) -> None:
    """Give the optimiser the learning rate of the present step, where the schedule has another length than it had."""
    if isinstance(scheduler, LambdaLR):
        for group, base, scale in zip(
            scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
        ):
            group["lr"] = base * scale(scheduler.last_epoch)


def _scaled(optimizer: Optimizer, total_steps: int, warmup_steps: int, factor: Callable[[float], float]) -> LRScheduler:
    def scale(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        return factor(min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps)))

    return LambdaLR(optimizer, scale)
