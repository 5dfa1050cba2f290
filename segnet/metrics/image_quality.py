"""How near an image comes to its target: PSNR and SSIM, each a value an image.

Both are computed in float64, which neither autocast nor TF32 rounds.
"""

from typing import NamedTuple

import torch
from torch import Tensor

HIGHEST_PSNR = 100.0
SSIM_RADIUS = 5
IMAGE_QUALITY_DEFINITION = (
    "PSNR, dB: from the mean squared error of each image over all its channels, values 0..1 and clamped to it, then "
    "the mean over the images; SSIM: 11x11 Gaussian window of 1.5 pixels, mean over each image, then over the images"
)


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, ``-10 log10(mean squared error)``.

    Args:
        images: ``(N, C, H, W)``, clamped to 0..1 first.
        targets: the same shape, 0..1.

    Returns:
        ``(N,)`` float64, dB, all channels taken together; 100 at most, where the two are equal.
    """
    errors = (images.double().clamp(0, 1) - targets.double()).square().flatten(1).mean(1)
    return -10 * errors.clamp(min=10 ** (-HIGHEST_PSNR / 10)).log10()


def ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004), by torchmetrics; images are reflected at their borders.

    Args:
        images: ``(N, C, H, W)``, clamped to 0..1 first.
        targets: the same shape, 0..1.

    Returns:
        ``(N,)`` float64, 1 where the two are equal; NaN where a side is too short to be reflected, of 5 pixels or less.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # late: it takes seconds

    if min(images.shape[-2:]) <= SSIM_RADIUS:
        return torch.full((len(images),), torch.nan, dtype=torch.float64, device=images.device)
    values = structural_similarity_index_measure(
        images.double().clamp(0, 1), targets.double(), sigma=1.5, data_range=1.0, reduction="none"
    )
    assert isinstance(values, Tensor)  # it returns a tuple when asked for the whole map
    return values


def quality_sums(images: Tensor, targets: Tensor) -> Tensor:
    """Return the sums of PSNR and SSIM over a batch and its number of images, ``(3,)`` float64 on the CPU."""
    if images.device.type == "mps":  # it has no float64
        images, targets = images.cpu(), targets.cpu()
    sums = torch.stack([psnr(images, targets).sum(), ssim(images, targets).sum()]).cpu()
    return torch.cat([sums, sums.new_tensor([len(images)])])


class ImageQuality(NamedTuple):
    """Means over the images of a split.

    Attributes:
        psnr: dB.
        ssim: 1 at most.
    """

    psnr: float
    ssim: float

    @classmethod
    def from_sums(cls, sums: Tensor) -> "ImageQuality":
        """Divide what :func:`quality_sums` returned, added up over a split."""
        total_psnr, total_ssim, count = sums.tolist()
        return cls(total_psnr / count, total_ssim / count)
