"""Images and masks of one's own: find them, find out what the masks mean, and read them."""

from segnet.data.datasets.folder.content import FolderDescription
from segnet.data.datasets.folder.description import describe_folder
from segnet.data.datasets.folder.folder import Folder
from segnet.data.datasets.folder.settings import folder_setting

__all__ = ["Folder", "FolderDescription", "describe_folder", "folder_setting"]
