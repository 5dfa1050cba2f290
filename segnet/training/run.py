"""A whole training: from a config to a run folder."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
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
from segnet.config import Config, in_sweep, instantiate, instantiate_group, to_run_yaml, to_values
from segnet.config_values import check_values
from segnet.data import DataModule
from segnet.data.sampling import TrainingOrder
from segnet.devices import choose_precision, device_type
from segnet.errors import UserError, find_user_error
from segnet.run_folder import (
    CONFIG,
    TRAIN_LOG,
    Metrics,
    Outcome,
    write_whole,
)
from segnet.training.callbacks import History
from segnet.training.checkpoints import CheckpointFiles
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
from segnet.training.module import TrainingModule
from segnet.training.position import DataPosition
from segnet.training.processes import check_processes, is_first_process
from segnet.training.requeue import requeue
from segnet.training.score_table import ScoreTable
from segnet.training.setup import TrainingSetup
from segnet.training.task import Task
from segnet.training.trainer_arguments import check_trainer
from segnet.trusted_classes import targets, trust

log = logging.getLogger(__name__)

LIGHTNING_HINTS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    "Checkpoint directory .* exists and is not empty.*",  # a run that is resumed
    ".*could not find the monitored key.*",  # before the first validation
    "You're resuming from a checkpoint that ended before the epoch ended.*",  # see DataPosition
    "It is recommended to use `self.log.*sync_dist=True.*",  # each process logs what is of all of them already
    "`broadcast_buffers` is deprecated.*",  # what torch names instead is not in the oldest releases that are promised
    ".*isinstance.treespec, LeafSpec.*",
)


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
        with _without_hints(), sentences_of_the_system(run_dir), interruption.handlers():
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


@contextlib.contextmanager
def _without_hints() -> Iterator[None]:
    """Keep back what Lightning tells those who write a training, and what it warns its own maintainers of."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in LIGHTNING_HINTS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        logger.setLevel(level)


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
    trainer = _build_trainer(config, [*callbacks, position, interruption])
    check_processes(trainer.num_devices, trainer.num_nodes)
    if trainer.world_size > 1 and in_sweep():
        # The further processes would be started with the whole sweep's arguments.
        raise UserError(
            f"a sweep cannot share each run among {trainer.world_size} processes: leave out -m and call one training "
            f"after another, or set trainer.devices=1"
        )
    task.check(data, trainer.world_size)
    last = _checkpoint_to_resume(run_dir) if resume else None
    network = _first_network(config, last is not None)
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


def _build_trainer(config: Config, callbacks: list[pl.Callback]) -> pl.Trainer:
    loggers = instantiate_group("logger", config.logger)
    factory = instantiate(config.trainer)
    shows_progress = any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks)
    plugins = factory.keywords.get("plugins") or []
    device = device_type(config.trainer.accelerator)
    if (device, config.trainer.precision) == ("cpu", "16-mixed"):
        raise UserError("trainer.precision=16-mixed is for GPUs: on a CPU set bf16-mixed or 32-true")
    try:
        trainer: pl.Trainer = factory(
            plugins=[CheckpointFiles(), *(plugins if isinstance(plugins, list) else [plugins])],
            precision=choose_precision(config.trainer.precision, device),
            logger=loggers,
            callbacks=callbacks,
            max_time=None,  # see Interruption
            enable_progress_bar=shows_progress,  # else Lightning adds a bar of its own
            default_root_dir=config.run_dir,
        )
        return trainer
    except MisconfigurationException as error:
        devices = f"trainer.accelerator={config.trainer.accelerator} trainer.devices={config.trainer.devices}"
        raise UserError(f"no trainer for {devices} on this machine ({error}): choose trainer=cpu or auto") from error


def build_module(config: Config, task: Task, data: DataModule, network: nn.Module) -> TrainingModule:
    """Build the Lightning module of a config: the network with its loss, optimiser and schedule."""
    setup = TrainingSetup(
        network,
        loss=task.make_loss(instantiate(config.loss), instantiate(config.class_weights), data),
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        sample_ids=data.split("train").ids,
        seed=config.seed,
        skip_steps=config.get("skip_steps", 0),  # runs of older versions have none
        float32_after_skip=config.get("float32_after_skip", False),
        channels_last=config.channels_last,
        compile_network=config.compile,
    )
    return task.training_module(setup, data)
