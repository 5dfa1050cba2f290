"""Small images made from large ones, for super-resolution."""

from torch import Tensor
from torch.nn import functional as F

from segnet.errors import UserError


def low_resolution_pair(images: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Make the input of super-resolution from its target.

    The target is cropped at its lower right to a multiple of the factor. The input is its antialiased bicubic
    downscaling, clamped and rounded to the 256 values that an image file holds.

    Args:
        images: ``(N, C, H, W)``, floats in 0..1.
        factor: how many times larger the target is along each axis.

    Returns:
        Input ``(N, C, H // factor, W // factor)`` and target ``(N, C, H // factor * factor, W // factor * factor)``.

    Raises:
        UserError: an image is smaller than the factor.
    """
    height, width = (side // factor for side in images.shape[-2:])
    if min(height, width) == 0:
        raise UserError(
            f"images of {images.shape[-1]}x{images.shape[-2]} pixels leave nothing at task.factor={factor}: "
            f"choose larger images, or a larger data.augmentation.crop"
        )
    target = images[..., : height * factor, : width * factor]
    small = F.interpolate(target, size=(height, width), mode="bicubic", align_corners=False, antialias=True)
    return small.clamp(0, 1).mul(255).round().div(255), target
