"""What the report shows of the trained networks, and the files that keep it."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import numpy as np
import numpy.typing as npt

from segnet.ablation.design.files import INSPECTION, INSPECTION_ARRAYS
from segnet.arrays_file import read_arrays
from segnet.run_folder import write_whole

Pixels = npt.NDArray[np.uint8]


class FieldExtent(TypedDict):
    """A receptive field in pixels; None where it is the whole image, which a global pooling may add as well."""

    height: int | None
    width: int | None
    whole_image: bool


class ArmInspection(TypedDict):
    """Of one arm: see :func:`segnet.analysis.receptive_fields` and :func:`segnet.analysis.checkerboard`."""

    receptive_field: FieldExtent
    checkerboard: dict[str, float]


class CeilingRow(TypedDict):
    """See :class:`segnet.analysis.ceiling.Ceiling`."""

    upsampler: str
    stride: int
    miou: float | None
    boundary_f1: float | None
    answered: float


class InspectionNumbers(TypedDict):
    """``inspection.json``; all but ``skipped`` is missing where nothing was inspected.

    Attributes:
        skipped: why nothing was inspected, or None.
        key: hash of the inspected runs and of the settings.
        seeds: the seed of each arm's inspected network.
        probes: shape of the images that checkerboards were measured on.
        classes, colours, ignore_index: of the data.
    """

    skipped: str | None
    key: NotRequired[str]
    seeds: NotRequired[dict[str, int]]
    probes: NotRequired[list[int]]
    classes: NotRequired[list[str]]
    colours: NotRequired[list[list[int]]]
    ignore_index: NotRequired[int]
    ceiling: NotRequired[list[CeilingRow]]
    arms: NotRequired[dict[str, ArmInspection]]


@dataclass
class Crop:
    """The same part of an image for all arms.

    Attributes:
        name: of the image.
        place: top and left, pixels.
        disagreement: share of the crop's scored pixels on which not all arms agree.
        image: ``(h, w, C)`` uint8.
        label: ``(h, w)`` uint8.
        predictions: ``(h, w)`` uint8 by arm.
    """

    name: str
    place: tuple[int, int]
    disagreement: float
    image: Pixels
    label: Pixels
    predictions: dict[str, Pixels] = field(default_factory=dict)


@dataclass
class Inspection:
    """What was found in one trained network of each arm.

    Attributes:
        numbers: see :class:`InspectionNumbers`.
        maps: for each arm the mean absolute gradient of the image, the middle of it, ``(h, w)`` float.
        crops: the parts of images on which the arms disagree most.
    """

    numbers: InspectionNumbers
    maps: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    crops: list[Crop] = field(default_factory=list)


def write_inspection(root: Path, inspection: Inspection) -> None:
    """Write ``inspection.npz`` and ``inspection.json`` into an experiment folder."""
    arms = list(inspection.maps)
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    arrays |= {f"map{number}": inspection.maps[arm] for number, arm in enumerate(arms)}
    crops = []
    for number, crop in enumerate(inspection.crops):
        crops.append({"name": crop.name, "place": crop.place, "disagreement": crop.disagreement})
        arrays |= {f"image{number}": crop.image, f"label{number}": crop.label}
        arrays |= {f"prediction{number}_{place}": crop.predictions[arm] for place, arm in enumerate(arms)}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # its stub takes the names for its own options
    write_whole(root / INSPECTION_ARRAYS, content.getvalue())
    numbers = {**inspection.numbers, "names": arms, "crops": crops}
    write_whole(root / INSPECTION, json.dumps(numbers, indent=2) + "\n")


def read_inspection(root: Path) -> Inspection | None:
    """Read the inspection of an experiment folder; None where there is none, or it is not whole."""
    try:
        numbers = json.loads((root / INSPECTION).read_text())
        arms = numbers.pop("names")
        arrays = read_arrays(root / INSPECTION_ARRAYS)
        maps = {arm: arrays[f"map{number}"] for number, arm in enumerate(arms)}
        crops = [
            Crop(
                crop["name"],
                tuple(crop["place"]),
                crop["disagreement"],
                arrays[f"image{number}"],
                arrays[f"label{number}"],
                {arm: arrays[f"prediction{number}_{place}"] for place, arm in enumerate(arms)},
            )
            for number, crop in enumerate(numbers.pop("crops"))
        ]
    except (OSError, ValueError, KeyError):
        return None
    return Inspection(cast(InspectionNumbers, numbers), maps, crops)
