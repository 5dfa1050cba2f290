import pytest
from omegaconf import OmegaConf

from segnet.ablation.design.axis import check_axis
from segnet.ablation.design.plan import package
from segnet.config import compose
from segnet.errors import UserError


def configs(**arms):
    return {name: compose(["run_dir=x", *overrides]) for name, overrides in arms.items()}


def test_copies_of_the_factor_are_derived_and_listed():
    found = check_axis(
        configs(one=["fusion=concat", "context=atrous_regular"], two=["fusion=sum", "context=atrous_regular"]),
        ["fusion"],
    )
    assert found["differing"] == {
        "fusion._target_": {"one": "segnet.layers.ConcatFusion", "two": "segnet.layers.SumFusion"}
    }
    assert found["derived"]["context.fusion._target_"] == "fusion"
    assert set(found["derived"]) == {"context.fusion._target_", "model.context.fusion._target_"}


@pytest.mark.parametrize("factor", ["mix=none mix=cutmix", "augmentation=light augmentation=strong"])
def test_a_group_whose_values_lie_elsewhere_is_an_axis(factor):
    one, two = factor.split()
    axis = package(one.partition("=")[0])
    found = check_axis(configs(one=[one], two=[two]), [axis])
    assert found["differing"]
    assert all(key == axis or key.startswith(f"{axis}.") for key in found["differing"])


def test_a_path_is_an_axis_too():
    found = check_axis(configs(one=["encoder.widths=[4,8]"], two=["encoder.widths=[4,8,9]"]), ["encoder.widths"])
    assert found["differing"]["encoder.widths.2"] == {"one": "(not there)", "two": 9}
    assert all(key.startswith("model.encoder.widths") for key in found["derived"])


@pytest.mark.parametrize(
    ("further", "keys"),
    [
        (["optimizer.lr=0.1"], [r"optimizer\.lr \(0\.005 in one, 0\.1 in two\)"]),
        (["decoder.depths=2", "seed=3"], [r"decoder\.depths \(1 in one, 2 in two\)", r"seed \(0 in one, 3 in two\)"]),
        (["+trainer.max_steps=9"], [r"trainer\.max_steps \(\(not there\) in one, 9 in two\)"]),
    ],
)
def test_every_other_difference_is_named(further, keys):
    with pytest.raises(UserError, match="differ in more than upsampler") as caught:
        check_axis(configs(one=["upsampler=nearest"], two=["upsampler=bilinear", *further]), ["upsampler"])
    for key in keys:
        assert caught.match(key)


def test_a_copy_of_the_factor_in_one_arm_alone_is_named():
    arms = configs(one=["upsampler=nearest"], two=["upsampler=bilinear"])
    arms["two"].name = "${upsampler._target_}"
    with pytest.raises(UserError, match=r"fair: name \(brain in one, segnet\.layers\.Bilinear in two\)"):
        check_axis(arms, ["upsampler"])


def test_the_same_value_may_be_written_in_another_way():
    arms = configs(one=["upsampler=nearest"], two=["upsampler=bilinear"])
    arms["two"].optimizer.lr = "${first:0.005}"
    assert "optimizer.lr" not in check_axis(arms, ["upsampler"])["derived"]


def test_a_value_that_is_generated_in_each_arm_is_named():
    """Written the same, resolved to something else, and not from the factor."""
    counter = iter(range(100))
    OmegaConf.register_new_resolver("count_up", lambda: next(counter), replace=True)
    made = [OmegaConf.create({"factor": name, "lr": "${count_up:}", "copy": "${factor}"}) for name in "ab"]
    with pytest.raises(UserError, match=r"fair: lr \(\d in one, \d in two\); hold"):
        check_axis({"one": made[0], "two": made[1]}, ["factor"])


def test_arms_that_are_the_same_are_refused():
    with pytest.raises(UserError, match="the arms one, two are all the same"):
        check_axis(configs(one=["skip=add"], two=["skip=add"]), ["skip"])


def test_what_a_group_changes_elsewhere_must_be_declared():
    arms = configs(one=["model=encoder_decoder"], two=["model=fullres"])
    with pytest.raises(UserError, match=r"skip\._target_"):
        check_axis(arms, ["model"])
    groups = ["model", "preset", "skip", "encoder", "decoder", "context", "convolution"]
    assert "skip._target_" in check_axis(arms, groups)["differing"]
