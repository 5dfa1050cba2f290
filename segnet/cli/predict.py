"""``segnet-predict``: masks and overlays for images, or enlarged images."""

from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command


def work(config: DictConfig) -> None:
    """Predict every image and write its pictures."""
    from rich.progress import track

    from segnet.build import data_from_config, load, load_config, task_from_config
    from segnet.data.images import find_images, read_image
    from segnet.inference import choose_device
    from segnet.reporting.pictures import write_picture

    run_dir = Path(required(config, "run", "runs/brain/2026-01-31_12-00-00"))
    source = Path(required(config, "input", "photos"))
    target = Path(required(config, "output", "masks"))
    names = find_images(source)
    run_config = load_config(run_dir)
    task, data = task_from_config(run_config), data_from_config(run_config)
    network = load(run_dir, config.checkpoint).to(choose_device(config.device))
    for path, name in track(names.items(), description="predicting", total=len(names)):
        image = read_image(path, data.channels)
        for folder, picture in task.pictures(network, data, image, config.opacity).items():
            write_picture(target / folder / name, picture)
    print(f"{len(names)} image{'s' if len(names) > 1 else ''} predicted: {target}")


def main() -> None:
    """Run the command."""
    run_command("predict", work)


if __name__ == "__main__":
    main()
