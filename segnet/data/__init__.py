"""Data sets, augmentation, and the module that joins them."""

from segnet.data.augmentation.augmentation import Augmentation
from segnet.data.datasets.acquisition import Acquisition
from segnet.data.datasets.ade20k import ADE20K
from segnet.data.datasets.brain import Brain
from segnet.data.datasets.camvid import CamVid
from segnet.data.datasets.camvid_full import CamVidFull
from segnet.data.datasets.cityscapes import Cityscapes
from segnet.data.datasets.folder import Folder
from segnet.data.datasets.loveda import LoveDA
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
    "DataModule",
    "FileDataset",
    "Folder",
    "LoveDA",
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
