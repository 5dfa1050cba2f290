"""What an exported file says of itself: all that prediction needs, as text that any program can read. Without torch."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from segnet.data.facts import DataFacts
from segnet.data.value_range import as_range
from segnet.errors import UserError


@dataclass(frozen=True)
class ExportFacts:
    """The metadata of an exported network, one entry for each name, its value as JSON.

    Attributes:
        task: "segmentation" or "super_resolution".
        result: "logits", or "classes" where the file returns the class of each pixel.
        precision: "32", "16" or "int8".
        classes: names, in the order of the logits.
        colours: of each class, RGB 0..255.
        ignore_index: label that was neither learned nor scored.
        channels: of an image.
        scale: the network sees images resized by this factor.
        mean: of each image channel; the file subtracts it itself.
        std: of each image channel; the file divides by it itself.
        factor: output pixels to one input pixel along each axis.
        stride: input pixels that tiles are aligned to.
        reach: how far the receptive field reaches from a pixel, input pixels; None: everywhere.
        pixel_bytes: about what the features of one input pixel take.
        scores: that the run reached, by the names of ``metrics.json``.
        parity: how far the file's results are from the network's, see :class:`segnet.export.check.Parity`.
        segnet_version: that wrote the file.
        value_range: the values of black and white in image files of more than 8 bits; None: by their type.
    """

    task: str
    result: str
    precision: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, ...], ...]
    ignore_index: int
    channels: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    factor: int
    stride: int
    reach: int | None
    pixel_bytes: float
    scores: Mapping[str, float]
    parity: Mapping[str, Any]
    segnet_version: str
    value_range: tuple[float, float] | None = None

    @property
    def data(self) -> DataFacts:
        """Classes, colours, channels and scale."""
        return DataFacts(self.classes, self.colours, self.ignore_index, self.channels, self.scale, self.value_range)

    def with_parity(self, parity: Mapping[str, Any]) -> "ExportFacts":
        """Return the same with the outcome of a check."""
        return replace(self, parity=parity)

    def to_metadata(self) -> dict[str, str]:
        """Return the entries."""
        return {name: json.dumps(value) for name, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, entries: Mapping[str, str], path: Path) -> "ExportFacts":
        """Read the entries of a file.

        Raises:
            UserError: it is not one of ours, or the entries are damaged.
        """
        names = [field.name for field in fields(cls) if field.default is MISSING or field.name in entries]
        if not set(names) <= set(entries):
            raise UserError(f"{path} was not written by segnet-export: it does not say its classes and their colours")
        try:
            values = {name: json.loads(entries[name]) for name in names}
            for name in ("classes", "mean", "std"):
                values[name] = tuple(values[name])
            values["value_range"] = as_range(values.get("value_range"))
            values["colours"] = tuple(tuple(map(int, colour)) for colour in values["colours"])
            return cls(**values)
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} is damaged: its metadata cannot be read ({error}); export it again") from error
