"""Finds all that is wrong or strange in a data set, and says what to do about it."""

from segnet.data.verification.bar import reading_bar
from segnet.data.verification.folder import folder_splits
from segnet.data.verification.problems import Problem
from segnet.data.verification.start import verify_once
from segnet.data.verification.verify import split_sources, verify_splits

__all__ = ["Problem", "folder_splits", "reading_bar", "split_sources", "verify_once", "verify_splits"]
