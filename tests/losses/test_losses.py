"""What every loss keeps, each beside its naive form; what is particular to one is in a file of its own."""

from functools import partial

import pytest
import torch

from segnet.losses import (
    BoundaryCrossEntropy,
    CrossEntropy,
    Dice,
    Focal,
    HardPixels,
    Jaccard,
    LovaszSoftmax,
    Tversky,
    WeightedSum,
)
from tests.losses import naive
from tests.losses.naive import IGNORE

PAIRS = {
    "focal": (Focal, partial(naive.focal, gamma=2.0)),
    "focal_gamma_half": (partial(Focal, gamma=0.5), partial(naive.focal, gamma=0.5)),
    "dice": (Dice, partial(naive.tversky, alpha=0.5, beta=0.5)),
    "dice_squared": (partial(Dice, form="squared"), partial(naive.tversky, alpha=0.5, beta=0.5, squared=True)),
    "jaccard": (Jaccard, partial(naive.tversky, alpha=1.0, beta=1.0)),
    "tversky": (Tversky, partial(naive.tversky, alpha=0.3, beta=0.7)),
    "focal_tversky": (partial(Tversky, gamma=4 / 3), partial(naive.tversky, alpha=0.3, beta=0.7, power=0.75)),
    "lovasz": (LovaszSoftmax, naive.lovasz),
    "ohem": (partial(HardPixels, threshold=0.2), partial(naive.hard_pixels, threshold=0.2, least_share=0.0625)),
    "ohem_least_share": (
        partial(HardPixels, threshold=1e-9, least_share=0.3),
        partial(naive.hard_pixels, threshold=1e-9, least_share=0.3),
    ),
    "boundary": (BoundaryCrossEntropy, partial(naive.boundary, weight=5.0, radius=2)),
    "boundary_radius_1": (partial(BoundaryCrossEntropy, radius=1), partial(naive.boundary, weight=5.0, radius=1)),
}
LOSSES = {name: loss for name, (loss, _) in PAIRS.items()} | {
    "dice_per_image": partial(Dice, per_image=True),
    "dice_log_cosh": partial(Dice, form="log_cosh"),
    "sum": partial(WeightedSum, terms={"ce": CrossEntropy, "dice": Dice}, weights={"dice": 0.5}),
}


def example(size=(5, 6), images=2, classes=4):
    """Logits, and labels of which one class never occurs and some pixels are ignored."""
    logits = 2 * torch.randn(images, classes, *size)
    labels = torch.randint(0, classes - 1, (images, *size), dtype=torch.uint8)
    labels[0, 1:3] = IGNORE
    return logits, labels


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 7.0, 1.0]])
@pytest.mark.parametrize("name", PAIRS)
def test_equals_its_naive_form(name, weights):
    logits, labels = example()
    ours, reference = PAIRS[name]
    tensor = None if weights is None else torch.tensor(weights)
    expected = reference(logits, labels, weights or [1.0] * 4)
    assert ours(IGNORE, class_weights=tensor)(logits, labels).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 7.0, 1.0])])
@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_of_ignored_pixels_gives_zero_and_zero_gradients(name, weights):
    logits = torch.randn(2, 4, 3, 3, requires_grad=True)
    loss = LOSSES[name](ignore_index=IGNORE, class_weights=weights)(logits, torch.full((2, 3, 3), IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_have_no_influence(name):
    """Neither on the loss nor on the gradients, whatever is predicted there."""
    logits, labels = example(size=(4, 4))
    loss = LOSSES[name](ignore_index=IGNORE)
    results = []
    for noise in (0.0, 9.0):
        changed = (logits + noise * torch.randn(logits.shape) * (labels == IGNORE)[:, None]).requires_grad_()
        value = loss(changed, labels)
        value.backward()
        assert (changed.grad.abs().sum(1)[labels == IGNORE] == 0).all()
        results.append((value.detach(), changed.grad.permute(0, 2, 3, 1)[labels != IGNORE]))
    assert torch.allclose(results[0][0], results[1][0], rtol=1e-5)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_class_may_be_the_ignore_index(name):
    logits, labels = example()
    without = LOSSES[name](ignore_index=IGNORE)(logits, torch.where(labels == 0, IGNORE, labels))
    with_it = LOSSES[name](ignore_index=0)(logits, torch.where(labels == IGNORE, 0, labels))
    assert with_it == pytest.approx(without.item(), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_sums_are_float32_under_autocast(name):
    logits, labels = example(size=(40, 50))
    loss = LOSSES[name](ignore_index=IGNORE)
    rounded = logits.bfloat16()
    expected = loss(rounded.double().float(), labels)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(rounded, labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2)])
@pytest.mark.parametrize("name", LOSSES)
def test_any_size_has_finite_gradients(name, size):
    labels = torch.randint(0, 4, (1, *size))
    # Certain and right: where roots and logarithms have their edges.
    logits = (200 * torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).float()).requires_grad_()
    loss = LOSSES[name](ignore_index=IGNORE)(logits, labels)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-4)
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_down_its_gradient_lowers_it(name):
    logits, labels = example()
    loss = LOSSES[name](ignore_index=IGNORE)
    logits.requires_grad_()
    before = loss(logits, labels)
    (slope,) = torch.autograd.grad(before, logits)
    assert loss(logits - 1e-2 * slope / slope.norm(), labels) < before
