"""All that is said of a data set, as numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from segnet.analysis.ceiling import Ceiling, ceilings
from segnet.data import DataModule, SegmentationDataset
from segnet.data.module import SPLITS
from segnet.data.samples import evaluation_stream
from segnet.description.measure import ColourFacts, Split, Track, evenly, measure_split
from segnet.description.recipe import Recipe, suggest
from segnet.errors import UserError, require
from segnet.losses.class_weights import effective_number, enet, inverse_sqrt, median_frequency

SCHEMES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "median_frequency": median_frequency,
    "enet": enet,
    "inverse_sqrt": inverse_sqrt,
    "effective_number": effective_number,
}


@dataclass(frozen=True)
class Shown:
    """A sample to be shown: its name, image ``(H, W, C)`` and label ``(H, W)``, uint8."""

    name: str
    image: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Description:
    """What is in a data set.

    Attributes:
        splits: by name.
        colours: mean and standard deviation of the training images.
        weights: of each class by each scheme, from the training images read, ``(K,)``.
        ceilings: what the labels themselves score when an upsampler enlarges them again.
        ceiling_images: from how many training labels.
        recipe: what is suggested for a training.
        shown: some training samples.
    """

    splits: dict[str, Split]
    colours: ColourFacts
    weights: dict[str, np.ndarray]
    ceilings: list[Ceiling]
    ceiling_images: int
    recipe: Recipe
    shown: list[Shown]


def describe(
    data: DataModule,
    network: nn.Module,
    budget_gib: float,
    images: int | None,
    ceiling_images: int,
    shown: int,
    threads: int,
    track: Track,
) -> Description:
    """Measure a data set.

    Args:
        data: the data module.
        network: that the recipe is for.
        budget_gib: memory of a training step.
        images: at most so many of each split are read, evenly spaced; None: all.
        ceiling_images: so many training labels are pushed down and up again.
        shown: samples to be shown.
        threads: that read.
        track: shows how far it is.

    Raises:
        UserError: a split is not there or holds nothing, a sample cannot be read, or a setting has no sense.
    """
    require(0 < budget_gib < float("inf"), "budget_gib", budget_gib, "a number above 0")
    require(images is None or images >= 1, "images", images, "a number from 1 up, or null")
    require(ceiling_images >= 0, "ceiling_images", ceiling_images, "a number from 0 up")
    require(shown >= 0, "shown", shown, "a number from 0 up")
    sources = {name: data.source(name) for name in SPLITS}
    if not len(sources["train"].ids):
        raise UserError("the training split holds no images: there is nothing to describe")
    facts = (len(data.classes), data.ignore_index)
    splits = {
        name: measure_split(name, dataset, *facts, images, threads, track)
        for name, dataset in sources.items()
        if len(dataset.ids)
    }
    train = splits["train"]
    counts = torch.from_numpy(train.pixel_counts)
    read = partial(_load, sources["train"])
    labels = (torch.from_numpy(read(place).label) for place in evenly(train.total, ceiling_images))
    return Description(
        splits=splits,
        colours=train.colours(),
        weights={name: scheme(counts).numpy() for name, scheme in SCHEMES.items()},
        ceilings=ceilings(labels, *facts) if ceiling_images else [],
        ceiling_images=min(ceiling_images, train.total),
        recipe=suggest(train, network, data.channels, budget_gib),
        shown=[read(place) for place in evenly(train.total, shown)],
    )


def _load(dataset: SegmentationDataset, place: int) -> Shown:
    name = dataset.ids[place]
    image, label = dataset.load(place, evaluation_stream(name))
    return Shown(name, np.array(image), np.array(label))
