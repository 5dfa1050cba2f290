"""Augmentation: crop, scale, flip, rotation and colour, of an image and its label alike.

It is written here and not taken from a library so that its bits depend on (seed, epoch, sample) alone: every number is
drawn from the sample's own stream in the loader (:meth:`Augmentation.draw`), and what is done to the pixels
(:meth:`Augmentation.transform`) is exact where another order of sums could round otherwise. So batches are bit for bit
the same with any number of workers and processes and after a restart, so that the fairness check can compare their
hashes; and on a GPU labels are those of a CPU, and images too up to rounding.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from segnet.data.augmentation.colour import ADJUSTMENTS
from segnet.data.augmentation.distortion import LOSSLESS, displace, draw_displacement
from segnet.data.augmentation.effects import Effects
from segnet.data.augmentation.library import Transform, check_transforms
from segnet.data.augmentation.mixing import lay_over
from segnet.data.augmentation.transform import AffineTransforms, transform_batch
from segnet.errors import require


class Draw(NamedTuple):
    """What is drawn for one sample: where its output pixels lie in its image, and how its colours change.

    Attributes:
        size: height and width of the result.
        matrix, flip, extent, minification: see
            :class:`segnet.data.augmentation.transform.AffineTransforms`, without its first axis.
        colour: ``(5,)`` factors of brightness, contrast and saturation, the shift of the hue in turns, and gamma.
        nodes: ``(2, 5, 5)``, see :func:`segnet.data.augmentation.distortion.draw_displacement`.
        jpeg: quality of the JPEG file that the image is taken through; 100: none.
        effects: ``(8,)``, see :meth:`segnet.data.augmentation.effects.Effects.draw`.
    """

    size: tuple[int, int]
    matrix: np.ndarray
    flip: float
    extent: np.ndarray
    minification: np.ndarray
    colour: np.ndarray
    nodes: np.ndarray
    jpeg: int
    effects: np.ndarray


class Augmentation:
    """Random window, flip, rotation and colour, drawn from the sample's own stream.

    A window of the image, whole pixels wide and placed at whole pixels, becomes the result, in one resampling
    (:func:`segnet.data.augmentation.transform.transform_batch`). Where it leaves the image, the image is filled and
    the label is the ignore index. Colours change after that, in the order of the arguments, without rounding between.

    Args:
        crop: height and width of what comes out, pixels; None keeps the (scaled) image's size.
        scale: smallest and largest magnification, drawn log-uniformly.
        horizontal_flip: probability of a left-right flip.
        rotation: largest angle of a rotation about the window's centre, degrees, to either side.
        brightness: largest relative change, 0 for none; likewise the next two.
        contrast: see brightness.
        saturation: see brightness.
        hue: largest shift of the hue, in turns of the colour circle, 0..0.5.
        gamma: smallest and largest exponent of the values 0..1, drawn log-uniformly. Above 1 it darkens as dusk does:
            shadows go down and lights stay, where ``brightness`` scales all alike.
        paste: probability that the objects of another training image, augmented as well, are pasted into a sample
            (Ghiasi et al. 2021, without their blending).
        paste_classes: labels of what is pasted, the classes of small and rare things.
        grey: see :class:`segnet.data.augmentation.effects.Effects`, as for the next three. They come after the colours,
            and before what is pasted.
        blur: likewise.
        noise: likewise.
        cut_out: likewise.
        distortion: largest displacement of the nodes of an elastic grid of 5x5, as a share of the result's shorter
            side, 0..0.2; drawn uniformly from 0 up. Labels follow; it is part of the one resampling.
        jpeg: lowest quality of the JPEG file that an image is taken through before it is resampled, 1..100; drawn
            uniformly up to 100, which leaves it alone.
        class_balance: probability that a window is centred on a pixel of a class, as far as the image's borders let it,
            where rare classes are preferred, see :mod:`segnet.data.augmentation.balance`.
        transforms: transforms of torchvision's that come first, on the whole image, see
            :func:`segnet.data.augmentation.library.apply_transforms`.
        ignore_index: label of what lies outside the image.
        fill: image value outside the image, one a channel, 0..1.

    Raises:
        segnet.errors.UserError: a value is out of its range; the message names the setting.
    """

    def __init__(
        self,
        ignore_index: int,
        fill: Sequence[float],
        crop: Sequence[int] | None = None,
        scale: Sequence[float] = (1.0, 1.0),
        horizontal_flip: float = 0.0,
        rotation: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        gamma: Sequence[float] = (1.0, 1.0),
        paste: float = 0.0,
        paste_classes: Sequence[int] = (),
        grey: float = 0.0,
        blur: float = 0.0,
        noise: float = 0.0,
        cut_out: float = 0.0,
        distortion: float = 0.0,
        jpeg: int = LOSSLESS,
        class_balance: float = 0.0,
        transforms: Sequence[Transform] = (),
    ) -> None:
        whole = crop is None or (len(crop) == 2 and all(isinstance(side, int) and side > 0 for side in crop))
        require(whole, "data.augmentation.crop", crop, "[HEIGHT,WIDTH], two integers from 1 up, or null")
        low_to_high = len(scale) == 2 and 0 < scale[0] <= scale[1] < math.inf
        require(low_to_high, "data.augmentation.scale", scale, "[LOW,HIGH], two numbers above 0, the smaller first")
        _require_at_most(1, horizontal_flip=horizontal_flip)
        _require_at_most(1, brightness=brightness, contrast=contrast, saturation=saturation)
        _require_at_most(0.5, hue=hue)
        _require_at_most(180, rotation=rotation)
        self.ignore_index, self.fill = ignore_index, [255 * value for value in fill]
        self.crop, self.scale, self.horizontal_flip, self.rotation = crop, scale, horizontal_flip, rotation
        self.paste, self.paste_classes = paste, paste_classes
        self.changes, self.gamma = (brightness, contrast, saturation, hue), gamma
        self.effects = Effects(grey, blur, noise, cut_out)
        self.effects.check()
        _require_at_most(0.2, distortion=distortion)
        whole = isinstance(jpeg, int) and 1 <= jpeg <= LOSSLESS
        require(whole, "data.augmentation.jpeg", jpeg, "a quality from 1 to 100, an integer; 100 is none")
        self.distortion, self.jpeg = distortion, jpeg
        _require_at_most(1, class_balance=class_balance)
        check_transforms(transforms)
        self.class_balance, self.transforms = class_balance, transforms
        self.adjusts = [change != 0 for change in self.changes] + [tuple(gamma) != (1, 1)]

    def draw(
        self,
        image_size: Sequence[int],
        random: np.random.Generator,
        base_scale: float = 1.0,
        resolution: float = 1.0,
        centre: Sequence[int] | None = None,
    ) -> Draw:
        """Draw what happens to one sample.

        Everything is drawn also where it is switched off, so that switching one off leaves the others as they were.

        Args:
            image_size: height and width of the image.
            random: the sample's stream.
            base_scale: the size at which the network sees the data set, relative to the file's.
            resolution: factor of the result's sides. The window, and all else that is drawn, stays as it is.
            centre: row and column of the pixel that the window is centred on, as far as the image's borders let it;
                None: its place is drawn.
        """
        whole = np.array(self.crop or [max(1, round(side * base_scale)) for side in image_size])
        size = np.array([max(1, round(side * resolution)) for side in whole.tolist()])
        magnification = base_scale * np.exp(random.uniform(*np.log(self.scale)))
        window = np.array([max(1, round(side / magnification)) for side in whole.tolist()])
        # Inside the image where the window is smaller, around it where it is larger.
        corner = []
        for full, part in zip(image_size, window.tolist(), strict=True):
            slack = full - part
            corner.append(min(int(np.floor(random.uniform(min(0, slack), max(0, slack) + 1))), max(0, slack)))
        if centre is not None:
            around = zip(centre, window.tolist(), image_size, strict=True)
            corner = [_corner_around(place, part, full) for place, part, full in around]
        flip = float(random.random() < self.horizontal_flip)
        changes = [random.uniform(-1, 1) * change for change in self.changes]
        angle = np.deg2rad(random.uniform(-1, 1) * self.rotation)
        exponent = np.exp(random.uniform(*np.log(self.gamma)))
        minification = window / size
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        beside, distorting, compressing = random.spawn(3)
        return Draw(
            size=tuple(size.tolist()),
            matrix=np.column_stack([turn * minification, corner + (window - 1) / 2]),
            flip=flip,
            extent=np.array([0, 0, image_size[0] - 1, image_size[1] - 1]),
            minification=minification,
            colour=np.array([*(max(0.0, 1 + change) for change in changes[:3]), changes[3], exponent]),
            nodes=draw_displacement(self.distortion, size.tolist(), distorting),
            jpeg=int(compressing.integers(self.jpeg, LOSSLESS + 1)),
            effects=self.effects.draw(size.tolist(), beside),
        )

    def pastes(self, random: np.random.Generator) -> bool:
        """Draw whether a sample gets objects of another one; after all else, so that all else stays as it was."""
        return self.paste > 0 and len(self.paste_classes) > 0 and random.random() < self.paste

    def transform(
        self,
        images: Tensor,
        labels: Tensor,
        transforms: AffineTransforms,
        colours: Tensor,
        effects: Tensor,
        size: Sequence[int],
        radius: int,
        nodes: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Do to the pixels what was drawn; no chance is left here.

        Args:
            images: ``(N, C, H, W)`` uint8, on any device, as all other tensors.
            labels: ``(N, H, W)`` uint8.
            transforms: see :class:`segnet.data.augmentation.transform.AffineTransforms`.
            colours: ``(N, 5)``, see :class:`Draw`.
            effects: ``(N, 8)``, see :class:`Draw`.
            size: height and width of the result.
            radius: see :func:`segnet.data.augmentation.transform.transform_batch`.
            nodes: ``(N, 2, 5, 5)``, see :class:`Draw`.

        Returns:
            Images ``(N, C, *size)`` and labels ``(N, *size)``, uint8.
        """
        moved = displace(nodes, size) if self.distortion > 0 else None
        rotated = self.rotation != 0 or moved is not None
        values, labels = transform_batch(
            images, labels, transforms, size, radius, rotated, self.fill, self.ignore_index, moved
        )
        for amounts, adjust, wanted in zip(colours.unbind(1), ADJUSTMENTS.values(), self.adjusts, strict=True):
            if wanted:
                values = adjust(values, amounts)
        images = self.effects.change_values(values, effects).round_().to(torch.uint8)
        self.effects.cut(images, labels, effects, self.fill, self.ignore_index)
        return images, labels

    def paste_objects(self, source: Tensor, source_label: Tensor, image: Tensor, label: Tensor) -> None:
        """Copy the pixels of ``paste_classes`` from a source ``(C, H, W)`` and its label ``(H, W)``, in place."""
        chosen = torch.isin(source_label, torch.tensor(self.paste_classes, device=label.device))
        lay_over(chosen, source, source_label, image, label)


