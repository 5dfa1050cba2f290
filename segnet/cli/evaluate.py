"""``segnet-evaluate``: score a run on a split."""

from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command


def work(config: DictConfig) -> None:
    """Score, print the table and write ``evaluation.json``."""
    from segnet.cli.score_table import print_table
    from segnet.inference.scoring import score_run
    from segnet.run_folder import EVALUATION, EVALUATION_SCORES, write_json

    run_dir = Path(required(config, "run", "runs/brain/2026-01-31_12-00-00"))
    result = score_run(run_dir, config.split, config.checkpoint, config.device, config.data_root)
    print_table(result.table)
    if result.image_counts is not None:
        result.image_counts.write(run_dir / EVALUATION_SCORES)
    write_json(
        run_dir / EVALUATION,
        {"split": config.split, "checkpoint": config.checkpoint, **result.scores, **result.details},
    )
    print(f"written: {run_dir / EVALUATION}")


def main() -> None:
    """Run the command."""
    run_command("evaluate", work)


if __name__ == "__main__":
    main()
