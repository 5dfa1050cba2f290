"""Augmentation: scale, crop, flip and colour, the image and its label in step."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor


class Augmentation:
    """Random window, flip and colour, drawn from the sample's own stream and done by torchvision.

    The window is cut from the image and resized to the crop's size in one pass; where it leaves the image, the
    image is filled and the label is the ignore index.

    Args:
        crop: height and width of what comes out, pixels; None keeps the (scaled) image's size.
        scale: smallest and largest magnification, drawn log-uniformly.
        horizontal_flip: probability of a left-right flip.
        brightness: largest relative change, 0 for none; likewise the next two.
        contrast: see brightness.
        saturation: see brightness.
        hue: largest shift of the hue, in turns of the colour circle, 0..0.5.
        ignore_index: label of what lies outside the image.
        fill: image value outside the image, one a channel, 0..1.
    """

    def __init__(
        self,
        ignore_index: int,
        fill: Sequence[float],
        crop: Sequence[int] | None = None,
        scale: Sequence[float] = (1.0, 1.0),
        horizontal_flip: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
    ) -> None:
        self.ignore_index, self.fill = ignore_index, [255 * value for value in fill]
        self.crop, self.scale, self.horizontal_flip = crop, scale, horizontal_flip
        self.colour = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}

    def __call__(
        self, image: Tensor, label: Tensor, random: np.random.Generator, base_scale: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Augment one sample.

        Args:
            image: ``(C, H, W)`` uint8.
            label: ``(H, W)`` uint8.
            random: the sample's stream.
            base_scale: the size at which the network sees the data set, relative to the file's.

        Returns:
            Image ``(C, h, w)`` uint8 and label ``(h, w)`` uint8 of the crop's size.
        """
        size = self.crop or [max(1, round(side * base_scale)) for side in label.shape]
        magnification = base_scale * np.exp(random.uniform(*np.log(self.scale)))
        image, label = self._window(image, label, size, magnification, random)
        if random.random() < self.horizontal_flip:
            image, label = image.flip(-1), label.flip(-1)
        return self._recolour(image, random), label.contiguous()

    def _window(
        self, image: Tensor, label: Tensor, size: Sequence[int], magnification: float, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        from torchvision.transforms.v2 import InterpolationMode
        from torchvision.transforms.v2 import functional as transform

        window = [max(1, round(side / magnification)) for side in size]
        # Inside the image where the window is smaller, around it where it is larger.
        top, left = (
            int(np.floor(random.uniform(min(0, slack), max(0, slack) + 1)))
            for slack in (full - part for full, part in zip(label.shape, window, strict=True))
        )
        top, left = min(top, max(0, label.shape[0] - window[0])), min(left, max(0, label.shape[1] - window[1]))
        outside = [
            max(0, -left),
            max(0, -top),
            max(0, left + window[1] - label.shape[1]),
            max(0, top + window[0] - label.shape[0]),
        ]
        label = label[None]
        if any(outside):
            image = transform.pad(image, outside, fill=self.fill)
            label = transform.pad(label, outside, fill=self.ignore_index)
        box = (top + outside[1], left + outside[0], *window)
        image = transform.resized_crop(image, *box, list(size), antialias=True)
        label = transform.resized_crop(label, *box, list(size), interpolation=InterpolationMode.NEAREST_EXACT)
        return image, label[0]

    def _recolour(self, image: Tensor, random: np.random.Generator) -> Tensor:
        from torchvision.transforms.v2 import functional as transform

        for name, change in self.colour.items():
            # Drawn also where the change is zero, so that switching one off leaves the others' draws as they were.
            draw = random.uniform(-1, 1) * change
            if change:
                image = getattr(transform, f"adjust_{name}")(image, draw if name == "hue" else max(0.0, 1 + draw))
        return image
