"""``segnet-train``: train a network, or go on with a run."""

import shlex
import sys
import time
from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.arguments import given_path
from segnet.cli.entry import run_command
from segnet.run_folder import CONFIG


def work(config: DictConfig) -> float:
    """Train; the return value is what a sweeper of Hydra's optimises."""
    started = time.monotonic()  # before the imports, which take most of the time to the first step
    from hydra.core.hydra_config import HydraConfig

    from segnet.config import load_config
    from segnet.errors import UserError
    from segnet.training.run import train
    from segnet.training.score_table import print_table

    hydra_config = HydraConfig.get()
    run_dir = Path(hydra_config.runtime.output_dir)
    resume = config.resume is not None
    if resume:
        changes = [text for text in hydra_config.overrides.task if not text.startswith("resume=")]
        if changes:
            raise UserError(
                f"a run goes on with its own config: leave out {' '.join(changes)}, or start a new run without resume"
            )
        config = load_config(run_dir)
    metrics = train(config, run_dir, resume, started, print_table)
    if config.task.monitor not in metrics:  # a further process of a distributed training
        return float("nan")
    print(f"run folder: {shlex.quote(str(run_dir))}")
    return metrics[config.task.monitor]


def main() -> None:
    """Run the command."""
    # Before Hydra makes an output folder of the wrong name.
    resumed = given_path(sys.argv[1:], "resume")
    if resumed is not None and not (resumed / CONFIG).is_file():
        sys.exit(f"segnet-train: error: resume={resumed} is not a run folder: it has no {CONFIG}")
    run_command("train", work)


if __name__ == "__main__":
    main()