def _require_at_most(limit: float, **settings: float) -> None:
    for name, value in settings.items():
        require(0 <= value <= limit, f"data.augmentation.{name}", value, f"a number from 0 to {limit:g}")


def _corner_around(centre: int, window: int, full: int) -> int:
    """Return the first row or column of a window around a pixel; a window inside the image, or one around it."""
    slack = full - window
    return min(max(centre - window // 2, min(0, slack)), max(0, slack))


def smoothing_radius(draw: Draw) -> int:
    """Return how far :func:`segnet.data.augmentation.transform.smooth` reaches in a minified image."""
    return max(0, int(np.ceil(draw.minification.max())) - 1)


def cut(image: np.ndarray, label: np.ndarray, draw: Draw) -> tuple[np.ndarray, np.ndarray, Draw]:
    """Cut out the part of a sample that its transform reads, so that no more is copied and moved to the device.

    Args:
        image: ``(C, H, W)``.
        label: ``(H, W)``.
        draw: in the image's coordinates.

    Returns:
        Views of the parts, and the draw in their coordinates.
    """
    moved = np.abs(draw.nodes).max((1, 2))
    reach = np.abs(draw.matrix[:, :2]) @ ((np.array(draw.size) - 1) / 2 + moved)
    last = draw.extent[2:]
    margin = smoothing_radius(draw) + 2
    centre = draw.matrix[:, 2]
    first = np.maximum(np.floor(np.clip(centre - reach, 0, last)).astype(int) - margin, 0)
    stop = np.minimum(np.ceil(np.clip(centre + reach, 0, last)).astype(int) + margin, last) + 1
    rows, columns = slice(first[0], stop[0]), slice(first[1], stop[1])
    matrix = draw.matrix.copy()
    matrix[:, 2] -= first
    # Beyond a cut edge, as beyond the image's own, nothing is read but what the smoothing repeats.
    extent = draw.extent - np.tile(first, 2)
    return image[:, rows, columns], label[rows, columns], draw._replace(matrix=matrix, extent=extent)
