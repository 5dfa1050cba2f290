"""The ICBM 152 brain that nilearn's wheel carries, cut into axial slices."""

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from segnet.errors import UserError, require
from segnet.extras import install_command

BACKGROUND, CSF, GREY_MATTER, WHITE_MATTER = range(4)


@functools.cache
def brain_volume() -> tuple[np.ndarray, np.ndarray]:
    """Return T1 intensities (float32) and tissue labels (uint8), both ``(197, 233, 189)`` at 1 mm.

    Intensities are in units of the mean of the brightest tissue, white matter; background is 0.

    The axes run left to right, back to front and bottom to top. The label is the largest of the tissue maps
    inside the brain (where the skull-stripped T1 image is not zero); cerebrospinal fluid, CSF, is what the grey- and
    white-matter maps leave.

    Source: Fonov et al. 2009, the 2009a symmetric template, as nilearn ships it.

    Raises:
        UserError: nilearn is not installed.
    """
    try:
        from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template
    except ImportError as error:
        raise UserError(f"data=brain needs nilearn, which carries the images: {install_command('brain')}") from error
    intensities, grey, white = (
        np.asarray(load(resolution=1).dataobj, dtype=np.float32)
        for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)
    )
    fluid = np.clip(1 - grey - white, 0, 1)
    tissue = np.stack([fluid, grey, white]).argmax(0) + CSF
    labels = np.where(intensities > 0, tissue, BACKGROUND).astype(np.uint8)
    return intensities / intensities[labels == WHITE_MATTER].mean(), labels


class Brain:
    """Axial slices of the brain, seen through a simulated acquisition.

    The splits are slabs; keep gaps between them, for neighbouring slices are nearly the same image.

    Args:
        split: "train", "val" or "test".
        slabs: first and last axial slice (0..188, from the bottom) of each split.
        acquisition: called with clean intensities ``(H, W)`` and the sample's stream, see
            :class:`segnet.data.Acquisition`.

    Raises:
        UserError: nilearn is missing, a slab is not in the volume, or two slabs are closer than 5 slices.
    """

    minimum_gap = 5
    slices = 189

    def __init__(
        self,
        split: str,
        slabs: dict[str, Sequence[int]],
        acquisition: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    ) -> None:
        for name, slab in slabs.items():
            inside = len(slab) == 2 and 0 <= slab[0] <= slab[1] < self.slices
            require(inside, f"data.dataset.slabs.{name}", slab, f"[FIRST,LAST], slices from 0 to {self.slices - 1}")
        ordered = sorted((tuple(slab), name) for name, slab in slabs.items())
        for ((_, last), name), ((first, _), next_name) in itertools.pairwise(ordered):
            if first - last - 1 < self.minimum_gap:
                raise UserError(
                    f"the slabs {name} and {next_name} of data=brain leave {first - last - 1} slices between them: "
                    f"leave at least {self.minimum_gap}, for neighbouring slices are nearly the same image"
                )
        first, last = slabs[split]
        self.ids = [f"axial{number:03d}" for number in range(first, last + 1)]
        # Slice by slice with the nose at the top, so that each lies together in memory.
        self.intensities, self.labels = (
            np.ascontiguousarray(volume[:, ::-1, first : last + 1].T) for volume in brain_volume()
        )
        self.acquisition = acquisition

    @property
    def groups(self) -> list[str]:
        """One name for all slices: they are neighbours in one head."""
        return ["icbm152"] * len(self.ids)

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return image ``(233, 197, 1)`` and label ``(233, 197)`` uint8, the nose at the top."""
        # The brightest tissue has a mean of 1; the field and the noise lift it, so 8 bits hold 0 to 1.6.
        image = self.acquisition(self.intensities[index], random) * (255 / 1.6)
        return np.clip(np.rint(image), 0, 255).astype(np.uint8)[..., None], self.labels[index]
