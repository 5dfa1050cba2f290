"""Values of a config are checked by the classes that they go to, before anything is built."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest

from segnet.config import compose, from_values
from segnet.config_values import check_values
from segnet.errors import UserError


class Part:
    def __init__(
        self,
        count: int,
        share: float = 0.5,
        shown: bool = True,
        name: str | None = None,
        sides: tuple[int, int] | None = None,
        widths: Sequence[int] = (),
        mode: Literal["add", "sum"] = "add",
        sizes: Mapping[str, int] | None = None,
        folder: Path = Path(),
    ) -> None: ...


def config_of(**values: object):
    part = {"_target_": f"{__name__}.Part", "_partial_": True, "count": 1, **values}
    return from_values({"seed": 0, "channels_last": True, "compile": False, "part": part})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"share": 1},
        {"name": None},
        {"name": "x"},
        {"sides": [1, 2]},
        {"widths": []},
        {"mode": "sum"},
        {"sizes": {"a": 1}},
        {"folder": "somewhere"},
    ],
)
def test_what_fits_is_allowed(values):
    check_values(config_of(**values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": "abc"}, "part.count=abc is not allowed: give an integer"),
        ({"count": 1.5}, "part.count=1.5 is not allowed: give an integer"),
        ({"count": True}, "part.count=True is not allowed: give an integer"),
        ({"count": None}, "part.count=None is not allowed: give an integer"),
        ({"share": "much"}, "part.share=much is not allowed: give a number"),
        ({"shown": 1}, "part.shown=1 is not allowed: give true or false"),
        ({"name": 3}, "part.name=3 is not allowed: give a text, or null"),
        ({"sides": 96}, r"part.sides=96 is not allowed: give \[an integer, an integer\], or null"),
        ({"sides": [1]}, r"part.sides=\[1\] is not allowed: give \[an integer, an integer\], or null"),
        ({"widths": ["a"]}, r"part.widths=\['a'\] is not allowed: give a list of which each is an integer"),
        ({"mode": "mul"}, "part.mode=mul is not allowed: give one of add, sum"),
        ({"sizes": {"a": "x"}}, "part.sizes=.* is not allowed: give a mapping in which each value is an integer"),
        ({"shares": 1}, r"Part takes no part.shares: did you mean part.share\?"),
        ({"zzz": 1}, "Part takes no part.zzz: it takes count, share, shown"),
    ],
)
def test_what_does_not_fit_is_named(values, message):
    with pytest.raises(UserError, match=message):
        check_values(config_of(**values))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=abc", "optimizer.lr=abc is not allowed: give a number$"),
        ("data.batch_size=many", "data.batch_size=many is not allowed: give an integer"),
        ("data.scale=big", "data.scale=big is not allowed: give a number"),
        ("data.augmentation.crop=96", "data.augmentation.crop=96 is not allowed: give a list"),
        ("loss.label_smoothing=x", "loss.label_smoothing=x is not allowed: give a number"),
        ("trainer.precision=fp8", "trainer.precision=fp8 is not allowed: give one of auto, 32-true, bf16-mixed"),
        ("trainer.max_epochs=x", "trainer.max_epochs=x is not allowed: give an integer, or null"),
        ("seed=abc", "seed=abc is not allowed: choose an integer from 0 up"),
        ("seed=-1", "seed=-1 is not allowed: choose an integer from 0 up"),
        ("compile=perhaps", "compile=perhaps is not allowed: choose true or false"),
        ("encoder.widths=[a]", r"encoder.widths=\['a'\] is not allowed"),
    ],
)
def test_a_setting_is_named_as_it_is_set(override, message):
    with pytest.raises(UserError, match=message):
        check_values(compose([override]))


def test_a_class_that_is_not_there_is_named():
    config = config_of()
    config.part._target_ = f"{__name__}.Absent"
    with pytest.raises(UserError, match=r"_target_=.*Absent is not there"):
        check_values(config)
    config.part._target_ = "nosuchpackage.Part"
    with pytest.raises(UserError, match=r"_target_=nosuchpackage.Part is not there: no module nosuchpackage"):
        check_values(config)


PRESETS = ["segnet", "segnet_basic", "unet", "unet_resnet18", "deeplabv3plus", "realtime", "lmffnet", "fullres"]


@pytest.mark.parametrize("model", PRESETS)
@pytest.mark.parametrize("data", ["camvid", "shapes"])
def test_the_shipped_configs_fit(model, data):
    check_values(compose([f"model={model}", f"data={data}"]))
