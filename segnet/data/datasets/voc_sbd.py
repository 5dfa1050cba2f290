"""Pascal VOC 2012 with the training labels that SBD adds (Hariharan et al. 2011)."""

from pathlib import Path

import numpy as np

from segnet.data.datasets.paired import PairedFiles, existing_pairs, listed_names
from segnet.data.datasets.public_set import PublicSet
from segnet.data.datasets.voc import VALUES, PascalVOC
from segnet.data.download import Archive
from segnet.errors import UserError

SOURCE = PublicSet(
    name="SBD",
    page="http://home.bharathh.info/pubs/codes/SBD/download.html (benchmark.tgz)",
    needed="cls",
    inside=["dataset", "benchmark_RELEASE/dataset"],
    archives=[  # address and checksum: torchvision.datasets.SBDataset
        Archive(
            "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
            "md5:82b4d87ceb2ed10f6038a1cba92111cb",
            folder="dataset",
            max_gib=4,
        )
    ],
    setting="data.sbd_root",
)


class PascalVOCWithSBD(PairedFiles):
    """VOC 2012, its training split with SBD's images: 10582 with the official lists, less what is held out.

    Validation and test are those of :class:`PascalVOC`, and no image of them is trained on. Images that both label
    have VOC's label, which marks void along the outlines; SBD's does not.

    Args:
        split: "train", "val" or "test".
        root: VOC's folder, see :class:`PascalVOC`.
        sbd_root: the folder ``dataset`` of SBD's archive, or one above it.
        val_share: see :class:`PascalVOC`; likewise the next.
        channels: see there.
        download: fetch VOC (2 GB) and SBD (1.4 GB) where they are not there.

    Raises:
        UserError: the data are not there or not whole.
    """

    def __init__(
        self,
        split: str,
        root: str | Path,
        sbd_root: str | Path,
        val_share: float = 0.1,
        channels: int = 3,
        download: bool = False,
    ) -> None:
        own = PascalVOC(split, root, val_share, channels, download)
        pairs, names = list(own.pairs), list(own.ids)
        place = SOURCE.find(sbd_root, download)
        if split == "train":
            taken = {name for part in ("train", "val", "test") for name in PascalVOC(part, root, val_share).ids}
            both = {name for part in ("train", "val") for name in listed_names(place / f"{part}.txt")}
            more = sorted(both - taken)
            pairs += existing_pairs(
                more, lambda name: place / "img" / f"{name}.jpg", lambda name: place / "cls" / f"{name}.mat"
            )
            names += more
        super().__init__(pairs, names, VALUES, channels)

    def read_values(self, path: Path) -> np.ndarray:
        """Read the values of a label file ``(H, W)`` uint8: an image of VOC or a MATLAB file of SBD."""
        if path.suffix != ".mat":
            return super().read_values(path)
        from scipy.io import loadmat

        try:
            values = np.asarray(loadmat(path)["GTcls"][0]["Segmentation"][0])
        # What a damaged file makes scipy raise is of many kinds.
        except Exception as error:
            raise UserError(f"cannot read the label {path}: {error}") from error
        if values.ndim != 2 or values.dtype != np.uint8:
            raise UserError(f"cannot read the label {path}: it holds {values.dtype} {values.shape}, no label")
        return values
