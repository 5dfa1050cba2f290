import math

import pytest
import torch

from segnet.losses import CrossEntropy, cross_entropy, median_frequency, no_class_weights

IGNORE = 255


def naive(logits, labels, weights=None):
    """The mean over pixels, written as loops over plain numbers."""
    total = weight_sum = 0.0
    for image, label in zip(logits.tolist(), labels.tolist(), strict=True):
        for row, label_row in enumerate(label):
            for column, truth in enumerate(label_row):
                if truth == IGNORE:
                    continue
                values = [plane[row][column] for plane in image]
                weight = 1.0 if weights is None else weights[truth].item()
                total += weight * (math.log(sum(math.exp(value) for value in values)) - values[truth])
                weight_sum += weight
    return total / weight_sum


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 7.0])])
def test_equals_the_naive_mean_over_scored_pixels(weights):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 5)
    labels = torch.randint(0, 3, (2, 4, 5), dtype=torch.uint8)
    labels[0, 1:3] = IGNORE
    assert cross_entropy(logits, labels, IGNORE, weights).item() == pytest.approx(naive(logits, labels, weights), 1e-5)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 7.0])])
def test_a_batch_of_ignored_pixels_gives_zero_and_zero_gradients(weights):
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = CrossEntropy(IGNORE, weights)(logits, torch.full((1, 2, 2), IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_ignored_pixels_do_not_change_the_loss_of_the_others():
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    padded_logits = torch.cat([logits, torch.randn(1, 3, 9, 4)], dim=2)
    padded_labels = torch.cat([labels, torch.full((1, 9, 4), IGNORE)], dim=1)
    assert cross_entropy(padded_logits, padded_labels, IGNORE) == pytest.approx(cross_entropy(logits, labels, IGNORE))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_images_one_by_one_are_the_batch(smoothing):
    logits = torch.randn(3, 4, 5, 6, dtype=torch.float64).float().requires_grad_()
    labels, weights = torch.randint(0, 4, (3, 5, 6)), torch.tensor([0.5, 2.0, 7.0, 1.0])
    whole = torch.nn.functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    ours = cross_entropy(logits, labels, IGNORE, weights, smoothing)
    assert ours.item() == pytest.approx(whole.item(), rel=1e-5)
    one, two = (torch.autograd.grad(loss, logits)[0] for loss in (ours, whole))
    assert (one - two).abs().max() < 1e-7


def test_bfloat16_logits_do_not_round_the_loss():
    logits = torch.zeros(1, 4, 8, 8, dtype=torch.bfloat16)
    loss = cross_entropy(logits, torch.zeros(1, 8, 8, dtype=torch.uint8), IGNORE)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(math.log(4), 1e-6)


def test_median_frequency_by_hand():
    # Class 0: 6 of the 10 pixels of the images where it occurs; 1: 4 of 10; 2: 10 of 10; the last class never.
    counts = torch.tensor([[6, 4, 0, 0], [0, 0, 10, 0]])
    weights = median_frequency(counts)
    # Frequencies 6/10, 4/10 and 10/10: the median is 6/10.
    assert weights.tolist() == pytest.approx([1.0, 1.5, 0.6, 1.0])
    assert weights.dtype == torch.float32


def test_median_of_an_even_number_of_classes_is_the_mean_of_the_middle_two():
    weights = median_frequency(torch.tensor([[1, 3], [0, 0]]))
    assert weights.tolist() == pytest.approx([2.0, 2 / 3])


def test_no_class_weights():
    assert no_class_weights(torch.tensor([[1, 2]])) is None
    assert median_frequency(torch.zeros(2, 3, dtype=torch.int64)).tolist() == [1, 1, 1]
