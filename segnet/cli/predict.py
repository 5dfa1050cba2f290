"""``segnet-predict``: masks and overlays for images, or enlarged images."""

from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command


def work(config: DictConfig) -> None:
    """Predict every image and write its pictures."""
    from rich.progress import track

    from segnet.build import data_from_config, load, task_from_config
    from segnet.config import load_config
    from segnet.devices import choose_device
    from segnet.inference.folder import find_images, predict_images

    run_dir = Path(required(config, "run", "runs/brain/2026-01-31_12-00-00"))
    source = Path(required(config, "input", "photos"))
    target = Path(required(config, "output", "masks"))
    names = find_images(source)
    run_config = load_config(run_dir)
    task, data = task_from_config(run_config), data_from_config(run_config)
    network = load(run_dir, config.checkpoint).to(choose_device(config.device))
    predicted = predict_images(network, task, data, names, target, config.opacity)
    for _ in track(predicted, description="predicting", total=len(names)):
        pass
    print(f"{len(names)} image{'s' if len(names) > 1 else ''} predicted: {target}")


def main() -> None:
    """Run the command."""
    run_command("predict", work)


if __name__ == "__main__":
    main()
