"""``segnet-predict``: masks and overlays for images or a video, or enlarged ones."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command
from segnet.errors import UserError, require

if TYPE_CHECKING:
    from segnet.inference.predictor import Predictor

STDIN, STDIN_NAME = "-", "stdin"


def work(config: DictConfig) -> None:
    """Predict every image, or every frame, and write its files."""
    run = required(config, "run", "runs/brain/2026-01-31_12-00-00")
    source, output = required(config, "input", "photos"), Path(required(config, "output", "masks"))
    from segnet.inference.video import check_av, is_video

    require(0 <= config.opacity <= 1, "opacity", config.opacity, "a number from 0 to 1")
    if is_video(Path(source)) and Path(source).is_file():
        check_av()
        _predict_video(config, run, Path(source), output)
        return
    if source != STDIN:
        _predict_images(config, run, Path(source), output)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, STDIN_NAME)
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        _predict_images(config, run, path, output)


def _load(config: DictConfig, run: str) -> "Predictor":
    from segnet.inference.load import load_predictor

    how = (config.checkpoint, config.device, config.precision, config.memory_gib, config.flips)
    return load_predictor(run, *how, scales=list(config.scales))


def _predict_images(config: DictConfig, run: str, source: Path, output: Path) -> None:
    from segnet.inference.files import find_images

    names: Mapping[Path, str] = find_images(source, output)  # before torch is imported

    from rich.progress import track

    from segnet.inference.pipeline import predict_files

    model = _load(config, run)
    write = None if config.write is None else list(config.write)
    outcomes = predict_files(model, names, output, write, config.opacity, config.max_pixels, config.skip_existing)
    done = list(track(outcomes, description="predicting", total=len(names)))
    skipped = sum(outcome.is_skipped for outcome in done)
    failed = [outcome for outcome in done if outcome.error is not None]
    count = len(done) - skipped - len(failed)
    were_there = f", {skipped} there already" if skipped else ""
    print(f"{count} image{'' if count == 1 else 's'} predicted{were_there}: {output}")
    for outcome in failed:
        shown = str(outcome.error)
        if config.input == STDIN:
            shown = shown.replace(str(outcome.path), "from the standard input")
        print(f"segnet-predict: {shown}", file=sys.stderr)
    if failed:
        raise UserError(f"{len(failed)} of {len(names)} files could not be read, and have no results")


def _predict_video(config: DictConfig, run: str, source: Path, output: Path) -> None:
    import time

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from segnet.inference.video import frame_count, predict_video, video_files

    total = frame_count(source)
    model = _load(config, run)
    write = None if config.write is None else list(config.write)
    files = video_files(source, output, write, "overlay" not in model.kinds(None))
    if config.skip_existing and all(path.is_file() for path in files.values()):
        print(f"there already: {', '.join(map(str, files.values()))}")
        return
    done, begun = 0, time.perf_counter()
    speed = TextColumn("{task.fields[speed]:.1f} frames per second")
    with Progress(*("predicting", BarColumn(), MofNCompleteColumn(), speed, TimeRemainingColumn())) as bar:
        task = bar.add_task("predicting", total=total, speed=0.0)
        for done in predict_video(model, source, output, write, config.opacity, config.max_pixels):
            bar.update(task, completed=done, speed=done / (time.perf_counter() - begun))
    seconds = time.perf_counter() - begun
    print(f"{done} frames predicted, {done / seconds:.1f} per second: {', '.join(map(str, files.values()))}")


def main() -> None:
    """Run the command."""
    run_command("predict", work)


if __name__ == "__main__":
    main()
