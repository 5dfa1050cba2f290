import math

import pytest
import torch

from segnet.errors import UserError
from segnet.losses import Dice, Focal, HardPixels, Jaccard, LovaszSoftmax, Tversky, WeightedSum, boundary_band
from tests.losses.naive import IGNORE


def certain(predicted, classes=2):
    """Logits that are all but certain of the classes ``(N, H, W)``."""
    return 100 * torch.nn.functional.one_hot(predicted, classes).permute(0, 3, 1, 2).float()


# Two images of four pixels. Class 1: 2 hits, 1 false positive, 1 false negative. Class 0: 4, 1 and 1.
TRUTH = torch.tensor([[[1, 1, 1, 0]], [[0, 0, 0, 0]]])
PREDICTED = torch.tensor([[[1, 1, 0, 0]], [[1, 0, 0, 0]]])


def test_dice_and_jaccard_of_certain_predictions_by_hand():
    logits = certain(PREDICTED)
    dice = 1 - (4 / 6 + 8 / 10) / 2
    assert Dice(IGNORE)(logits, TRUTH).item() == pytest.approx(dice, abs=1e-6)
    assert Dice(IGNORE, form="log_cosh")(logits, TRUTH).item() == pytest.approx(math.log(math.cosh(dice)), abs=1e-6)
    iou = 1 - (2 / 4 + 4 / 6) / 2
    assert Jaccard(IGNORE)(logits, TRUTH).item() == pytest.approx(iou, abs=1e-6)
    assert LovaszSoftmax(IGNORE)(logits, TRUTH).item() == pytest.approx(iou, abs=1e-6)


def test_class_weights_weigh_the_classes_by_hand():
    weights = torch.tensor([1.0, 3.0])
    loss = Dice(IGNORE, weights)(certain(PREDICTED), TRUTH)
    assert loss.item() == pytest.approx(1 - (3 * 4 / 6 + 8 / 10) / 4, abs=1e-6)


def test_per_image_by_hand():
    # Image 0: class 0 has 1 hit and 1 false positive, class 1 has 2 hits and 1 miss; image 1: class 0, 3 hits, 1 miss.
    loss = Dice(IGNORE, per_image=True)(certain(PREDICTED), TRUTH)
    assert loss.item() == pytest.approx(1 - ((2 / 3 + 4 / 5) / 2 + 6 / 7) / 2, abs=1e-6)


def test_an_image_of_ignored_pixels_is_none_of_the_images():
    truth = torch.stack([TRUTH[0], torch.full_like(TRUTH[0], IGNORE)])
    two, one = (Dice(IGNORE, per_image=True)(certain(PREDICTED[:n]), truth[:n]) for n in (2, 1))
    assert two == pytest.approx(one.item())


def test_smooth_counts_as_in_dice_of_twice_the_hits():
    loss = Dice(IGNORE, smooth=1.0)(certain(PREDICTED), TRUTH)
    assert loss.item() == pytest.approx(1 - (5 / 7 + 9 / 11) / 2, abs=1e-6)


@pytest.mark.slow  # the import of it
def test_equal_to_segmentation_models_pytorch():
    import segmentation_models_pytorch as smp

    logits, labels = torch.randn(2, 3, 6, 7), torch.randint(0, 3, (2, 6, 7))  # every class occurs: smp divides by all
    labels[0, :2] = IGNORE
    theirs = {
        smp.losses.DiceLoss("multiclass", ignore_index=IGNORE): Dice(IGNORE),
        smp.losses.TverskyLoss("multiclass", ignore_index=IGNORE, alpha=0.3, beta=0.7): Tversky(IGNORE),
        smp.losses.LovaszLoss("multiclass", ignore_index=IGNORE): LovaszSoftmax(IGNORE),
    }
    for their, our in theirs.items():
        assert our(logits, labels).item() == pytest.approx(their(logits, labels).item(), rel=1e-5), type(their)
    whole = torch.randint(0, 3, (2, 6, 7))
    jaccard = smp.losses.JaccardLoss("multiclass")(logits, whole)
    assert Jaccard(IGNORE)(logits, whole).item() == pytest.approx(jaccard.item(), rel=1e-5)


def test_focal_of_two_classes_is_torchvisions_sigmoid_form():
    from torchvision.ops import sigmoid_focal_loss

    logits, labels = torch.randn(2, 2, 5, 5), torch.randint(0, 2, (2, 5, 5))
    difference = logits[:, 1] - logits[:, 0]  # a softmax over two classes is a sigmoid of this
    theirs = sigmoid_focal_loss(difference, labels.float(), alpha=-1, gamma=2.0, reduction="mean")
    assert Focal(IGNORE)(logits, labels).item() == pytest.approx(theirs.item(), rel=1e-5)


def test_band_by_hand():
    labels = torch.tensor([[[0, 0, 0, 1, 1, IGNORE, 2, 2]]])
    assert boundary_band(labels, IGNORE, 1).int().tolist() == [[[0, 0, 1, 1, 0, 0, 0, 0]]]
    assert boundary_band(labels, IGNORE, 2).int().tolist() == [[[0, 1, 1, 1, 1, 0, 1, 0]]]


def test_a_sum_weighs_its_terms():
    logits, labels = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    both = WeightedSum(IGNORE, {"dice": Dice, "focal": Focal, "none": None}, {"dice": 2.0})
    expected = 2 * Dice(IGNORE)(logits, labels) + Focal(IGNORE)(logits, labels)
    assert both(logits, labels).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Focal(IGNORE, gamma=-1), r"loss.gamma=-1 is not allowed: give a number from 0 up"),
        (lambda: Dice(IGNORE, form="cubed"), r"loss.form=cubed is not allowed: give plain, squared or log_cosh"),
        (lambda: Dice(IGNORE, smooth=float("nan")), r"loss.smooth=nan is not allowed"),
        (lambda: Tversky(IGNORE, alpha=0, beta=0), r"loss.alpha=0 is not allowed: give a number above 0"),
        (lambda: Tversky(IGNORE, gamma=0), r"loss.gamma=0 is not allowed"),
        (lambda: HardPixels(IGNORE, threshold=1.5), r"loss.threshold=1.5 is not allowed: give a probability"),
        (lambda: HardPixels(IGNORE, least_share=-1), r"loss.least_share=-1 is not allowed"),
        (lambda: WeightedSum(IGNORE, {}), r"loss.terms names no loss"),
        (lambda: WeightedSum(IGNORE, {"a": Dice}, {"b": 1.0}), r"loss.weights names b, and loss.terms has a"),
        (lambda: WeightedSum(IGNORE, {"a": Dice}, {"a": -1.0}), r"loss.weights.a=-1.0 is not allowed"),
    ],
)
def test_values_out_of_range_are_refused(build, message):
    with pytest.raises(UserError, match=message):
        build()
