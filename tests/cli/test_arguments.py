"""Command lines: paths are taken as they are, and what does not exist is named."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from segnet.cli.arguments import check_overrides, given_path, quote_paths
from segnet.errors import UserError

PATHS = [
    "runs/a",
    "upsampler=nearest,seed=0",
    "with spaces/ü (1)",
    "[brackets]{and}:more",
    "it's",
    'say "a"',
    "back\\slash",
    "ends in\\",
    "a=b=c",
    "50%~$HOME",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", ["run", "run_dir", "input", "output", "data.root", "+data.root"])
def test_a_path_means_itself(path, key):
    (argument,) = quote_paths([f"{key}={path}"])
    assert OverridesParser.create().parse_override(argument).value() == path
    assert given_path([argument], key.lstrip("+")) == Path(path) or "'" in path or "\\" in path
    assert given_path([f"{key}={path}"], key.lstrip("+")) == Path(path)


def test_what_is_quoted_null_or_no_path_stays():
    arguments = ["run='a b'", 'run="a b"', "resume=null", "upsampler=nearest,bilinear", "-m", "--cfg", "run="]
    assert quote_paths(arguments) == arguments


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["upsampler=nearest,bilinear", "seed=0,1", "-m"],
        ["data=camvid", "data.root=somewhere", "encoder.widths=[8,16]", "data.augmentation.scale.0=0.5"],
        ["+trainer.limit_val_batches=0", "++name=a", "~callbacks.progress_bar"],
        ["hydra/job_logging=none", "hydra.verbose=true"],
        ["task=super_resolution", "task.factor=4"],
        ["logger=none"],
    ],
)
def test_what_exists_is_accepted(arguments):
    check_overrides("train", arguments)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("upsampler=nearset", r"upsampler=nearset is not known \(did you mean nearest\?\): choose one of bed_of_nails"),
        ("data=base", "data=base is not known: choose one of ade20k, brain, camvid"),
        (
            "class_weights=[1,2.5]",
            r"class_weights=\[1,2.5\] is not known: choose one of .*; weights of your own are class_weights=given "
            r"class_weights.weights=\[1,2.5\]",
        ),
        ("skip=null", "skip=null is not known.*: choose one of"),
        ("optimizer.lrr=0.1", r"there is no setting optimizer.lrr: did you mean optimizer.lr\?"),
        ("lr=0.1", r"there is no setting lr: did you mean optimizer.lr\?"),
        ("optimiser=sgd", r"there is no setting optimiser: did you mean optimizer\?"),
        ("encoder.widths.9=3", "there is no setting encoder.widths.9"),
        ("data.augmentation.zoom=2", "there is no setting data.augmentation.zoom: data.augmentation has .*crop, scale"),
        ("+optimizer.lr=1", "optimizer.lr is there already: leave out the"),
        ("name=a(b", r"name=a\(b cannot be read: put the value in quotes, as in \"name='a\(b'\""),
        ("trainer.limit_val_batches=0", r"add it by \+trainer.limit_val_batches=..., and Trainer takes it"),
    ],
)
def test_what_does_not_exist_is_named_with_what_comes_close(argument, message):
    with pytest.raises(UserError, match=message):
        check_overrides("train", [argument])


def test_a_folder_of_own_configs_counts(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("defaults: [shapes, _self_]\nname: mine\nspecial: 3\n")
    for option in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"]):
        check_overrides("train", [*option, "data=mine", "data.special=4"])
        with pytest.raises(UserError, match=r"data=mime is not known \(did you mean mine\?\)"):
            check_overrides("train", [*option, "data=mime"])
