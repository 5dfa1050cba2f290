import pytest

from segnet.ablation.checks.matching import match_costs, with_widths
from segnet.analysis import count_macs, count_parameters
from segnet.build import network_from_config
from segnet.config import compose
from segnet.errors import UserError

BASE = ("data=shapes", "data.size=[24,32]", "data.images={train:1,val:1,test:1}", "run_dir=x")


def configs(factor, levels, *further):
    return {level: compose([*BASE, *further, f"{factor}={level}"]) for level in levels}


def measured(config, measure):
    network = network_from_config(config)  # for real, on the CPU
    return count_parameters(network) if measure == "params" else count_macs(network, (3, 24, 32))


SMALL = ["encoder.widths=[8,16]", "encoder.depths=[1,1]"]
ALL = ["nearest", "bilinear", "bed_of_nails", "max_unpool", "transposed_conv", "pixel_shuffle", "carafe", "dysample"]


@pytest.mark.parametrize(
    ("measure", "factor", "levels", "further"),
    [
        ("params", "upsampler", ["nearest", "transposed_conv"], []),
        ("macs", "upsampler", ["max_unpool", "transposed_conv"], []),
        ("params", "skip", ["add", "concat"], SMALL),
        pytest.param("params", "upsampler", ALL, [], marks=pytest.mark.slow),
        pytest.param("macs", "upsampler", ALL, [], marks=pytest.mark.slow),
        pytest.param("macs", "skip", ["none", "add", "concat", "reduced_concat"], SMALL, marks=pytest.mark.slow),
    ],
)
def test_matched_arms_cost_the_same_within_two_percent(measure, factor, levels, further):
    arms = configs(factor, levels, *further)
    before = {name: measured(config, measure) for name, config in arms.items()}
    assert max(before.values()) > 1.05 * min(before.values())  # there is something to do
    matched = match_costs(arms, measure)
    costliest = max(before, key=before.get)
    assert matched[costliest] is None
    for name, widths in matched.items():
        cost = before[name] if widths is None else measured(with_widths(arms[name], widths), measure)
        assert cost == pytest.approx(before[costliest], rel=0.02), name


def test_a_step_without_convolutions_keeps_its_place():
    arms = configs("upsampler", ["nearest", "transposed_conv"], "decoder.depths={2:1}")
    widths = match_costs(arms, "params")["nearest"]
    assert widths[1] is None
    assert widths[0] > 16


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (["model=fullres"], "whose steps have a width, and that of the arm"),
        (
            ["encoder.widths=[1,2]", "encoder.depths=[1,1]"],
            "match=params cannot bring the arm (add|none) within 2% of concat",
        ),
    ],
)
def test_what_cannot_be_matched_is_refused_in_a_sentence(further, message):
    arms = configs("skip", ["none", "concat"], *further)
    if further == ["model=fullres"]:
        arms["concat"] = compose([*BASE, *further, "encoder.depths=[2]"])
    with pytest.raises(UserError, match=message):
        match_costs(arms, "params")
