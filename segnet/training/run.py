"""A whole training: from a config to a run folder."""

import copy
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytorch_lightning as pl
from torch import nn

from segnet.analysis import count_parameters, warn_if_rates_beyond_crop
from segnet.build import (
    data_from_config,
    load_network,
    network_from_config,
    start_from,
    task_from_config,
    without_pretrained_weights,
)
from segnet.checkpoint_file import drop_previous, find_resumable
from segnet.config import Config, get_value, in_sweep, instantiate, instantiate_group, to_run_yaml, to_values
from segnet.config_values import check_values
from segnet.data import DataModule
from segnet.data.sampling import TrainingOrder
from segnet.errors import UserError, find_user_error
from segnet.run_folder import (
    CONFIG,
    TRAIN_LOG,
    Metrics,
    Outcome,
    write_whole,
)
from segnet.training.budget import check_budget, fit_into_budget
from segnet.training.callbacks import History
from segnet.training.fine_tuning import freeze, rate_factors
from segnet.training.finish import image_shape, score_both_splits, state_facts
from segnet.training.folder import (
    claim,
    completed_checkpoint,
    log_to,
    say_how_to_resume,
    sentences_of_the_system,
    write_outcome,
)
from segnet.training.interruption import Interruption
from segnet.training.learning_rate import set_found_rate
from segnet.training.module import TrainingModule
from segnet.training.position import DataPosition
from segnet.training.processes import check_processes, is_first_process
from segnet.training.requeue import requeue
from segnet.training.score_table import ScoreTable
from segnet.training.setup import TrainingSetup
from segnet.training.task import Task
from segnet.training.trainer import build_trainer, without_hints
from segnet.training.trainer_arguments import check_trainer
from segnet.trusted_classes import targets, trust

log = logging.getLogger(__name__)


def train(
    config: Config,
    run_dir: Path,
    resume: bool = False,
    started: float | None = None,
    show_table: Callable[[ScoreTable], None] = lambda table: None,
) -> Metrics:
    """Train, score the best checkpoint on the test split, and fill the run folder.

    Args:
        config: as composed from ``configs/train.yaml``.
        run_dir: where to; ``config.run_dir`` is set to it.
        resume: continue from the folder's last checkpoint, if it has one.
        started: when the command was called, seconds of :func:`time.monotonic`; None: now. The time from there to the
            end of the first step is ``seconds_to_first_step``.
        show_table: called with the scores of the test split.

    Returns:
        The content of ``metrics.json``; in a further process of a distributed training the outcome alone.

    Raises:
        UserError: the folder holds a run and ``resume`` is false, or another process owns it; or something in the
            config or the data cannot work, and ``metrics.json`` then has ``status: failed``, unless the run was
            completed before.
    """
    trust(targets(to_values(config, resolve=False)))  # the caller has these classes built
    check_values(config)
    check_budget(config)
    check_trainer(config.trainer)
    started = time.monotonic() if started is None else started
    with claim(run_dir, resume), log_to(run_dir / TRAIN_LOG):
        config.run_dir = str(run_dir)
        return _train_and_note(config, run_dir, resume, started, show_table)


def _train_and_note(
    config: Config, run_dir: Path, resume: bool, started: float, show_table: Callable[[ScoreTable], None]
) -> Metrics:
    """Train, and write into ``metrics.json`` how it ended."""
    outcome: Outcome = {"status": "failed", "seed": config.seed}
    results: Metrics = {}
    checkpoint = completed_checkpoint(run_dir)
    interruption = Interruption(to_values(config.trainer).get("max_time"))
    try:
        with without_hints(), sentences_of_the_system(run_dir), interruption.handlers():
            results |= _train(config, run_dir, resume, started, show_table, interruption)
            if is_first_process():
                drop_previous(run_dir)
        outcome["status"] = "completed"
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the one into the other
        outcome["status"] = "interrupted"
        if is_first_process():
            say_how_to_resume(run_dir, interruption.finished_epochs, config.trainer.max_epochs)
            if interruption.asks_for_requeue:
                requeue()
        raise
    except Exception as error:
        outcome["error"] = str(find_user_error(error) or error)
        raise
    finally:
        still_completed = checkpoint is not None and checkpoint == completed_checkpoint(run_dir)
        if is_first_process() and (outcome["status"] == "completed" or not still_completed):
            write_outcome(run_dir, outcome, results)
    return {**outcome, **results}


