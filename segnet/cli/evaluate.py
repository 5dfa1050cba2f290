"""``segnet-evaluate``: score a run on a split."""

from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command


def work(config: DictConfig) -> None:
    """Score, print the table and write ``evaluation.json``."""
    from segnet.build import data_from_config, load, load_config, task_from_config
    from segnet.inference import choose_device
    from segnet.run_folder import EVALUATION, write_json

    run_dir = Path(required(config, "run", "runs/brain/2026-01-31_12-00-00"))
    run_config = load_config(run_dir)
    if config.data_root is not None:
        run_config.data.module.dataset.root = config.data_root
    task, data = task_from_config(run_config), data_from_config(run_config)
    task.check_split(data, config.split)
    network = load(run_dir, config.checkpoint).to(choose_device(config.device))
    result = task.evaluate(network, data, config.split, config.checkpoint, run_dir)
    write_json(run_dir / EVALUATION, {"split": config.split, "checkpoint": config.checkpoint, **result})
    print(f"written: {run_dir / EVALUATION}")


def main() -> None:
    """Run the command."""
    run_command("evaluate", work)


if __name__ == "__main__":
    main()
