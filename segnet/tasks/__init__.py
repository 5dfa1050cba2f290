"""What a network is trained for: all that belongs to one task, in one file a task."""

from segnet.tasks.segmentation import Segmentation
from segnet.tasks.super_resolution import SuperResolution
from segnet.tasks.task import Task

__all__ = ["Segmentation", "SuperResolution", "Task"]
