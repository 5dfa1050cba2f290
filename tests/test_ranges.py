"""Values out of their range are refused by whoever takes them, in a sentence that names the setting."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from segnet.build import build_network, data_from_config
from segnet.config import compose, instantiate
from segnet.config_values import check_values
from segnet.errors import UserError, require

DATA = [
    ("data.batch_size=0", "data.batch_size=0 is not allowed: give an integer from 1 up"),
    ("data.eval_batch_size=0", "data.eval_batch_size=0 is not allowed: give an integer from 1 up"),
    ("data.num_workers=-1", "data.num_workers=-1 is not allowed: give an integer from 0 up, or null"),
    ("data.scale=0", "data.scale=0 is not allowed: give a number above 0"),
    ("data.scale=-1", "data.scale=-1 is not allowed: give a number above 0"),
    ("data.scale=nan", "data.scale=nan is not allowed: give a number above 0"),
    ("data.scale=inf", "data.scale=inf is not allowed: give a number above 0"),
    ("data.passes=0", "data.passes=0 is not allowed: give an integer from 1 up"),
    ("data.repeat_factor=2", "data.repeat_factor=2 is not allowed: give a share of the images from 0 to 1"),
    ("data.epoch_samples=7", "data.epoch_samples=7 is not allowed: give an integer from data.batch_size=8 up, or null"),
    ("data.augmentation.class_balance=2", "data.augmentation.class_balance=2 is not allowed: give a number from 0 to"),
    ("data.cache_budget_gib=-1", "data.cache_budget_gib=-1 is not allowed: give a number from 0 up"),
    ("data.ignore_index=-1", "data.ignore_index=-1 is not allowed: give a label from 0 to 255"),
    ("data.ignore_index=300", "data.ignore_index=300 is not allowed: give a label from 0 to 255"),
    ("data.channels=2", r"data.channels=2 is not allowed: give 1 \(grey\) or 3 \(colour\)"),
    ("data.channels=1", "data.mean has 3 values and data.channels=1: give data.mean and data.std one value for each"),
    ("data.augmentation.crop=[0,5]", r"data.augmentation.crop=\[0,5\] is not allowed: give \[HEIGHT,WIDTH\]"),
    ("data.augmentation.crop=[5]", r"data.augmentation.crop=\[5\] is not allowed: give \[HEIGHT,WIDTH\]"),
    ("data.augmentation.scale=[0,1]", r"data.augmentation.scale=\[0,1\] is not allowed: give \[LOW,HIGH\]"),
    ("data.augmentation.scale=[2,1]", r"data.augmentation.scale=\[2,1\] is not allowed: give \[LOW,HIGH\]"),
    ("data.augmentation.horizontal_flip=5", "data.augmentation.horizontal_flip=5 is not allowed: give a number from 0"),
    ("data.augmentation.rotation=-1", "data.augmentation.rotation=-1 is not allowed: give a number from 0 to 180"),
    ("data.augmentation.brightness=2", "data.augmentation.brightness=2 is not allowed: give a number from 0 to 1"),
    ("data.augmentation.contrast=2", "data.augmentation.contrast=2 is not allowed: give a number from 0 to 1"),
    ("data.augmentation.saturation=2", "data.augmentation.saturation=2 is not allowed: give a number from 0 to 1"),
    ("data.augmentation.grey=2", "data.augmentation.grey=2 is not allowed: give a number from 0 to 1"),
    ("data.augmentation.blur=11", "data.augmentation.blur=11 is not allowed: give a number from 0 to 10"),
    ("data.augmentation.noise=-1", "data.augmentation.noise=-1 is not allowed: give a number from 0 to 1"),
    ("data.augmentation.cut_out=2", "data.augmentation.cut_out=2 is not allowed: give a number from 0 to 1"),
    (
        "data.augmentation.distortion=0.5",
        "data.augmentation.distortion=0.5 is not allowed: give a number from 0 to 0.2",
    ),
    ("data.augmentation.jpeg=0", "data.augmentation.jpeg=0 is not allowed: give a quality from 1 to 100, an integer"),
    ("data.augmentation.jpeg=50.5", "data.augmentation.jpeg=50.5 is not allowed: give a quality from 1 to 100"),
    ("data.augmentation.hue=0.6", "data.augmentation.hue=0.6 is not allowed: give a number from 0 to 0.5"),
    ("data.classes={only:[0,0,0]}", r"data.classes names 1 classes \(only\), 1 of them other than data.ignore_index"),
]


@pytest.mark.parametrize(("override", "message"), DATA)
def test_the_data_module_names_its_setting(override, message):
    config = compose(["data=shapes"])  # the same for all, so composed once
    parsed = OverridesParser.create().parse_override(override)
    OmegaConf.update(config, parsed.key_or_group, parsed.value(), merge=False)
    with pytest.raises(UserError, match=message):
        data_from_config(config)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=shapes", "data.size=[0,5]"], r"data.size=\[0,5\] is not allowed: give \[HEIGHT,WIDTH\]"),
        (["data=shapes", "data.images.train=0"], "data.images.train=0 is not allowed: give an integer from 1 up"),
        (["data=shapes", "data.dataset.noise=-1"], "data.dataset.noise=-1 is not allowed: give a number from 0 up"),
        (["data.dataset.slabs.train=[9,3]"], r"data.dataset.slabs.train=\[9,3\] is not allowed: give \[FIRST,LAST\]"),
        (["data.dataset.slabs.train=[0,300]"], r"data.dataset.slabs.train=\[0,300\] is not allowed"),
        (["data.dataset.acquisition.noise=-1"], "data.dataset.acquisition.noise=-1 is not allowed"),
        (["data.dataset.acquisition.gamma=[0,1]"], r"data.dataset.acquisition.gamma=\[0,1\] is not allowed"),
    ],
)
def test_data_sets_name_their_setting(overrides, message):
    with pytest.raises(UserError, match=message):
        data_from_config(compose(overrides)).split("train")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder.widths=[4,0,8]", r"encoder.widths=\[4,0,8\] is not allowed: give integers from 1 up"),
        ("encoder.depths=[1,-1,1]", r"encoder.depths=\[1,-1,1\] is not allowed: give integers from 0 up"),
        ("encoder.widths=[4,8]", "encoder.widths, encoder.depths and a list of convolutions need one entry per stage"),
        ("encoder.kernel_size=2", "encoder.kernel_size=2 is not allowed: give an odd integer from 1 up"),
        ("data.std=[0]", r"data.mean=\[0.2\] and data.std=\[0\] do not fit: give each one value for each channel"),
        ("data.std=[1,1]", r"data.mean=\[0.2\] and data.std=\[1, 1\] do not fit"),
    ],
)
def test_networks_name_their_setting(override, message):
    with pytest.raises(UserError, match=message):
        build_network([override])


@pytest.mark.parametrize("value", [-0.1, 2])
def test_the_loss_names_its_setting(value):
    with pytest.raises(UserError, match=f"loss.label_smoothing={value} is not allowed: give a number from 0 to 1"):
        instantiate(compose([f"loss.label_smoothing={value}"]).loss)(ignore_index=255)


def test_what_is_allowed_stays_allowed():
    overrides = ["data.num_workers=null", "data.scale=2", "data.cache_budget_gib=0", "data.augmentation.hue=0.5"]
    config = compose(["data=shapes", *overrides, "data.augmentation.crop=null", "data.ignore_index=0"])
    check_values(config)
    assert data_from_config(config).ignore_index == 0
    require(True, "a", 1, "b")
