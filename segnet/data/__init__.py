"""Data sets, augmentation, and the module that joins them."""

from segnet.data.acquisition import Acquisition
from segnet.data.augmentation import Augmentation
from segnet.data.brain import Brain
from segnet.data.camvid import CamVid
from segnet.data.lookup import ColourLookup
from segnet.data.module import DataModule
from segnet.data.shapes import Shapes

__all__ = ["Acquisition", "Augmentation", "Brain", "CamVid", "ColourLookup", "DataModule", "Shapes"]
