"""A step over parts of a batch is the step over the whole batch."""

import pytest
import torch

from segnet.losses import CrossEntropy, Dice, Focal, Mean, WeightedSum, loss_means
from segnet.training.loss_shares import LossShares

IGNORE = 255


@pytest.fixture
def batch():
    """Images, and labels of which each image has another number that count; one has none."""
    images, labels = torch.randn(4, 3, 5, 6), torch.randint(0, 3, (4, 5, 6))
    for number, rows in enumerate((0, 5, 2, 4)):
        labels[number, :rows] = IGNORE
    return images, labels


def terms(loss, network, images, labels):
    means = loss_means(loss, network(images), labels)
    return torch.stack([mean.value for mean in means]), torch.stack([mean.weight for mean in means])


def gradient(loss, batch, parts, monkeypatch, batches=1):
    """The gradient of one step in which each process takes one of its parts of every accumulated batch."""
    torch.manual_seed(3)
    network = torch.nn.Conv2d(3, 3, 3, padding=1)
    processes = len(parts) // batches
    monkeypatch.setattr("segnet.training.loss_shares.world_size", lambda: processes)
    shares = [LossShares() for _ in range(processes)]
    for number in range(batches):
        found = [
            terms(loss, network, *(part[parts[number * processes + rank]] for part in batch))
            for rank in range(processes)
        ]
        sums = sum(torch.stack([values.detach() * weights, weights]) for values, weights in found)
        monkeypatch.setattr("segnet.training.loss_shares.sum_values", lambda *_, sums=sums: sums)
        for own, (values, weights) in zip(shares, found, strict=True):
            local, whole = own.share(values, weights, batches)
            (local / processes / batches).backward()  # the mean that DDP and Lightning take
    gradients = [value.grad for value in network.parameters()]
    shares[0].finish_step(gradients)
    return torch.cat([value.flatten() for value in gradients]), whole


LOSSES = {
    "cross_entropy": CrossEntropy(IGNORE),
    "class_weights": CrossEntropy(IGNORE, torch.tensor([0.2, 3.0, 1.0])),
    "focal": Focal(IGNORE),
    "dice_of_images": Dice(IGNORE, per_image=True),
}
WHOLE = [slice(0, 4)]
HALVES = [slice(0, 2), slice(2, 4)]
EACH = [slice(number, number + 1) for number in range(4)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("parts", "batches"), [(HALVES, 1), (EACH, 1), (HALVES, 2), (EACH, 2), (EACH, 4), (EACH[::-1], 4), (EACH[1:], 1)]
)
def test_parts_count_by_what_they_hold(batch, monkeypatch, loss, parts, batches):
    rest = [part for number, part in enumerate(zip(*batch, strict=True)) if slice(number, number + 1) in parts]
    all_parts = batch if parts != EACH[1:] else tuple(torch.stack(values) for values in zip(*rest, strict=True))
    expected, of_all = gradient(LOSSES[loss], all_parts, [slice(0, 4)], monkeypatch)
    found, whole = gradient(LOSSES[loss], batch, parts, monkeypatch, batches)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    if batches == 1:
        torch.testing.assert_close(whole, of_all)


def test_terms_of_a_sum_are_weighed_each_by_itself_over_processes(batch, monkeypatch):
    terms = {"ce": CrossEntropy, "dice": lambda **given: Dice(per_image=True, **given)}
    loss = WeightedSum(IGNORE, terms, {"dice": 0.5})
    expected, _ = gradient(loss, batch, WHOLE, monkeypatch)
    found, _ = gradient(loss, batch, EACH, monkeypatch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    # Accumulated, the first term is exact, and the others come close: see the class.
    first, _ = gradient(WeightedSum(IGNORE, terms, {"dice": 0.0}), batch, EACH, monkeypatch, 4)
    alone, _ = gradient(LOSSES["cross_entropy"], batch, WHOLE, monkeypatch)
    torch.testing.assert_close(first, alone, rtol=1e-5, atol=1e-7)


def test_batches_that_are_ignored_leave_no_gradient(batch, monkeypatch):
    images, labels = batch
    found, _ = gradient(LOSSES["cross_entropy"], (images, labels.fill_(IGNORE)), EACH, monkeypatch, 2)
    assert (found == 0).all()


def test_a_loss_that_says_nothing_counts_by_images():
    (mean,) = loss_means(torch.nn.L1Loss(), torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2))
    assert mean == Mean(torch.tensor(1.0), torch.tensor(3.0))
    (weighted,) = loss_means(torch.nn.CrossEntropyLoss(), torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4).long())
    assert weighted.weight == 2  # its own attribute "weight" is something else
