"""Configs that are put together at random train two steps, or are refused in one sentence."""

import math
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segnet.config import compose
from segnet.errors import UserError
from segnet.training.run import train
from tests.conftest import TINY
from tests.models.combinations import choices

FEW = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
MANY = settings(FEW, max_examples=120)
GROUPS = (
    *("activation", "callbacks", "context", "convolution", "downsampling", "fusion", "loss", "optimizer"),
    *("mix", "scheduler", "skip", "task", "upsampler"),
)
WEIGHTS = [name for name in choices("class_weights") if name != "given"]  # which wants the weights of the set's classes
SETTINGS = {
    "data.batch_size": ["1", "2", "3", "5", "0"],
    "trainer.precision": ["32-true", "bf16-mixed", "16-mixed"],
    "trainer.gradient_clip_val": ["null", "1.0"],
    "+trainer.accumulate_grad_batches": ["1", "2"],
    "data.scale": ["1.0", "0.5"],
    "data.passes": ["1", "2"],
    "data.epoch_samples": ["null", "7"],
    "data.repeat_factor": ["0.0", "0.9"],
    "data.augmentation.class_balance": ["0.0", "0.5"],
    "data.augmentation.crop": ["null", "[9,13]"],
    "data.augmentation.rotation": ["0.0", "20.0"],
    "encoder.widths": ["[4]", "[4,8]", "[8,4,6]"],
    "encoder.kernel_size": ["3", "5", "2"],
    "skip_steps": ["0", "2"],
    "channels_last": ["true", "false"],
    "checkpoint.every_n_steps": ["null", "1"],
}


@st.composite
def overrides(draw):
    """Draw some groups and some settings; the others stay as they are."""
    groups = draw(st.lists(st.sampled_from(GROUPS), unique=True, max_size=6))
    names = draw(st.lists(st.sampled_from(sorted(SETTINGS)), unique=True, max_size=4))
    chosen = [f"{group}={draw(st.sampled_from(choices(group)))}" for group in groups]
    chosen += [f"{name}={draw(st.sampled_from(SETTINGS[name]))}" for name in names]
    return [*chosen, f"class_weights={draw(st.sampled_from(WEIGHTS))}"]


def check_config(drawn, folder):
    small = ["data.images={train:5,val:2,test:2}", "data.batch_size=2", "trainer.max_epochs=1", "callbacks=default"]
    fixed = [text for text in (*TINY, *small) if not text.startswith("encoder.depths")]
    depths = next((text.count(",") + 1 for text in drawn if text.startswith("encoder.widths")), 2)
    groups = {text.partition("=")[0] for text in drawn}
    try:
        config = compose(
            [
                *(text for text in fixed if text.partition("=")[0] not in groups),
                f"encoder.depths=[{','.join('1' * depths)}]",
                *drawn,
            ]
        )
        found = train(config, folder)
    except UserError as error:
        assert len(str(error).splitlines()) == 1, drawn  # noqa: PT017 - either is right
        assert str(error), drawn  # noqa: PT017
        return
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert found["status"] == "completed", drawn
    assert all(math.isfinite(found[key]) for key in ("params", "macs", "train_seconds")), drawn


@FEW
@given(drawn=overrides())
def test_a_random_config_trains_or_is_refused_in_a_sentence(drawn, tmp_path_factory):
    check_config(drawn, tmp_path_factory.mktemp("random") / "run")


@pytest.mark.slow
@MANY
@given(drawn=overrides())
def test_many_random_configs_train_or_are_refused_in_a_sentence(drawn, tmp_path_factory):
    check_config(drawn, tmp_path_factory.mktemp("random") / "run")
