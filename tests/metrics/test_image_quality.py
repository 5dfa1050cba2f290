import math

import numpy as np
import pytest
import torch

from segnet.metrics import ImageQuality, psnr, quality_sums, ssim


def naive_ssim(image: np.ndarray, target: np.ndarray) -> float:
    """Wang et al. 2004, eq. 13, pixel by pixel with an 11x11 Gaussian window of 1.5, one channel, reflected borders."""
    offsets = np.arange(-5, 6)
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    x, y = (np.pad(values, 5, mode="reflect") for values in (image, target))
    values = []
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            a, b = (whole[row : row + 11, column : column + 11] for whole in (x, y))
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            numerator = (2 * mean_a * mean_b + 0.01**2) * (2 * covariance + 0.03**2)
            values.append(numerator / ((mean_a**2 + mean_b**2 + 0.01**2) * (variance_a + variance_b + 0.03**2)))
    return float(np.mean(values))


def test_psnr_by_hand():
    target = torch.full((4, 2, 2, 2), 0.5)
    images = target.clone()
    images[0] += 0.1  # mean squared error 0.01
    images[1, 0, 0, 0] += 0.4  # 0.16 in one of 8 values: 0.02
    images[2] = 2.0  # clamped to 1: 0.25
    values = psnr(images, target).tolist()
    assert values == pytest.approx([20.0, -10 * math.log10(0.02), -10 * math.log10(0.25), 100.0], abs=1e-4)


def test_the_mean_is_over_images_and_not_over_pixels():
    target = torch.full((2, 1, 12, 12), 0.5)
    images = target.clone()
    images[0] += 0.1
    images[1] += 0.01
    sums = quality_sums(images[:1], target[:1]) + quality_sums(images[1:], target[1:])
    assert ImageQuality.from_sums(sums).psnr == pytest.approx(30.0, abs=1e-4)
    assert sums[2] == 2


def test_ssim_is_its_formula():
    random = np.random.default_rng(0)
    target = random.random((2, 1, 9, 13))
    images = np.clip(target + random.normal(scale=0.2, size=target.shape), 0, 1)
    expected = [naive_ssim(one[0], other[0]) for one, other in zip(images, target, strict=True)]
    assert ssim(torch.from_numpy(images), torch.from_numpy(target)).tolist() == pytest.approx(expected, abs=1e-6)
    assert 0.2 < expected[0] < 0.99


def test_ssim_of_colour_images_is_the_mean_over_the_channels():
    images, target = torch.rand(1, 3, 12, 12), torch.rand(1, 3, 12, 12)
    channels = [ssim(images[:, [c]], target[:, [c]]).item() for c in range(3)]
    assert ssim(images, target).item() == pytest.approx(sum(channels) / 3, abs=1e-9)


def test_ssim_of_equal_images_is_one_and_of_tiny_ones_there_is_none():
    images = torch.rand(2, 3, 6, 20)
    assert ssim(images, images).tolist() == pytest.approx([1.0, 1.0])
    assert ssim(images[..., :5, :], images[..., :5, :]).isnan().all()


def test_autocast_does_not_round_the_scores():
    images, target = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    expected = quality_sums(images, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(quality_sums(images, target), expected)
