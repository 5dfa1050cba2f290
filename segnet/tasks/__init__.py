"""What a network is trained for: one room per task."""

from segnet.tasks.segmentation.task import Segmentation
from segnet.tasks.super_resolution.task import SuperResolution

__all__ = ["Segmentation", "SuperResolution"]
