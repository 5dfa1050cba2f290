"""Which arguments of Lightning's Trainer a training here takes; the others are refused before anything is built."""

from collections.abc import Callable, Mapping
from typing import Any

from segnet.errors import UserError, require

REFUSED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "max_steps": (lambda value: value not in (None, -1), "a training is as long as trainer.max_epochs says"),
    "min_steps": (bool, "a training is as long as trainer.max_epochs says"),
    "fast_dev_run": (
        bool,
        "it writes no checkpoint: try a training with trainer.max_epochs=1 +trainer.limit_train_batches=1",
    ),
    "overfit_batches": (bool, "it needs a sampler of Lightning's: use +trainer.limit_train_batches"),
    "val_check_interval": (
        lambda value: value not in (None, 1.0) or isinstance(value, int),
        "validation comes at the end of an epoch: choose trainer.check_val_every_n_epoch or data.passes",
    ),
    "limit_train_batches": (lambda value: value == 0, "nothing would be trained"),
    "limit_val_batches": (lambda value: value == 0, "validation chooses the best checkpoint"),
    "limit_test_batches": (lambda value: value is not None, "scores are those of the whole split"),
    "limit_predict_batches": (lambda value: value is not None, "a training predicts nothing"),
    "precision": (
        lambda value: str(value).endswith(("16-true", "64-true")),
        "weights are kept in float32: choose 32-true, bf16-mixed or 16-mixed",
    ),
    "gradient_clip_val": (
        lambda value: isinstance(value, (int, float)) and value < 0,
        "it would turn the gradient round: give a number above 0, or null",
    ),
    "accumulate_grad_batches": (
        lambda value: isinstance(value, int) and value < 1,
        "a step takes one batch at least",
    ),
    "enable_checkpointing": (lambda value: value is False, "a run is its checkpoints"),
    "barebones": (bool, "a run is its checkpoints and its history"),
    "use_distributed_sampler": (bool, "the samplers here share out the batches themselves"),
    "reload_dataloaders_every_n_epochs": (bool, "the loaders stay the same"),
    "enable_progress_bar": (lambda value: value is not None, "choose callbacks.progress_bar=null for none"),
    "logger": (lambda value: value is not None, "choose logger=tensorboard, wandb, mlflow or none"),
    "callbacks": (lambda value: value is not None, "add to callbacks, as in +callbacks.mine._target_=..."),
    "default_root_dir": (lambda value: value is not None, "choose run_dir"),
}
"""What is refused, by argument: a test of its value, and why, or what to do instead."""


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Check the settings of the trainer.

    Args:
        trainer: the node of a config.

    Raises:
        UserError: a setting cannot work here; the message says why, or what to set instead.
    """
    epochs = trainer.get("max_epochs")
    require(epochs is not None and epochs >= 1, "trainer.max_epochs", epochs, "an integer from 1 up")
    for name, (refuses, reason) in REFUSED.items():
        if name in trainer and refuses(trainer[name]):
            raise UserError(f"trainer.{name}={trainer[name]} is not possible here: {reason}")
    every = trainer.get("check_val_every_n_epoch", 1)
    valid = every is not None and 1 <= every <= epochs
    require(valid, "trainer.check_val_every_n_epoch", every, f"an integer from 1 to the number of epochs, {epochs}")
