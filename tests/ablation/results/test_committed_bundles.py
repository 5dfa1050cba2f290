"""The bundles that come with the project fit its present code: each can be continued, and its numbers recomputed."""

from pathlib import Path

import pytest

from segnet.ablation.design.runs import plan_run
from segnet.ablation.experiment import EVERY_RUN
from segnet.ablation.report.verification import verify
from segnet.cli.ablate import plan_from_config
from segnet.config import compose
from segnet.run_folder import read_json
from segnet.training.version import TRAINING_VERSION

BUNDLES = sorted(path.parent for path in (Path(__file__).parents[3] / "docs/results").glob("*/bundle.json"))


def test_there_is_one():
    assert BUNDLES


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_its_command_names_no_folder_of_the_machine_that_made_it(bundle):
    command = read_json(bundle / "experiment.json")["command"]
    assert not [argument for argument in command if Path(argument.partition("=")[2]).is_absolute()]


@pytest.mark.slow
@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_its_runs_have_the_keys_that_the_present_code_gives_them(bundle):
    """A setting that was added since, or a changed default, would throw its runs away."""
    record = read_json(bundle / "bundle.json")
    assert record["training_version"] == TRAINING_VERSION
    plan = plan_from_config(compose([f"ablation={bundle.name}"], "ablate"))
    keys = set()
    for arm in plan.arms:
        config = compose([*plan.base_overrides, *EVERY_RUN, *arm.overrides])
        config.run_dir = ""
        keys |= {plan_run(arm, config, seed, "as_is", Path()).key for seed in plan.seeds}
    assert set(record["runs"]) <= keys


@pytest.mark.slow
@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_its_numbers_follow_from_its_counts(bundle):
    assert verify(bundle).drifts == []
