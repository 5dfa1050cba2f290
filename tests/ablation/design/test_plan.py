import re

import pytest

from segnet.ablation import Plan, Tuning, statistics
from segnet.ablation.design import plan
from segnet.ablation.design.plan import override_text, package
from segnet.config import compose, config_dir
from segnet.errors import UserError


def test_two_factors_are_crossed_and_the_first_arm_is_the_baseline():
    crossed = Plan("mine", {"upsampler": ["nearest", "bilinear"], "skip": ["none", "add", "concat"]}, seeds=2)
    assert [arm.name for arm in crossed.arms] == [
        "nearest+none", "nearest+add", "nearest+concat", "bilinear+none", "bilinear+add", "bilinear+concat"
    ]  # fmt: skip
    assert crossed.arms[4].overrides == ("upsampler=bilinear", "skip=add")
    assert crossed.arms[4].levels == {"upsampler": "bilinear", "skip": "add"}
    assert (crossed.baseline, crossed.seeds, crossed.axis) == ("nearest+none", (0, 1), ("upsampler", "skip"))


def test_what_can_be_primary_are_the_measures():
    assert set(plan.MEASURES) == {measure.key for measure in statistics.MEASURES}
    assert Plan("mine", ONE, primary="boundary_f1").as_record()["primary"] == "boundary_f1"
    assert Plan("mine", ONE).primary == "miou"


def test_levels_can_have_names_and_further_overrides():
    levels = {"2x2": {"value": "transposed_conv", "overrides": ["upsampler.kernel_size=2"]}, "copy": "nearest"}
    named = Plan("mine", {"upsampler": levels})
    assert [arm.name for arm in named.arms] == ["2x2", "copy"]
    assert named.arms[0].overrides == ("upsampler=transposed_conv", "upsampler.kernel_size=2")


@pytest.mark.parametrize(
    ("factor", "value", "read"),
    [
        ("optimizer.lr", 0.02, 0.02),
        ("optimizer.lr", 1e-7, 1e-7),
        ("encoder.widths", [4, 8], [4, 8]),
        ("compile", True, True),
        ("trainer.gradient_clip_val", None, None),
        ("name", "it's \\ a, b=c {d}", "it's \\ a, b=c {d}"),
        ("decoder.widths", {2: 4, 1: 3}, {2: 4, 1: 3}),
    ],
)
def test_a_value_reaches_the_config_as_it_is(factor, value, read):
    config = compose([override_text(factor, value)])
    for part in factor.split("."):
        config = config[part]
    assert config == read
    assert type(config) is type(read) or isinstance(read, (list, dict))


def test_where_a_group_lands():
    assert [package(name) for name in ("upsampler", "loss@_global_.loss", "a/b", "+trainer.max_steps")] == [
        "upsampler", "loss", "a.b", "trainer.max_steps"
    ]  # fmt: skip


def test_groups_that_say_where_they_land_are_known():
    said = {
        path.parent.name: found[1]
        for path in config_dir().glob("*/*.yaml")
        if (found := re.match(r"# @package (data\.\w+)\n", path.read_text(encoding="utf-8")))
    }
    assert said
    assert {group: package(group) for group in said} == said


ONE = {"upsampler": ["nearest", "bilinear"]}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factors": {}}, "needs factors with their arms"),
        ({"factors": {"upsampler": ["nearest"]}}, "only the arm nearest"),
        ({"factors": {"upsampler": ["nearest", "nearest"]}}, "names an arm twice"),
        ({"factors": {"upsampler": {"a b": "nearest", "a/b": "bilinear"}}}, "the arm a_b is listed twice"),
        ({"factors": {"upsampler": "nearest"}}, "give its arms as a list"),
        ({"factors": {"upsampler": {"a": {"value": "nearest", "override": []}, "b": 1}}}, "takes value and overrides"),
        ({"baseline": "bicubic"}, "baseline=bicubic is not one of the arms: choose one of nearest, bilinear"),
        ({"seeds": [1, 2, 1]}, "the seed 1 is listed twice"),
        ({"seeds": 0}, "seeds is empty"),
        ({"primary": "iou"}, "primary=iou is not a measure: choose one of miou, boundary_f1, boundary_iou, small_obj"),
        ({"match": "flops"}, "choose params or macs"),
        ({"allow": ["order"]}, "choose among parameters, batches"),
        ({"name": "a/b"}, "is not a valid name of an experiment"),
        ({"seeds": [7], "tuning": Tuning({"optimizer.lr": [1]}, seed=7)}, "choose another one for tuning"),
    ],
)
def test_a_plan_that_makes_no_experiment_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        Plan(**({"name": "mine", "factors": ONE} | settings))


@pytest.mark.parametrize("space", [{}, {"optimizer.lr": []}, {"optimizer.lr": {"low": 1, "high": 0}}, {"a": "bc"}])
def test_a_space_that_cannot_be_searched_is_refused(space):
    with pytest.raises(UserError, match=r"tuning"):
        Tuning(space)


def test_separately_tuned_values_belong_to_the_axis():
    assert Plan("mine", ONE, tuning=Tuning({"optimizer.lr": [1, 2]}, per_arm=True)).axis == (
        "upsampler",
        "optimizer.lr",
    )
    assert Plan("mine", ONE, tuning=Tuning({"optimizer.lr": [1, 2]})).axis == ("upsampler",)
