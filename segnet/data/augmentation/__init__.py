"""Augmentation of training samples: what is drawn for a sample, and what it does to a batch."""

from segnet.data.augmentation.augmentation import Augmentation

__all__ = ["Augmentation"]