def _train(
    config: Config,
    run_dir: Path,
    resume: bool,
    started: float,
    show_table: Callable[[ScoreTable], None],
    interruption: Interruption,
) -> Metrics:
    task, data = task_from_config(config), data_from_config(config)
    callbacks = instantiate_group("callbacks", config.callbacks)
    history = _find_history(callbacks)
    position = DataPosition()
    trainer = build_trainer(config, [*callbacks, position, interruption])
    check_processes(trainer.num_devices, trainer.num_nodes)
    if trainer.world_size > 1 and in_sweep():
        # The further processes would be started with the whole sweep's arguments.
        raise UserError(
            f"a sweep cannot share each run among {trainer.world_size} processes: leave out -m and call one training "
            f"after another, or set trainer.devices=1"
        )
    task.check(data, trainer.world_size)
    if config.get("budget_minutes") is not None and not resume:
        fit_into_budget(config, task, data, build_module, started, interruption.take_over)
        trainer.fit_loop.max_epochs = config.trainer.max_epochs
    last = _checkpoint_to_resume(run_dir) if resume else None
    network = _first_network(config, last is not None)
    if config.get("find_lr") and not resume:
        set_found_rate(config, task, data, copy.deepcopy(network), build_module, run_dir, interruption.take_over)
    module = build_module(config, task, data, network)
    if trainer.is_global_zero:
        write_whole(run_dir / CONFIG, to_run_yaml(config))
        log.info(
            "training on %d images: %s parameters, %s, %s",
            len(data.split("train").ids),
            f"{count_parameters(network):,}",
            trainer.strategy.root_device,
            trainer.precision,
        )
        if data.overfit_images is not None:
            log.warning("data.overfit_images: every score is of the %d training images", len(data.split("val").ids))
        _say_what_is_tuned(config, module)
        _warn_of_rates(network, data, task)
    pinned = trainer.strategy.root_device.type == "cuda"
    train_loader = data.train_loader(trainer.global_rank, trainer.world_size, pinned)
    assert isinstance(train_loader.sampler, TrainingOrder)
    position.order = train_loader.sampler
    trainer.fit(
        module,
        train_loader,
        data.eval_loader("val", trainer.global_rank, trainer.world_size, pinned),
        ckpt_path=last,
        weights_only=True,
    )
    if not trainer.is_global_zero:
        return {}
    # As anyone would load it later, so that segnet-evaluate repeats these scores to the last digit.
    network = load_network(run_dir).to(trainer.strategy.root_device)
    facts = state_facts(trainer, history, network, task.input_shape(image_shape(data)), started)
    return {**facts, **score_both_splits(task, network, data, run_dir, show_table)}


def _checkpoint_to_resume(run_dir: Path) -> Path | None:
    path, problems = find_resumable(run_dir)
    if path is not None and is_first_process():
        for problem in problems:
            log.warning("%s; resuming from %s", problem, path.name)
    return path


def _first_network(config: Config, is_resumed: bool) -> nn.Module:
    """Build the network as the training begins with it; of one that is resumed the checkpoint has the weights."""
    network = network_from_config(without_pretrained_weights(config) if is_resumed else config)
    if config.get("init") is not None and not is_resumed:
        _start_from(network, config.init)
    return network


def _start_from(network: nn.Module, source: str) -> None:
    """Fine-tune: take another training's weights, and say which tensors they do not fill."""
    new = start_from(network, source)
    count = len(network.state_dict())
    if is_first_process():
        named = f"; new: {', '.join(new)}" if new else ""
        log.info("init=%s: %d of %d tensors loaded%s", source, count - len(new), count, named)


def _say_what_is_tuned(config: Config, module: TrainingModule) -> None:
    """Say which parts stay as they are, and which learn at a rate of their own."""
    if module.frozen:
        frozen = sum(parameter.numel() for parameter in module.network.parameters() if not parameter.requires_grad)
        log.info("frozen: %s, %s parameters", ", ".join(config.freeze), f"{frozen:,}")
        if config.get("init") is None and get_value(config, "model.encoder.weights") is None:
            log.warning("the frozen parts have random values: start from a training with init=..., or leave out freeze")
    if rates := to_values(config).get("lr_of"):
        rate = config.optimizer.lr
        named = (f"{name} {factor * rate:g}" for name, factor in rates.items())
        log.info("learning rates: %s; all else %g", ", ".join(named), rate)


def _warn_of_rates(network: nn.Module, data: DataModule, task: Task) -> None:
    """Say where the taps of an atrous convolution would see nothing but padding in training."""
    size = data.train_loader().dataset[0, 0].draw.size
    warning = warn_if_rates_beyond_crop(network, task.input_shape((data.channels, *size))[1:])
    if warning is not None:
        log.warning(warning)


def _find_history(callbacks: Sequence[pl.Callback]) -> History:
    for callback in callbacks:
        if isinstance(callback, History):
            return callback
    raise UserError("a training keeps its clock in callbacks.history: do not set it to null")


def build_module(config: Config, task: Task, data: DataModule, network: nn.Module) -> TrainingModule:
    """Build the Lightning module of a config: the network with its loss, optimiser and schedule."""
    frozen = freeze(network, config.get("freeze") or [])  # runs of older versions have none
    setup = TrainingSetup(
        network,
        loss=task.make_loss(instantiate(config.loss), instantiate(config.class_weights), data),
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        sample_ids=data.split("train").ids,
        seed=config.seed,
        skip_steps=config.get("skip_steps", 0),  # runs of older versions have none
        float32_after_skip=config.get("float32_after_skip", False),
        frozen=frozen,
        rate_factors=rate_factors(network, to_values(config).get("lr_of") or {}),
        channels_last=config.channels_last,
        compile_network=config.compile,
    )
    return task.training_module(setup, data)
