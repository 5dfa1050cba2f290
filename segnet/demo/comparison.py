"""What the page shows: one image, seen by one run or by several. Without Gradio."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segnet.data.images import as_bytes, from_pillow
from segnet.errors import UserError

if TYPE_CHECKING:
    from segnet.inference.predictor import Predictor
    from segnet.tasks.segmentation.result import SegmentationResult

LARGEST_SIDE = 2048
"""Longest side of a picture that is sent to the browser; of larger images every second, third, ... pixel is shown."""
IMAGE = "image"
MARK_COLOUR = (255, 0, 255)


@dataclass(frozen=True, eq=False)
class Comparison:
    """An image and what each run makes of it.

    Attributes:
        image: ``(H, W, C)`` uint8.
        results: by the run's name.
    """

    image: np.ndarray
    results: "Mapping[str, SegmentationResult]"

    @property
    def step(self) -> int:
        """Pixels of the image to one of the pictures, along each axis."""
        height, width = self.image.shape[:2]
        return -(-max(int(height), int(width)) // LARGEST_SIDE)

    def picture(self, view: str, opacity: float = 0.5) -> np.ndarray:
        """Return one of :func:`views`, ``(h, w, 3)`` uint8, of at most ``LARGEST_SIDE`` pixels along each side."""
        pixels = np.broadcast_to(self.image, (*self.image.shape[:2], 3))
        if view != IMAGE:
            run, kind = _parts(view, list(self.results))
            result = self.results[run]
            pixels = result.colour() if kind == "mask" else result.overlay(opacity)
        return np.ascontiguousarray(pixels[:: self.step, :: self.step])

    def probabilities_at(self, column: int, row: int) -> dict[str, dict[str, float]]:
        """Return each run's probability of each class at a pixel of the image."""
        found = {}
        for run, result in self.results.items():
            assert result.probabilities is not None
            found[run] = dict(zip(result.classes, result.probabilities[:, row, column].tolist(), strict=True))
        return found

    def shares(self) -> dict[str, dict[str, float]]:
        """Return the share of the image's pixels that each run gives to each class."""
        found = {}
        for run, result in self.results.items():
            counts = np.bincount(result.mask.ravel(), minlength=len(result.classes)) / result.mask.size
            found[run] = dict(zip(result.classes, counts.tolist(), strict=True))
        return found

    def table(self, values: Mapping[str, Mapping[str, float]]) -> str:
        """Write a value in 0..1 of each run and class as an HTML table, the largest first.

        Classes that a run does not have are left empty in its column.
        """
        colours: dict[str, tuple[int, ...]] = {}
        for result in self.results.values():
            for name, colour in zip(result.classes, result.colours, strict=True):
                colours.setdefault(name, colour)
        order = sorted(colours, key=lambda name: -sum(of_run.get(name, 0) for of_run in values.values()))
        heads = "".join(f'<th scope="col">{html.escape(run)}</th>' for run in values)
        rows = "".join(
            f'<tr><th scope="row"><i style="background:rgb{tuple(colours[name])}"></i>{html.escape(name)}</th>'
            f"{''.join(_cell(of_run.get(name)) for of_run in values.values())}</tr>"
            for name in order
        )
        return f'<table class="values"><thead><tr><th scope="col">class</th>{heads}</tr></thead>{rows}</table>'


def _cell(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    return f'<td><b style="--share:{value:.4f}"></b><span>{value:.1%}</span></td>'


def views(runs: Sequence[str]) -> list[str]:
    """Name what can be shown: the image, and the overlay and the mask of each run."""
    return [IMAGE, *(kind if len(runs) == 1 else f"{run}: {kind}" for run in runs for kind in ("overlay", "mask"))]


def first_views(runs: Sequence[str]) -> tuple[str, str]:
    """Choose the views that are shown at first, left and right of the divider."""
    overlays = views(runs)[1::2]
    return (overlays[0], overlays[1]) if len(runs) > 1 else (IMAGE, overlays[0])


def _parts(view: str, runs: Sequence[str]) -> tuple[str, str]:
    run, _, kind = view.rpartition(": ")
    return run or runs[0], kind


def compare(image: np.ndarray, models: "Mapping[str, Predictor]") -> Comparison:
    """Predict an image ``(H, W, 3)`` uint8 with each model.

    Raises:
        UserError: a model does not take the image.
    """
    results = {}
    for name, model in models.items():
        channels = model.facts.channels
        pixels = image if channels == image.shape[-1] else from_pillow(Image.fromarray(image), channels)
        result: SegmentationResult = model.predict(pixels)
        assert result.probabilities is not None
        results[name] = replace(result, probabilities=result.probabilities.astype(np.float16))  # half the memory
    return Comparison(as_bytes(image), results)


def marked(picture: np.ndarray, column: int, row: int) -> np.ndarray:
    """Return a picture with a cross around a pixel, the pixel itself left free."""
    picture, arm = picture.copy(), max(4, max(picture.shape[:2]) // 40)
    for start, stop in ((-arm, -1), (2, arm + 1)):
        picture[max(0, row + start) : max(0, row + stop), column] = MARK_COLOUR
        picture[row, max(0, column + start) : max(0, column + stop)] = MARK_COLOUR
    return picture


def load_models(
    runs: Sequence[str],
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    memory_gib: float = 0.5,
    allow_code: bool = False,
) -> "dict[str, Predictor]":
    """Load runs of segmentation by the names that the page gives them, see :func:`short_names`.

    Raises:
        UserError: one cannot be loaded, or segments nothing.
    """
    from segnet.inference.load import load_predictor

    models = {}
    for name, run in zip(short_names(runs), runs, strict=True):
        models[name] = model = load_predictor(*(run, checkpoint, device, precision, memory_gib), allow_code=allow_code)
        if "overlay" not in model.kinds(None):
            raise UserError(f"run={run} enlarges images, and the page shows classes: segnet-predict enlarges images")
        model.kinds(["probabilities"])  # an exported file may not have them
        if model.facts.channels not in (1, 3):
            raise UserError(
                f"run={run} takes images of {model.facts.channels} channels, and the page shows images of 1 or 3: "
                f"use segnet.load({run!r}).predict(array)"
            )
    return models


def short_names(runs: Sequence[str]) -> list[str]:
    """Name runs by the last two parts of their paths, or as many more as tell them apart.

    Raises:
        UserError: one is given twice.
    """
    for run in runs:
        if runs.count(run) > 1:
            raise UserError(f"{run} is given twice: leave it out of compare=")
    parts = [Path(run).parts for run in runs]
    tried = (["/".join(path[-length:]) for path in parts] for length in range(2, max(2, *map(len, parts)) + 1))
    return next((names for names in tried if len(set(names)) == len(names)), list(runs))
