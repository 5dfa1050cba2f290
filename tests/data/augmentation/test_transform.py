"""The pixels against plain loops, torch's own resizing, and torchvision's colours."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as reference

from segnet.data.augmentation.colour import ADJUSTMENTS
from segnet.data.augmentation.transform import AffineTransforms, copy_window, smooth, transform_batch, triangle_weights

FILL, IGNORE = [10.0, 20.0, 30.0], 255


def one_transform(matrix, image_size, minification=(1.0, 1.0), flip=0.0) -> AffineTransforms:
    height, width = image_size
    values = (matrix, flip, [0, 0, height - 1, width - 1], minification)
    return AffineTransforms(*(torch.tensor([value], dtype=torch.float32) for value in values))


def pair(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (1, 3, height, width), generator=generator, dtype=torch.uint8)
    return image, torch.randint(0, 5, (1, height, width), generator=generator, dtype=torch.uint8)


def naive(image, label, matrix, size, flip):
    """Each output pixel by itself: where it lies, what is around, and what the label's pixel there is."""
    _, height, width = image.shape
    result, labels = np.zeros((3, *size)), np.zeros(size, int)
    for row in range(size[0]):
        for column in range(size[1]):
            source = size[1] - 1 - column if flip else column
            i, j = row - (size[0] - 1) / 2, source - (size[1] - 1) / 2
            y, x = (round(256 * (a * i + b * j + c)) / 256 for a, b, c in matrix)
            if not (-0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5):
                result[:, row, column], labels[row, column] = FILL, IGNORE
                continue
            labels[row, column] = label[math.floor(y + 0.5), math.floor(x + 0.5)]
            y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
            for near_y in {math.floor(y), math.ceil(y)}:
                for near_x in {math.floor(x), math.ceil(x)}:
                    share = (1 - abs(y - near_y)) * (1 - abs(x - near_x))
                    result[:, row, column] += share * image[:, near_y, near_x]
    return result, labels


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("degrees", [0, 20, -75, 180])
def test_an_affine_transform_is_what_plain_loops_make_of_it(degrees, flip):
    image, label = pair(9, 13)
    turn, step = math.radians(degrees), 0.8
    matrix = [
        [step * math.cos(turn), -step * math.sin(turn), 3.7],
        [step * math.sin(turn), step * math.cos(turn), 7.1],
    ]
    transforms = one_transform(matrix, (9, 13), flip=flip)
    images, labels = transform_batch(image, label, transforms, (12, 11), 0, degrees != 0, FILL, IGNORE)
    expected, expected_label = naive(
        image[0].double().numpy(), label[0].numpy(), transforms.matrix[0].tolist(), (12, 11), flip
    )
    assert torch.equal(labels[0], torch.from_numpy(expected_label).byte())
    assert labels.eq(IGNORE).any()
    assert np.abs(images[0].double().numpy() - expected).max() < 1e-3


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("rotated", [False, True])
def test_shifts_and_flips_copy_pixels_bit_for_bit(rotated, flip):
    image, label = pair(37, 51)
    for top, left in ((0, 0), (5, 11), (-4, 30), (20, -9)):
        transforms = one_transform([[1, 0, top + 9.5], [0, 1, left + 14.0]], (37, 51), flip=flip)
        images, labels = transform_batch(image, label, transforms, (20, 29), 2, rotated, FILL, IGNORE)
        canvas = torch.tensor(FILL).byte()[:, None, None].repeat(1, 77, 111)
        canvas[:, 20:57, 30:81] = image[0]
        expected = canvas[:, 20 + top : 40 + top, 30 + left : 59 + left]
        assert torch.equal(images[0], (expected.flip(-1) if flip else expected).float())
        canvas = torch.full((77, 111), IGNORE, dtype=torch.uint8)
        canvas[20:57, 30:81] = label[0]
        expected = canvas[20 + top : 40 + top, 30 + left : 59 + left]
        assert torch.equal(labels[0], expected.flip(-1) if flip else expected)


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize(("shift", "is_copy"), [(2.0, True), (2.5, False), (-1.0, False), (30.0, False)])
def test_a_copied_window_is_what_the_resampling_makes_of_it(shift, is_copy, flip):
    image, label = pair(37, 51)
    transforms = one_transform([[1, 0, shift + 9.5], [0, 1, 17.0]], (37, 51), flip=flip)
    copied = copy_window(image, label, transforms, (20, 29))
    assert (copied is not None) == is_copy
    twice = (tensor.repeat(2, *[1] * (tensor.ndim - 1)) for tensor in (image, label))  # a batch is always resampled
    doubled = AffineTransforms(*(torch.cat([values, values]) for values in transforms))
    images, labels = transform_batch(*twice, doubled, (20, 29), 0, False, FILL, IGNORE)
    if is_copy:
        assert torch.equal(copied[0], images[:1])
        assert torch.equal(copied[1], labels[:1])


def test_a_quarter_turn_is_a_turn():
    image, label = pair(8, 8)
    transforms = one_transform([[0, -1, 3.5], [1, 0, 3.5]], (8, 8))
    images, labels = transform_batch(image, label, transforms, (8, 8), 0, True, FILL, IGNORE)
    assert torch.equal(images, torch.rot90(image, -1, (2, 3)).float())
    assert torch.equal(labels, torch.rot90(label, -1, (1, 2)))


