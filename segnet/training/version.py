"""The version of what a training computes."""

TRAINING_VERSION = 1
"""Raised where the same config comes to other weights or scores than before, by more than rounding.

Runs of an ablation are told apart by it, so that finished runs count as long as the code would train them again alike,
whatever else changes. ``tests/training/test_version.py`` compares small trainings with what they came to, and fails
where a change of code asks for the next number.
"""

ADDED_SETTINGS: dict[str, object] = {
    "init": None,
    "freeze": [],
    "lr_of": None,
    "budget_minutes": None,
    "find_lr": False,
    "skip_steps": 0,
    "float32_after_skip": False,
    **{f"data.augmentation.{name}": 0.0 for name in ("grey", "blur", "noise", "cut_out", "distortion")},
    "data.augmentation.jpeg": 100,
    "data.augmentation.class_balance": 0.0,
    "data.augmentation.transforms": [],
    "data.mix": None,
    "data.repeat_factor": 0.0,
    "data.epoch_samples": None,
    "data.overfit_images": None,
    "data.value_range": None,
    "data.dataset.value_range": None,
}
"""Config paths that are newer than this version of the training, with the value that leaves the training as it was.

A setting that is added here, with its default, does not turn the finished runs of an ablation into others.
"""
