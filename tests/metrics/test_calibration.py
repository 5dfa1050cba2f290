import numpy as np
import pytest
import torch

from segnet.metrics import calibration_counts, calibration_error, overconfidence
from segnet.metrics.calibration import UNITS


def test_a_case_computed_by_hand():
    """Two of 4 bins: at 0.25..0.5 three pixels, one right; at 0.75..1 two pixels, both right; one is ignored."""
    confidence = torch.tensor([[[0.25, 0.4, 0.4, 0.875, 1.0, 0.9]]])
    right = torch.tensor([[[True, False, False, True, True, False]]])
    scored = torch.tensor([[[True, True, True, True, True, False]]])
    counts = calibration_counts(confidence, right, scored, bins=4).numpy()
    assert counts[0, 0].tolist() == [0, 3, 0, 2]
    assert counts[0, 1].tolist() == [0, 1, 0, 2]
    assert counts[0, 2] / UNITS == pytest.approx([0, 1.05, 0, 1.875])
    assert calibration_error(counts[0]) == pytest.approx(3 / 5 * abs(0.35 - 1 / 3) + 2 / 5 * (1 - 0.9375))
    assert overconfidence(counts[0]) == pytest.approx((1.05 + 1.875 - 3) / 5)


def test_counts_are_those_of_each_image_and_add_up_the_same_in_any_order():
    random = torch.Generator().manual_seed(0)
    confidence, right, scored = (torch.rand(5, 7, 9, generator=random) for _ in range(3))
    right, scored = right < 0.7, scored < 0.9
    counts = calibration_counts(confidence, right, scored)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(calibration_counts(confidence[order], right[order], scored[order]), counts[order])
    assert torch.equal(
        calibration_counts(*(x.reshape(1, 35, 9) for x in (confidence, right, scored)))[0], counts.sum(0)
    )
    assert counts[:, 0].sum() == scored.sum()
    assert counts[:, 1].sum() == (right & scored).sum()


def test_where_nothing_counts_there_is_no_error():
    nothing = torch.zeros(1, 2, 2)
    counts = calibration_counts(nothing, nothing.bool(), nothing.bool()).numpy()
    assert np.isnan(calibration_error(counts)).all()
    assert np.isnan(overconfidence(counts)).all()
