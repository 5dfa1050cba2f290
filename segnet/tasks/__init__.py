"""What a network is trained for: one room per task."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segnet.tasks.segmentation.task import Segmentation
    from segnet.tasks.super_resolution.task import SuperResolution

__all__ = ["Segmentation", "SuperResolution"]


def __getattr__(name: str) -> object:
    # Late, since results are written without torch where an exported network made them.
    if name == "Segmentation":
        from segnet.tasks.segmentation.task import Segmentation

        return Segmentation
    if name == "SuperResolution":
        from segnet.tasks.super_resolution.task import SuperResolution

        return SuperResolution
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