def whole_image_transform(sides, size) -> AffineTransforms:
    minification = [side / part for side, part in zip(sides, size, strict=True)]
    centre = [(side - 1) / 2 for side in sides]
    matrix = [[minification[0], 0, centre[0]], [0, minification[1], centre[1]]]
    return one_transform(matrix, sides, minification)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_shrinking_by_a_integer_is_the_antialiased_triangle_filter(factor):
    image, label = pair(12 * factor, 16 * factor)
    transforms = whole_image_transform((12 * factor, 16 * factor), (12, 16))
    images, _ = transform_batch(image, label, transforms, (12, 16), factor - 1, False, FILL, IGNORE)
    expected = F.interpolate(image.float(), (12, 16), mode="bilinear", antialias=True)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # there the window does not reach over the border
    assert (images[inner] - expected[inner]).abs().max() < 2  # weights are rounded to 1/256


@pytest.mark.parametrize("scale", [0.4, 0.6, 0.8])
def test_shrinking_by_any_factor_aliases_no_more_than_torch_does(scale):
    image, label = pair(120, 160)
    size = (round(120 * scale), round(160 * scale))
    transforms = whole_image_transform((120, 160), size)
    images, labels = transform_batch(image, label, transforms, size, math.ceil(1 / scale) - 1, False, FILL, IGNORE)
    expected = F.interpolate(image.float(), size, mode="bilinear", antialias=True)
    assert 0.8 < images.std() / expected.std() < 1.2  # of white noise: how much passes the filter
    nearest = F.interpolate(label[None].float(), size, mode="nearest-exact")[0]
    assert labels.eq(nearest).float().mean() > 0.99  # but for ties


def test_the_taps_have_the_variance_of_the_stretched_triangle():
    m = torch.linspace(1, 5, 41)
    weights = triangle_weights(m, 5).double()
    distance = torch.arange(6)
    assert torch.equal(weights[:, 0] + 2 * weights[:, 1:].sum(-1), torch.ones(41, dtype=torch.float64))
    variance = (2 * weights * distance**2).sum(-1)
    assert (variance - (m**2 - 1) / 6).abs().max() < 0.1
    assert torch.equal(triangle_weights(torch.tensor([0.3, 1.0]), 2), torch.tensor([[1.0, 0, 0]] * 2))


def test_smoothing_is_exact_and_repeats_borders():
    image, _ = pair(3, 5)
    minification = torch.tensor([[2.7, 1.4]])
    got = smooth(image, minification, 4)[0, :, :3, :5].double()
    taps = [torch.cat([side[1:].flip(0), side]) for side in triangle_weights(minification, 4)[0].double()]
    padded = F.pad(image.double(), [4] * 4, mode="replicate")
    expected = F.conv2d(padded, torch.outer(*taps)[None, None].repeat(3, 1, 1, 1), groups=3)[0]
    assert torch.equal(got, expected)


def test_a_sample_does_not_depend_on_the_others_of_its_batch():
    alone = [pair(40, 30, 1), pair(25, 44, 2)]
    images, labels = torch.full((2, 3, 40, 44), 7, dtype=torch.uint8), torch.zeros(2, 40, 44, dtype=torch.uint8)
    transforms = []
    for number, (image, label) in enumerate(alone):
        height, width = label.shape[1:]
        images[number, :, :height, :width], labels[number, :height, :width] = image[0], label[0]
        # What lies beyond an edge is the edge again, as the collation does it.
        images[number, :, height:, :width] = image[0, :, -1:]
        images[number, :, :, width:] = images[number, :, :, width - 1 : width].clone()
        transforms.append(one_transform([[1.3, 0.2, 15.3], [-0.2, 1.3, 14.9]], (height, width), (1.32, 1.32)))
    together = AffineTransforms(*(torch.cat(values) for values in zip(*transforms, strict=True)))
    both = transform_batch(images, labels, together, (16, 18), 2, True, FILL, IGNORE)
    for number, (image, label) in enumerate(alone):
        alone_image, alone_label = transform_batch(image, label, transforms[number], (16, 18), 1, True, FILL, IGNORE)
        assert torch.equal(alone_image[0], both[0][number])
        assert torch.equal(alone_label[0], both[1][number])


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue", "gamma"])
@pytest.mark.parametrize("channels", [1, 3])
def test_colours_are_torchvisions(name, channels):
    images = torch.rand(4, channels, 9, 11, generator=torch.Generator().manual_seed(0))
    images[0, :, 0] = 0.5  # grey, where the hue is undefined
    images[1, :, 0] = 0
    amounts = torch.tensor([-0.4, -0.1, 0.0, 0.3]) if name == "hue" else torch.tensor([0.0, 0.6, 1.0, 1.4])
    got = ADJUSTMENTS[name](images * 255, amounts) / 255
    adjust = getattr(reference, f"adjust_{name}")
    for image, amount, expected in zip(got, amounts.tolist(), images, strict=True):
        assert (image - adjust(expected, amount)).abs().max() < 2e-5
    assert got.max() - got.min() > 0.5
