"""``segnet-predict``: masks and overlays for images, or enlarged images."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command


def work(config: DictConfig) -> None:
    """Predict every image and write its files."""
    run = required(config, "run", "runs/brain/2026-01-31_12-00-00")
    source = Path(required(config, "input", "photos"))
    output = Path(required(config, "output", "masks"))
    from segnet.inference.files import find_images

    names = find_images(source, output)  # before torch is imported

    from rich.progress import track

    from segnet.errors import UserError, require
    from segnet.inference.load import load_predictor
    from segnet.inference.pipeline import predict_files

    require(0 <= config.opacity <= 1, "opacity", config.opacity, "a number from 0 to 1")
    model = load_predictor(
        *(run, config.checkpoint, config.device, config.precision, config.memory_gib, config.flips),
        scales=list(config.scales),
    )
    write = None if config.write is None else list(config.write)
    outcomes = predict_files(model, names, output, write, config.opacity, config.max_pixels, config.skip_existing)
    done = list(track(outcomes, description="predicting", total=len(names)))
    skipped = sum(outcome.is_skipped for outcome in done)
    failed = [outcome for outcome in done if outcome.error is not None]
    count = len(done) - skipped - len(failed)
    were_there = f", {skipped} there already" if skipped else ""
    print(f"{count} image{'' if count == 1 else 's'} predicted{were_there}: {output}")
    for outcome in failed:
        print(f"segnet-predict: {outcome.error}", file=sys.stderr)
    if failed:
        raise UserError(f"{len(failed)} of {len(names)} files could not be read, and have no results")


def main() -> None:
    """Run the command."""
    run_command("predict", work)


if __name__ == "__main__":
    main()
