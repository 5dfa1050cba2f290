"""The scores of a split image by image: counts from which every score of the split can be computed again."""

import io
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from segnet.arrays_file import read_arrays
from segnet.errors import UserError
from segnet.metrics.counts import class_counts, image_f1, mean_f1, mean_iou
from segnet.run_folder import write_whole


@dataclass(frozen=True)
class ImageScores:
    """Counts of each of n images and K classes, int64; sums over images are the counts of the split.

    Attributes:
        names: ``(n,)`` of the images, in the order of the split.
        groups: ``(n,)`` name of what each image belongs to: a sequence, a patient, or the image alone. Images of one
            group are no independent evidence, see :func:`segnet.data.sample_groups`.
        classes: ``(K,)`` names of the classes.
        confusions: ``(n, K, K)``, rows the labels, columns the predictions.
        boundary_f1: ``(n, 4, K)``, see :func:`segnet.metrics.boundary_f1_counts`.
        boundary_iou: ``(n, 3, K)``, see :func:`segnet.metrics.boundary_iou_counts`.
        trimap: ``(n, W, K, K)``, the confusion matrix of each band, see :func:`segnet.metrics.trimap_confusions`.
        trimap_widths: ``(W,)`` of the bands, pixels.
        small_objects: ``(n, 3, K)``, see :func:`segnet.metrics.small_object_counts`.
        ignore_index: label that was left out; it matters where it is one of the classes, see
            :func:`segnet.metrics.class_counts`. -1 in files that do not say.
    """

    names: np.ndarray
    groups: np.ndarray
    classes: np.ndarray
    confusions: np.ndarray
    boundary_f1: np.ndarray
    boundary_iou: np.ndarray
    trimap: np.ndarray
    trimap_widths: np.ndarray
    small_objects: np.ndarray
    ignore_index: int = -1

    def class_counts(self) -> np.ndarray:
        """Return all that the IoU of the images needs, ``(n, 3, K)``, see :func:`segnet.metrics.class_counts`."""
        return class_counts(self.confusions, self.ignore_index)

    def boundary_scores(self) -> dict[str, float]:
        """Score the split, by the names that ``metrics.json`` uses; NaN where there is nothing to score."""
        return {
            "boundary_f1": float(mean_f1(image_f1(self.boundary_f1).sum(0))),
            "boundary_iou": float(mean_iou(self.boundary_iou.sum(0))),
            "small_object_iou": float(mean_iou(self.small_objects.sum(0))),
        }

    def trimap_curve(self) -> dict[str, np.ndarray]:
        """Score each band of the split: "width" in pixels, "miou" and "pixel_accuracy", each ``(W,)``."""
        confusions = self.trimap.sum(0)
        hits, pixels = np.trace(confusions, axis1=-2, axis2=-1), confusions.sum((-2, -1))
        accuracy = np.divide(hits, pixels, out=np.full(len(pixels), np.nan), where=pixels > 0)
        return {
            "width": self.trimap_widths,
            "miou": mean_iou(class_counts(confusions, self.ignore_index)),
            "pixel_accuracy": accuracy,
        }

    def write(self, path: Path) -> None:
        """Write an ``.npz``, whole or not at all."""
        write_whole(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the content of the ``.npz``."""
        content = io.BytesIO()
        np.savez_compressed(content, **{field.name: getattr(self, field.name) for field in fields(self)})
        return content.getvalue()


def read_scores(path: Path) -> ImageScores:
    """Read what :meth:`ImageScores.write` wrote.

    Raises:
        UserError: the file is not there, or not whole.
    """
    try:
        content = read_arrays(path)
        later = {"ignore_index", "groups"}  # files of older versions do not have them
        arrays = {field.name: content[field.name] for field in fields(ImageScores) if field.name not in later}
        arrays["groups"] = content.get("groups", arrays["names"])
        return ImageScores(**arrays, ignore_index=int(content.get("ignore_index", -1)))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: train the run to its end, which writes it") from error
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} is not a file of scores ({error}): train the run again") from error
