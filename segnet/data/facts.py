"""What prediction knows of a run's data: enough to do without the data set, its files and its code."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an exported network is used without torch
    from segnet.data.module import DataModule


@dataclass(frozen=True)
class DataFacts:
    """What a network was trained to take and to tell apart.

    Its normalisation is part of the network.

    Attributes:
        classes: names, in the order of the logits.
        colours: of each class, RGB 0..255.
        ignore_index: label that was neither learned nor scored.
        channels: of an image, 1 (grey) or 3 (colour).
        scale: the network sees images resized by this factor.
        value_range: the values of black and white in files of more than 8 bits; None: by their type.
    """

    classes: tuple[str, ...]
    colours: tuple[tuple[int, ...], ...]
    ignore_index: int
    channels: int
    scale: float
    value_range: tuple[float, float] | None = None

    @classmethod
    def of_module(cls, data: "DataModule") -> "DataFacts":
        """Take them from a data module."""
        return cls(tuple(data.classes), tuple(data.colours), data.ignore_index, data.channels, data.scale)
