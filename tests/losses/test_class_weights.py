import math

import pytest
import torch

from segnet.errors import UserError
from segnet.losses import enet, inverse_sqrt

# 16, 4 and 0 of 20 pixels over two images.
COUNTS = torch.tensor([[10, 0, 0], [6, 4, 0]])


def test_enet_by_hand():
    weights = enet(COUNTS, offset=1.1)
    assert weights.tolist() == pytest.approx([1 / math.log(1.9), 1 / math.log(1.3), 1 / math.log(1.1)])
    assert weights.dtype == torch.float32


def test_enet_refuses_an_offset_without_a_bound():
    with pytest.raises(UserError, match=r"class_weights.offset=1.0 .* set 1.02"):
        enet(COUNTS, offset=1.0)


def test_inverse_sqrt_by_hand():
    weights = inverse_sqrt(COUNTS)
    assert weights[1] / weights[0] == pytest.approx(2)
    assert (weights * COUNTS.sum(0)).sum() / COUNTS.sum() == pytest.approx(1)
    assert weights[2] == 1
    assert weights.dtype == torch.float32


@pytest.mark.parametrize("weigh", [enet, inverse_sqrt])
def test_no_pixels_at_all_give_finite_weights(weigh):
    assert weigh(torch.zeros(2, 3, dtype=torch.int64)).isfinite().all()
