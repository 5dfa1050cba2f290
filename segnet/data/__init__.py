"""Data sets, augmentation, and the module that joins them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segnet.data.augmentation.augmentation import Augmentation
    from segnet.data.augmentation.mixing import ClassMix, CutMix
    from segnet.data.datasets.acquisition import Acquisition
    from segnet.data.datasets.ade20k import ADE20K
    from segnet.data.datasets.brain import Brain
    from segnet.data.datasets.camvid import CamVid
    from segnet.data.datasets.camvid_full import CamVidFull
    from segnet.data.datasets.cityscapes import Cityscapes
    from segnet.data.datasets.folder import Folder
    from segnet.data.datasets.loveda import LoveDA
    from segnet.data.datasets.packed import Packed
    from segnet.data.datasets.pet import Pet
    from segnet.data.datasets.shapes import Shapes
    from segnet.data.datasets.voc import PascalVOC
    from segnet.data.datasets.voc_sbd import PascalVOCWithSBD
    from segnet.data.images import read_image, read_label
    from segnet.data.module import DataModule
    from segnet.data.samples import FileDataset, Sample, SegmentationDataset, sample_groups

__all__ = [
    "ADE20K",
    "Acquisition",
    "Augmentation",
    "Brain",
    "CamVid",
    "CamVidFull",
    "Cityscapes",
    "ClassMix",
    "CutMix",
    "DataModule",
    "FileDataset",
    "Folder",
    "LoveDA",
    "Packed",
    "PascalVOC",
    "PascalVOCWithSBD",
    "Pet",
    "Sample",
    "SegmentationDataset",
    "Shapes",
    "read_image",
    "read_label",
    "sample_groups",
]

# Late, since all but reading images needs torch, and an exported network is used without it.
_HOMES = {
    "ADE20K": "segnet.data.datasets.ade20k",
    "Acquisition": "segnet.data.datasets.acquisition",
    "Augmentation": "segnet.data.augmentation.augmentation",
    "Brain": "segnet.data.datasets.brain",
    "CamVid": "segnet.data.datasets.camvid",
    "CamVidFull": "segnet.data.datasets.camvid_full",
    "Cityscapes": "segnet.data.datasets.cityscapes",
    "ClassMix": "segnet.data.augmentation.mixing",
    "CutMix": "segnet.data.augmentation.mixing",
    "DataModule": "segnet.data.module",
    "FileDataset": "segnet.data.samples",
    "Folder": "segnet.data.datasets.folder",
    "LoveDA": "segnet.data.datasets.loveda",
    "Packed": "segnet.data.datasets.packed",
    "PascalVOC": "segnet.data.datasets.voc",
    "PascalVOCWithSBD": "segnet.data.datasets.voc_sbd",
    "Pet": "segnet.data.datasets.pet",
    "Sample": "segnet.data.samples",
    "SegmentationDataset": "segnet.data.samples",
    "Shapes": "segnet.data.datasets.shapes",
    "read_image": "segnet.data.images",
    "read_label": "segnet.data.images",
    "sample_groups": "segnet.data.samples",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
