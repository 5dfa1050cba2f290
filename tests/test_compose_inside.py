"""Composing the shipped configurations while a Hydra program runs."""

from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from segnet.config import compose, config_dir
from segnet.errors import UserError


@pytest.fixture
def foreign_program(tmp_path: Path) -> Path:
    (tmp_path / "theirs.yaml").write_text("value: 7\n")
    return tmp_path


def test_inside_another_program(foreign_program: Path) -> None:
    with initialize_config_dir(str(foreign_program), version_base="1.3"):
        assert compose(["upsampler=nearest"]).upsampler._target_ == "segnet.layers.Nearest"
        with pytest.raises(UserError, match="upsampler/nowhere"):
            compose(["upsampler=nowhere"])
        # The program's own configurations are there again.
        assert hydra_compose("theirs").value == 7
    assert not GlobalHydra.instance().is_initialized()


def test_inside_a_command() -> None:
    """Hydra looks in the shipped configurations already, and goes on to."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        running = GlobalHydra.instance().hydra
        assert compose(["upsampler=bilinear"]).upsampler._target_ == "segnet.layers.Bilinear"
        assert GlobalHydra.instance().hydra is running


def test_outside() -> None:
    assert compose(["skip=add"], "profile").skip._target_ == "segnet.models.AdditiveSkip"
    assert not GlobalHydra.instance().is_initialized()
