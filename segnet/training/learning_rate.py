"""Finding a learning rate: a trial whose rate grows with every step, until the loss does (Smith 2017)."""

import csv
import io
import logging
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytorch_lightning as pl
from torch import nn

from segnet.config import Config
from segnet.data import DataModule
from segnet.errors import UserError
from segnet.run_folder import write_whole
from segnet.training.processes import is_first_process
from segnet.training.task import Task
from segnet.training.trial import BuildModule, run_trial

log = logging.getLogger(__name__)

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 100
"""The first and the last learning rate, and the steps between."""
REACH = 5
"""Steps before and after each whose losses are averaged with its own."""
DIVERGED = 4.0
"""How many times its lowest value the mean of the last losses may reach before the trial ends."""
LEARNING_RATES, PICTURE = "learning_rates.csv", "learning_rates.png"


def set_found_rate(
    config: Config,
    task: Task,
    data: DataModule,
    network: nn.Module,
    build_module: BuildModule,
    run_dir: Path,
    take_over: Callable[[], None] = lambda: None,
) -> None:
    """Put the learning rate at which the loss falls fastest into a config, and ``find_lr: false``.

    The curve goes to ``learning_rates.csv`` and ``learning_rates.png`` in the run folder.

    Args:
        config: as composed from ``configs/train.yaml``.
        task: its task.
        data: its data, which have been checked.
        network: as the training begins with it; it is trained here, so give a copy.
        build_module: see :func:`segnet.training.run.build_module`.
        run_dir: the run folder.
        take_over: called when Lightning has set handlers of its own for signals.

    Raises:
        UserError: the loss falls at no rate.
    """
    if is_first_process():
        log.info("find_lr: %d steps at learning rates from %g to %g", STEPS, LOWEST, HIGHEST)
    growth = RateGrowth(take_over)
    accumulated = config.trainer.get("accumulate_grad_batches") or 1
    changes = {"trainer.limit_val_batches": 0, "skip_steps": STEPS, "float32_after_skip": False}
    run_trial(config, task, data, network, build_module, growth, STEPS * accumulated, changes)
    curve = smoothed(growth.losses)
    place = steepest_fall(curve)
    if is_first_process():
        write_table(run_dir / LEARNING_RATES, growth.rates, growth.losses, curve)
    if place is None:
        raise UserError(
            f"find_lr=true found no learning rate from {LOWEST:g} to {HIGHEST:g} at which the loss falls "
            f"({run_dir / LEARNING_RATES} has the losses): look at the data with segnet-data show, or set optimizer.lr"
        )
    rate = float(f"{growth.rates[place]:.2g}")
    if is_first_process():
        draw(run_dir / PICTURE, growth.rates, growth.losses, curve, place)
        log.info("find_lr: the loss falls fastest at optimizer.lr=%g, which this training takes; see %s", rate, PICTURE)
    config.optimizer.lr = rate
    config.find_lr = False


class RateGrowth(pl.Callback):
    """Lets the learning rate grow by the same factor at each step, and ends the training where the loss grows too.

    Args:
        take_over: called when the training starts.

    Attributes:
        rates: the rate of each step, of the parts that have no factor of their own.
        losses: the loss of each step, before it.
    """

    def __init__(self, take_over: Callable[[], None] = lambda: None) -> None:
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._take_over = take_over
        self._factors: list[float] = []
        self._accumulated: list[float] = []
        self._lowest = math.inf

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note how the rates of the optimiser's groups differ; the first has the optimiser's own."""
        self._take_over()
        rates = [group["initial_lr"] for group in trainer.optimizers[0].param_groups]
        self._factors = [rate / rates[0] for rate in rates]

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Set the rate of the step, over that of the schedule."""
        rate = rate_of_step(len(self.losses))
        for group, factor in zip(trainer.optimizers[0].param_groups, self._factors, strict=True):
            group["lr"] = rate * factor

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Note the loss, after the last batch of a step."""
        self._accumulated.append(float(trainer.callback_metrics["train/loss_step"]))
        if len(self._accumulated) < trainer.accumulate_grad_batches and not trainer.is_last_batch:
            return
        self.rates.append(rate_of_step(len(self.losses)))
        self.losses.append(sum(self._accumulated) / len(self._accumulated))
        self._accumulated = []
        last = self.losses[-REACH:]
        mean = sum(last) / len(last)
        self._lowest = min(self._lowest, mean)
        if len(self.losses) == STEPS or not mean <= DIVERGED * self._lowest:  # NaN too
            trainer.should_stop = True


def rate_of_step(step: int) -> float:
    """Return the learning rate of a step, 0 to ``STEPS - 1``: equal factors from one to the next."""
    return float(LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1)))


def smoothed(losses: Sequence[float]) -> list[float]:
    """Return the mean of each loss and its neighbours, as many to either side as both sides have, ``REACH`` at most.

    A mean of what came before alone would fall some steps late.
    """
    values = []
    for place in range(len(losses)):
        reach = min(REACH, place, len(losses) - 1 - place)
        around = losses[place - reach : place + reach + 1]
        values.append(sum(around) / len(around))
    return values


def steepest_fall(curve: Sequence[float]) -> int | None:
    """Return where a curve over equal factors of the rate falls most from one step to the next; None: nowhere.

    Its ends, which are means of few losses, do not count.
    """
    falls = [before - after for before, after in pairwise(curve[REACH : len(curve) - REACH])]
    finite = [fall for fall in falls if math.isfinite(fall)]
    if not finite or max(finite) <= 0:
        return None
    return REACH + falls.index(max(finite)) + 1


def write_table(path: Path, rates: Sequence[float], losses: Sequence[float], curve: Sequence[float]) -> None:
    """Write the rate, the loss and the smoothed loss of each step as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["lr", "loss", "smoothed"])
    table.writerows(zip(rates, losses, curve, strict=True))
    write_whole(path, text.getvalue())


def draw(path: Path, rates: Sequence[float], losses: Sequence[float], curve: Sequence[float], place: int) -> None:
    """Draw the losses over the rates, and mark a place."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(rates, losses, color="#b9c2cc", linewidth=1, label="loss of the step")
    axes.plot(rates, curve, color="#1f5fa8", linewidth=2, label="smoothed")
    axes.plot(rates[place], curve[place], "o", color="#c2410c", label=f"falls fastest: {rates[place]:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(0, 1.1 * max(curve[: place + 1])))
    axes.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_whole(path, picture.getvalue())
