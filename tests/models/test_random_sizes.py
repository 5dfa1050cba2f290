"""Images of random sizes through networks that are put together at random."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segnet.build import build_network
from tests.models.combinations import COMBINATIONS, PRESETS, is_refused, overrides_of, small_preset

FEW = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
MANY = settings(FEW, max_examples=25)
SIZES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(1, 70)), min_size=3, max_size=6)
ALLOWED = [combination for combination in COMBINATIONS if not is_refused(combination)]


def check_sizes(overrides, sizes):
    network = build_network(overrides).eval()
    with torch.no_grad():
        for images, height, width in sizes:
            logits = network(torch.rand(images, 3, height, width))
            assert logits.shape == (images, 4, height, width)
            assert logits.isfinite().all()


@FEW
@given(combination=st.sampled_from(ALLOWED), sizes=SIZES)
def test_any_size_goes_through_networks(combination, sizes):
    check_sizes(overrides_of(combination), sizes)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ALLOWED)))
@settings(MANY, max_examples=3)
@given(sizes=SIZES)
def test_any_size_goes_through_every_network(number, sizes):
    check_sizes(overrides_of(ALLOWED[number]), sizes)


@pytest.mark.slow
@MANY
@given(preset=st.sampled_from(PRESETS), sizes=SIZES)
def test_any_size_goes_through_the_presets(preset, sizes):
    check_sizes(small_preset(preset), sizes)
