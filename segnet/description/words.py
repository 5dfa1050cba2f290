"""A description in words: the sentences of the page, and the tables of the terminal."""

import numpy as np

from segnet.data import DataModule
from segnet.data.module import SPLITS
from segnet.description.describe import Description
from segnet.description.measure import Split, absent, class_shares, class_sizes
from segnet.training.score_table import ScoreTable

MISSING = "–"  # noqa: RUF001 - an en dash
FAR_FROM_SETTING = 0.03
"""A mean that differs by so much from the setting is worth a word."""


def percent(share: float, digits: int = 1) -> str:
    """Write a share in percent; one that would read 0 and is not, as "< 0.1"."""
    least = 10.0**-digits
    return f"< {least:.{digits}f}" if 0 < 100 * share < least / 2 else f"{100 * share:.{digits}f}"


def number(value: float) -> str:
    """Write a number with three digits that count: "0.0123", "45.6", "1,230"."""
    if value == 0:
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{digits}f}"


def sizes_text(split: Split) -> str:
    """Say what sizes the images have: "480x360", or the median and the range."""
    sizes = split.sizes
    height, width = np.median(sizes, axis=0).round().astype(int).tolist()
    if (sizes == sizes[0]).all():
        return f"{width}x{height}"
    low, high = sizes.min(0).tolist(), sizes.max(0).tolist()
    return f"{width}x{height} (median; {low[1]}x{low[0]} to {high[1]}x{high[0]})"


def read_text(split: Split) -> str:
    """Say how many images there are, and of how many the numbers are."""
    read = len(split.samples)
    return f"{split.total:,}" if read == split.total else f"{split.total:,} ({read:,} read)"


def notices(description: Description, data: DataModule) -> list[str]:
    """List what a person should know before a training."""
    found = []
    for name, split in description.splits.items():
        missing = absent(split, data.classes, data.ignore_index)
        if missing:
            of = f"the {len(split.samples)} images read of the {name} split"
            found.append(f"No pixel of {', '.join(missing)} in {of}.")
    found += [f"The {name} split holds no images." for name in SPLITS if name not in description.splits]
    shares = class_shares(description.splits["train"])
    known = shares[shares > 0]
    if len(known) > 1 and known.max() > 50 * known.min():
        rare, common = data.classes[int(np.where(shares > 0, shares, 2).argmin())], data.classes[int(shares.argmax())]
        found.append(
            f"{common} has {known.max() / known.min():,.0f} times as many pixels as {rare}: class weights, or a loss "
            f"of overlap such as loss=dice_ce, give rare classes a say."
        )
    mean, fill = description.colours.mean, [value / 255 for value in data.augmentation.fill]
    if len(mean) == len(fill) and max(abs(a - b) for a, b in zip(mean, fill, strict=True)) > FAR_FROM_SETTING:
        found.append(
            f"The images' mean is [{', '.join(f'{value:.3f}' for value in mean)}], and data.mean says "
            f"[{', '.join(f'{value:.3f}' for value in fill)}]."
        )
    return found


def splits_table(description: Description) -> ScoreTable:
    """Set out the splits."""
    rows = [
        (
            name,
            [
                read_text(split),
                f"{split.groups:,}",
                sizes_text(split),
                percent(split.ignored),
                percent(float(split.boundary.sum()) / max(1, int(split.pixel_counts.sum()))),
            ],
        )
        for name, split in description.splits.items()
    ]
    columns = ["images", "groups", "width x height", "ignored, %", "boundary, %"]
    about = "boundary: share of the scored pixels that have another class above, below, left or right of them"
    return ScoreTable("splits", columns, rows, about, key="split")


def classes_table(description: Description, data: DataModule) -> ScoreTable:
    """Set out the classes."""
    train = description.splits["train"]
    rows = []
    for place, name in enumerate(data.classes):
        shares = [percent(float(class_shares(split)[place]), 2) for split in description.splits.values()]
        sizes = class_sizes(train, place)
        parts = [MISSING] * 2 if sizes is None else [number(sizes.per_image), percent(sizes.median, 2)]
        rows.append((name, [*shares, *parts]))
    columns = [*(f"{name}, %" for name in description.splits), "parts", "size, %"]
    about = (
        "shares of the scored pixels of each split; parts: connected components in a training image that has the "
        "class; size: their median area, of the image"
    )
    return ScoreTable("classes", columns, rows, about, key="class")


def weights_table(description: Description, data: DataModule) -> ScoreTable:
    """Set out the weights that each scheme gives the classes."""
    schemes = description.weights
    rows = [(name, [number(float(of[place])) for of in schemes.values()]) for place, name in enumerate(data.classes)]
    return ScoreTable("class weights", list(schemes), rows, "by class_weights=NAME", key="class")


def ceilings_table(description: Description) -> ScoreTable:
    """Set out the ceilings."""
    rows_of: dict[str, list[str]] = {}
    for row in description.ceilings:
        rows_of.setdefault(row.upsampler, []).append(f"{100 * row.miou:.1f}")
    strides = list(dict.fromkeys(row.stride for row in description.ceilings))
    about = (
        f"mIoU in % of {description.ceiling_images} training labels that are brought down to an output stride and up "
        f"again, with no network between"
    )
    return ScoreTable(
        "ceilings", [f"stride {stride}" for stride in strides], list(rows_of.items()), about, key="upsampler"
    )
