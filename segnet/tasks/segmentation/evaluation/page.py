"""The page of an evaluation: one file that opens from the disk."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segnet.data import DataModule
from segnet.metrics.measures import FEW_IMAGES, rare_classes
from segnet.pages import few_colours, photograph, render
from segnet.tasks.segmentation.evaluation import charts
from segnet.tasks.segmentation.evaluation.collection import Collected, Look
from segnet.tasks.segmentation.evaluation.estimates import Estimate, Estimates
from segnet.tasks.segmentation.evaluation.words import DEFINITIONS, MEASURES, interval_text, percent
from segnet.tasks.segmentation.pictures import RIGHT_COLOUR, WRONG_COLOUR, colour_of_ignored

TEMPLATES = Path(__file__).parent / "template"
LONGEST_SIDE = 960
"""Of a picture in the page, pixels; larger ones are made smaller."""
CONFUSIONS = 8
FEW_BLOCKS = 10
"""With fewer blocks of images, intervals are too short."""


def render_page(
    collected: Collected,
    estimates: Estimates,
    looks: Sequence[Look],
    data: DataModule,
    split: str,
    facts: Mapping[str, str],
) -> str:
    """Render the page; the same arguments give the same page.

    Args:
        collected: the counts of the split's images.
        estimates: their scores.
        looks: its worst images, the worst first.
        data: the data module.
        split: "train", "val" or "test".
        facts: what the page says of its making, by name; "run" and "data" are its title.
    """
    shown = [
        charts.confusion(collected.images.confusions.sum(0), data.classes),
        charts.reliability(collected.calibration.sum(0)),
        charts.trimap(collected),
        charts.images(collected),
    ]
    context = {
        "facts": facts,
        "split": split,
        "number": len(collected.images.names),
        "estimates": estimates,
        "few_blocks": estimates.blocks < FEW_BLOCKS,
        "measures": [_measure(name, estimates.scores[key]) for key, name in MEASURES.items()],
        "headline": _headline(estimates, data.classes, facts, split, len(collected.images.names)),
        "classes": _class_rows(collected, estimates, data),
        "rare": rare_classes(collected.images),
        "few_images": FEW_IMAGES,
        "confusions": _confusions(collected.images.confusions.sum(0), data.classes),
        "calibration": _calibration_sentence(estimates),
        "pictures": [_pictures(look, collected, data) for look in looks],
        "swatches": _swatches(data),
        "definitions": DEFINITIONS,
    }
    return render(TEMPLATES, "evaluation.html", context, {chart["key"]: chart for chart in shown})


def _measure(name: str, estimate: Estimate) -> dict[str, Any]:
    value = estimate.value
    return {
        "name": name,
        "text": percent(value),
        "value": "" if math.isnan(value) else 100 * value,
        "interval": interval_text(estimate.interval),
        "low": percent(estimate.interval.low),
        "strip": _strip(estimate),
    }


def _strip(estimate: Estimate) -> dict[str, float] | None:
    """Place a score and its interval on a line from 0 to 100."""
    if math.isnan(estimate.value):
        return None
    low, high = estimate.interval
    known = not math.isnan(low)
    ends = {"low": 100 * low, "high": 100 * high} if known else {}
    return {key: round(min(max(place, 0.0), 100.0), 2) for key, place in {"mean": 100 * estimate.value, **ends}.items()}


def _headline(estimates: Estimates, classes: Sequence[str], facts: Mapping[str, str], split: str, number: int) -> str:
    miou = estimates.scores["miou"]
    if math.isnan(miou.value):
        return f"Nothing is scored: no pixel of the {split} split of {facts['data']} is labelled."
    found = {name: estimates.scores[f"iou/{name}"].value for name in classes}
    order = sorted((name for name in found if not math.isnan(found[name])), key=lambda name: found[name])
    text = f"mIoU {percent(miou.value)} {interval_text(miou.interval)}".strip()
    images = f"{number} image{'' if number == 1 else 's'}"
    sentence = f"{text} on the {images} of {facts['data']}'s {split} split."
    if len(order) < 2:
        return sentence
    worst, best = (f"{name} ({percent(found[name])})" for name in (order[0], order[-1]))
    return f"{sentence} Best at {best}, worst at {worst}."


def _class_rows(collected: Collected, estimates: Estimates, data: DataModule) -> list[dict[str, Any]]:
    labelled = collected.images.confusions.sum(2)  # (n, K)
    total = max(int(labelled.sum()), 1)
    kinds = ("accuracy", "precision", "dice", "boundary_f1", "boundary_iou")
    return [
        {
            "name": name,
            "colour": data.colours[place],
            "share": percent(labelled[:, place].sum() / total, 2),
            "images": int((labelled[:, place] > 0).sum()),
            "iou": _measure(name, estimates.scores[f"iou/{name}"]),
            "others": {kind: _measure(name, estimates.scores[f"{kind}/{name}"]) for kind in kinds},
        }
        for place, name in enumerate(data.classes)
    ]


def _confusions(matrix: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """List the pairs of classes that are taken for each other in the most pixels."""
    wrong = matrix - np.diag(np.diag(matrix))
    total, labelled = max(int(matrix.sum()), 1), matrix.sum(1)
    found = []
    for flat in np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]:
        label, prediction = divmod(int(flat), len(classes))
        pixels = int(wrong[label, prediction])
        if pixels:
            found.append(
                {
                    "label": classes[label],
                    "prediction": classes[prediction],
                    "of_label": percent(pixels / labelled[label]),
                    "of_all": percent(pixels / total, 2),
                }
            )
    return found


def _calibration_sentence(estimates: Estimates) -> str:
    error, excess = estimates.scores["calibration_error"].value, estimates.scores["overconfidence"].value
    if math.isnan(error):
        return "Nothing is scored."
    if percent(abs(excess)) == percent(0.0):
        lean = "on the whole as sure as it is right"
    else:
        lean = f"on the whole {percent(abs(excess))} points {'more' if excess > 0 else 'less'} sure than it is right"
    return f"The probabilities are off by {percent(error)} points on average (ECE); the network is {lean}."


def _pictures(look: Look, collected: Collected, data: DataModule) -> dict[str, Any]:
    void = len(data.colours)
    palette = [*data.colours, colour_of_ignored(data.colours)]
    scored = look.label != data.ignore_index
    label = np.where(scored, look.label, void)
    errors = np.where(scored, look.prediction != look.label, 2)
    height, width = look.label.shape
    factor = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return {
        "name": str(collected.images.names[look.place]),
        "miou": percent(float(collected.image_mious()[look.place])),
        "wrong": percent(float((look.prediction != look.label)[scored].mean()) if scored.any() else math.nan),
        "width": size[0],
        "height": size[1],
        "image": photograph(_resized(look.image, size, Image.Resampling.LANCZOS)),
        "label": few_colours(_resized(label, size), palette),
        "prediction": few_colours(_resized(look.prediction, size), palette),
        "errors": few_colours(_resized(errors, size), [RIGHT_COLOUR, WRONG_COLOUR, palette[-1]]),
    }


def _resized(pixels: np.ndarray, size: tuple[int, int], how: Image.Resampling = Image.Resampling.NEAREST) -> np.ndarray:
    """Resize ``(H, W)`` or ``(H, W, C)``; the network's image may have another size than the label."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    is_grey = pixels.ndim == 3 and pixels.shape[-1] == 1
    picture = Image.fromarray((pixels[..., 0] if is_grey else pixels).astype(np.uint8)).resize(size, how)
    return np.asarray(picture)[..., None] if is_grey else np.asarray(picture)


def _swatches(data: DataModule) -> list[tuple[str, Sequence[int]]]:
    own = list(zip(data.classes, data.colours, strict=True))
    return [*own, ("not scored", colour_of_ignored(data.colours)), ("error", WRONG_COLOUR)]
