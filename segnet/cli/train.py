"""``segnet-train``: train a network, or resume a run."""

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.arguments import given_path
from segnet.cli.entry import run_command
from segnet.errors import UserError
from segnet.run_folder import CONFIG
from segnet.training.processes import processes_from_outside, tell_run_dir, told_run_dir


def work(config: DictConfig) -> float:
    """Train; the return value is what a sweeper of Hydra's optimises."""
    started = time.monotonic()  # before the imports, which take most of the time to the first step
    from hydra.core.hydra_config import HydraConfig

    from segnet.cli.score_table import print_table
    from segnet.config import in_sweep, load_config
    from segnet.training.changes import with_changes
    from segnet.training.folder import claim
    from segnet.training.requeue import is_started_again
    from segnet.training.run import train

    hydra_config = HydraConfig.get()
    given = [text.lstrip("+") for text in hydra_config.overrides.task]
    resume = config.resume is not None
    _refuse_two_answers(config, given)
    run_dir = Path(config.resume or (hydra_config.runtime.output_dir if in_sweep() else config.run_dir)).absolute()
    own_name = resume or any(text.startswith("run_dir=") for text in given)
    if not resume and own_name and is_started_again(run_dir):
        resume, given = True, []  # the same command, whose settings the run has
    with claim(told_run_dir() or run_dir, resume, next_free=not own_name) as run_dir, tell_run_dir(run_dir):
        if resume:
            changes = [text for text in given if not text.startswith(("resume=", "allow_code="))]
            config = with_changes(load_config(run_dir), config, changes, run_dir)
        metrics = train(config, run_dir, resume, started, print_table)
    score = metrics.get(config.task.monitor)
    if not isinstance(score, float):  # a further process of a distributed training
        return float("nan")
    print(f"run folder: {shlex.quote(str(run_dir))}")
    return score


def _refuse_two_answers(config: DictConfig, given: Sequence[str]) -> None:
    lengths = [text for text in given if text.startswith(("epochs=", "trainer.max_epochs="))]
    if lengths and config.budget_minutes is not None:
        raise UserError(f"{lengths[0]} and budget_minutes={config.budget_minutes} each say how long: choose one")
    rates = [text for text in given if text.startswith("optimizer.lr=")]
    if rates and config.find_lr:
        raise UserError(f"{rates[0]} and find_lr=true each give a learning rate: choose one")


def main() -> None:
    """Run the command."""
    # Before Hydra makes an output folder of the wrong name.
    resumed = given_path(sys.argv[1:], "resume")
    if resumed is not None and not (resumed / CONFIG).is_file():
        sys.exit(f"segnet-train: error: resume={resumed} is not a run folder: it has no {CONFIG}")
    processes = processes_from_outside()
    if processes > 1 and not any(argument.startswith(("run_dir=", "resume=", "-")) for argument in sys.argv[1:]):
        sys.exit(
            f"segnet-train: error: {processes} processes share this training, and each would name a run folder by its "
            f"own clock: give them one, as in run_dir=runs/brain/distributed"
        )
    run_command("train", work)


if __name__ == "__main__":
    main()
