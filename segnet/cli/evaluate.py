"""``segnet-evaluate``: score a run on a split."""

from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command


def work(config: DictConfig) -> None:
    """Score, print the table and write ``evaluation.json``."""
    from segnet.cli.score_table import print_table
    from segnet.inference.scoring import score_run
    from segnet.pretrained import is_shared, locate
    from segnet.run_folder import EVALUATION, EVALUATION_SCORES, write_json

    given = required(config, "run", "runs/brain/2026-01-31_12-00-00")
    run_dir = locate(given)
    # What comes with the package, or lies in the hub's cache, is nobody's place to write.
    folder = Path("evaluation", run_dir.name) if is_shared(given) else run_dir
    result = score_run(run_dir, config.split, config.checkpoint, config.device, config.data_root)
    print_table(result.table)
    if result.image_counts is not None:
        result.image_counts.write(folder / EVALUATION_SCORES)
    write_json(
        folder / EVALUATION,
        {"split": config.split, "checkpoint": config.checkpoint, **result.scores, **result.details},
    )
    print(f"written: {folder / EVALUATION}")


def main() -> None:
    """Run the command."""
    run_command("evaluate", work)


if __name__ == "__main__":
    main()
