"""``segnet-evaluate``: score a run on a split."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from segnet.cli.entry import required, run_command
from segnet.errors import require

if TYPE_CHECKING:
    from segnet.data.samples import Batch
    from segnet.training.task import SplitResult


def work(config: DictConfig) -> None:
    """Score, print the table and write the results."""
    given = required(config, "run", "runs/brain/2026-01-31_12-00-00")
    require(config.worst >= 0, "worst", config.worst, "a number of images from 0 up")
    require(config.resamples >= 0, "resamples", config.resamples, "a number from 0 up")
    from segnet.cli.score_table import print_table
    from segnet.config import load_config
    from segnet.inference.files import prepare_folder
    from segnet.inference.passes import check_scales, described
    from segnet.inference.scoring import evaluate_run
    from segnet.pretrained import is_shared, locate
    from segnet.training.task import EvaluationRequest

    run_dir = locate(given)
    scales = check_scales(list(config.scales))
    name = load_config(run_dir).data.name
    # What comes with the package, or lies in the hub's cache, is nobody's place to write.
    folder = Path(config.output or (Path("evaluation", run_dir.name) if is_shared(given) else run_dir))
    prepare_folder(folder)
    facts = {
        "run": run_dir.absolute().name,
        "data": str(name if config.get("data") is None else config.data.name),
        "split": config.split,
        "checkpoint": config.checkpoint,
        "averaged": described(config.flips, scales),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }
    other_data = None if config.get("data") is None else _own_scale(config)
    result = evaluate_run(
        run_dir,
        config.split,
        EvaluationRequest(facts, config.worst, config.resamples, _bar),
        config.checkpoint,
        config.device,
        config.data_root,
        other_data,
        config.flips,
        scales,
    )
    print_table(result.table)
    _write(folder, facts, result)


def _own_scale(config: DictConfig) -> DictConfig:
    """Forget the scale of another data set, unless the command line gives it: images are seen as in training."""
    given = any(text.lstrip("+").startswith("data.scale=") for text in HydraConfig.get().overrides.task)
    if not given:
        config.data.scale = None
    return config


def _bar(batches: Iterable["Batch"], number: int) -> Iterable["Batch"]:
    from rich.progress import track

    return track(batches, "evaluating", number, transient=True, disable=not sys.stdout.isatty())


def _write(folder: Path, facts: dict[str, str], result: "SplitResult") -> None:
    """Write all results, or none of them."""
    from segnet.run_folder import EVALUATION, EVALUATION_SCORES, to_json, write_together

    values = {
        "split": facts["split"],
        "checkpoint": facts["checkpoint"],
        **result.scores,
        "data": facts["data"] or None,
        "averaged": facts["averaged"] or None,
        **result.details,
    }
    files: dict[str, str | bytes] = {EVALUATION: to_json(values), **result.files}
    if result.image_counts is not None:
        files[EVALUATION_SCORES] = result.image_counts.to_bytes()
    write_together({folder / name: content for name, content in files.items()})
    for name in files:
        if name != EVALUATION_SCORES:
            print(f"written: {folder / name}")


def main() -> None:
    """Run the command."""
    run_command("evaluate", work)


if __name__ == "__main__":
    main()
