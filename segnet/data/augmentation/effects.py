"""What cameras and files do to images: distortion, blur, noise, lost colours, hidden parts, and artefacts of JPEG.

Each effect has a stream of its own, a child of the sample's: one that is switched on leaves the others as they were.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from segnet.data.augmentation.colour import luma
from segnet.data.augmentation.transform import smooth_axis
from segnet.errors import require

NODES = 5
"""Of the distortion along each axis."""
STEPS = 16
"""Displacements are whole 1/16 pixels, so that sums of them are exact."""
LOSSLESS = 100


class Effects(NamedTuple):
    """The effects drawn for one sample; the defaults leave it as it is.

    Attributes:
        blur: standard deviation, pixels of the result.
        noise: standard deviation, 0..255.
        noise_seed: of the noise's own stream.
        grey: whether colours are lost.
        cutout: first row, first column, height and width of what is hidden, in the result.
        jpeg: quality of the file, 1..100.
        displacement: ``(2, NODES, NODES)`` along y and x, pixels of the result; None: none.
    """

    blur: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0
    grey: bool = False
    cutout: tuple[int, int, int, int] = (0, 0, 0, 0)
    jpeg: int = LOSSLESS
    displacement: np.ndarray | None = None


@dataclass(frozen=True)
class EffectSettings:
    """How strong the effects may be, see :class:`segnet.data.Augmentation`.

    Raises:
        segnet.errors.UserError: a value is out of its range; the message names the setting.
    """

    probability: float = 0.2
    distortion: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: int = LOSSLESS
    cutout: float = 0.0
    grey: float = 0.0

    def __post_init__(self) -> None:
        limits = {"distortion": 0.2, "blur": 20.0, "noise": 1.0, "cutout": 1.0, "grey": 1.0}
        for name, limit in limits.items():
            value = getattr(self, name)
            require(0 <= value <= limit, f"data.augmentation.{name}", value, f"a number from 0 to {limit:g}")
        setting = "data.augmentation.effect_probability"
        require(0 <= self.probability <= 1, setting, self.probability, "a number from 0 to 1")
        whole = isinstance(self.jpeg, int) and 1 <= self.jpeg <= LOSSLESS
        require(whole, "data.augmentation.jpeg", self.jpeg, "a quality from 1 to 100, an integer; 100 is none")

    def draw(self, size: Sequence[int], random: np.random.Generator, resolution: float = 1.0) -> Effects:
        """Draw the effects of one sample.

        Args:
            size: height and width of the result.
            random: the sample's stream; nothing is drawn from it itself, but from its children.
            resolution: factor of the result's sides, by which blur is less.
        """
        distorting, blurring, adding, compressing, hiding, greying = random.spawn(6)

        def happens(stream: np.random.Generator) -> bool:
            return bool(stream.random() < self.probability)

        blur = blurring.uniform(0, self.blur) * resolution if happens(blurring) else 0.0
        noise = 255 * adding.uniform(0, self.noise) if happens(adding) else 0.0
        displacement = None
        if self.distortion > 0 and happens(distorting):
            largest = self.distortion * min(size)
            places = distorting.uniform(-largest, largest, (2, NODES, NODES))
            displacement = (np.round(places * STEPS) / STEPS).astype(np.float32)
        return Effects(
            blur=blur,
            noise=noise,
            noise_seed=int(adding.integers(2**62)),
            grey=bool(greying.random() < self.grey),
            cutout=self._draw_cutout(size, hiding) if happens(hiding) else (0, 0, 0, 0),
            jpeg=int(compressing.integers(self.jpeg, LOSSLESS + 1)) if happens(compressing) else LOSSLESS,
            displacement=displacement,
        )

    def _draw_cutout(self, size: Sequence[int], random: np.random.Generator) -> tuple[int, int, int, int]:
        sides = [round(side * random.uniform(0, self.cutout)) for side in size]
        corner = [int(random.integers(full - side + 1)) for full, side in zip(size, sides, strict=True)]
        return corner[0], corner[1], sides[0], sides[1]


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Take an image ``(C, H, W)`` uint8, grey or RGB, through a JPEG file; quality 100 leaves it as it is."""
    if quality == LOSSLESS:
        return image
    file = io.BytesIO()
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as read:
        decoded = np.asarray(read)
    return decoded[None] if decoded.ndim == 2 else decoded.transpose(2, 0, 1)


def displace(displacement: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Spread displacements ``(N, 2, NODES, NODES)`` over the result: along y and x, each ``(N, h, w)``.

    Bilinear between the nodes, of which the outer ones lie on the edges. The weights are whole 1/64, so that every
    product and sum is exact in float32, on every device.
    """
    rows, columns = (_node_weights(side, displacement.device) for side in size)
    lines: Tensor = sum(  # type: ignore[assignment]
        rows[:, node, None] * displacement[:, :, node, None, :] for node in range(NODES)
    )
    field: Tensor = sum(columns[:, node] * lines[..., node, None] for node in range(NODES))  # type: ignore[assignment]
    return field[:, 0], field[:, 1]


def _node_weights(side: int, device: torch.device) -> Tensor:
    """Return ``(side, NODES)``, the part of each node in the displacement of each pixel."""
    places = torch.arange(side, device=device) * (NODES - 1) / max(1, side - 1)
    nodes = torch.arange(NODES, device=device)
    first = places.floor().clamp(max=NODES - 2)
    share = ((places - first) * 64).round() / 64
    chosen = (nodes == first[:, None]) * (1 - share)[:, None]
    return chosen + (nodes == first[:, None] + 1) * share[:, None]


def apply_effects(values: Tensor, effects: Effects) -> Tensor:
    """Change the values 0..255 of one image ``(1, C, H, W)`` float32: colours, then blur, then noise.

    Returns:
        The changed values, in place where possible.
    """
    if effects.grey and values.shape[1] == 3:
        values = luma(values).expand_as(values).contiguous()
    if effects.blur > 0:
        radius = max(1, round(3 * effects.blur))
        distance = torch.arange(radius + 1, dtype=torch.float64)
        weights = torch.exp(-0.5 * (distance / effects.blur) ** 2)
        weights = (weights / (2 * weights.sum() - 1)).float()[None].to(values.device)
        values = smooth_axis(smooth_axis(values, weights, axis=2), weights, axis=3)
    if effects.noise > 0:
        random = np.random.Generator(np.random.PCG64(effects.noise_seed))
        noise = torch.from_numpy(random.standard_normal(tuple(values.shape), dtype=np.float32))
        values = values.add_(noise.to(values.device), alpha=effects.noise).clamp_(0, 255)
    return values


def hide(images: Tensor, labels: Tensor, effects: Sequence[Effects], fill: Sequence[float], ignore_index: int) -> None:
    """Fill what is cut out of images ``(N, C, H, W)``, and ignore it in labels ``(N, H, W)``, in place."""
    for image, label, drawn in zip(images, labels, effects, strict=True):
        top, left, height, width = drawn.cutout
        if height * width == 0:
            continue
        part = slice(top, top + height), slice(left, left + width)
        for channel, value in zip(image, fill, strict=True):
            channel[part] = round(value)
        label[part] = ignore_index
