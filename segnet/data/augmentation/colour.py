"""Changes of brightness, contrast, saturation, hue and gamma, each sample of a batch by its own amount.

Same definitions as torchvision's ``adjust_brightness`` and the others have for float images; values are 0..255. All
work in place.
"""

import torch
from torch import Tensor


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply images ``(N, C, H, W)`` by factors ``(N,)``; 1 leaves an image as it is. So for the next two."""
    return images.mul_(factors[:, None, None, None]).clamp_(0, 255)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Stretch values about the mean grey of each image."""
    grey = luma(images)
    # Summed in whole 1/256 levels, for then the order of the sum, which threads and devices choose, does not matter.
    levels = (grey * 256).round().to(torch.int32).sum((1, 2, 3), dtype=torch.int64)
    mean = (levels.double() / (256 * grey[0].numel())).float()
    return _blend(images, mean[:, None, None, None], factors)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Stretch colours about the grey of each pixel; a grey image stays as it is."""
    return images if images.shape[1] == 1 else _blend(images, luma(images), factors)


def adjust_hue(images: Tensor, shifts: Tensor) -> Tensor:
    """Turn the hue by ``(N,)`` turns of the HSV colour circle; a grey image stays as it is."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    value, low = images.amax(1), images.amin(1)
    chroma = value - low
    safe = torch.where(chroma > 0, chroma, 1.0)
    sixths = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    sixths = sixths + 6 * shifts[:, None, None]
    sixths -= 6 * (sixths / 6).round_()  # -3..3, where the closed form of HSV to RGB needs no remainder
    for channel, offset in enumerate((3, 1, -1)):
        share = (sixths + offset).abs_().sub_(3).abs_().sub_(1).clamp_(0, 1)
        torch.addcmul(value, chroma, share, value=-1, out=images[:, channel])
    return images


def adjust_gamma(images: Tensor, exponents: Tensor) -> Tensor:
    """Raise values, as shares of 255, to exponents ``(N,)``; above 1 images darken, black and white stay."""
    return images.div_(255).pow_(exponents[:, None, None, None]).mul_(255)


def luma(images: Tensor) -> Tensor:
    """Luma of Rec. 601, ``(N, 1, H, W)``."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.split(1, dim=1)
    grey: Tensor = red * 0.2989
    grey += green * 0.587
    grey += blue * 0.114
    return grey


def _blend(images: Tensor, grey: Tensor, factors: Tensor) -> Tensor:
    """Mix images ``(N, C, H, W)``, in place, with grey values ``(N, 1, H or 1, W or 1)`` by factors ``(N,)``."""
    factors = factors[:, None, None, None]
    return images.mul_(factors).add_(grey * (1 - factors)).clamp_(0, 255)


ADJUSTMENTS = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
    "hue": adjust_hue,
    "gamma": adjust_gamma,
}
