"""``segnet-predict``: masks and overlays for images."""

from pathlib import Path

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command


def work(config: DictConfig) -> None:
    """Predict every image and write its three pictures."""
    from rich.progress import track

    from segnet.build import data_from_config, load, load_config
    from segnet.data.images import find_images, read_image
    from segnet.inference import choose_device, predict_image
    from segnet.reporting.pictures import colourise, overlay, write_picture

    run_dir = Path(required(config, "run", "runs/brain/2026-01-31_12-00-00"))
    source = Path(required(config, "input", "photos"))
    target = Path(required(config, "output", "masks"))
    names = find_images(source)
    data = data_from_config(load_config(run_dir))
    network = load(run_dir, config.checkpoint).to(choose_device(config.device))
    for path, name in track(names.items(), description="predicting", total=len(names)):
        image = read_image(path, data.channels)
        classes = predict_image(network, image, data.scale)
        colours = colourise(classes, data.colours)
        write_picture(target / "index" / name, classes)
        write_picture(target / "colour" / name, colours)
        write_picture(target / "overlay" / name, overlay(image, colours, config.opacity))
    print(f"{len(names)} image{'s' if len(names) > 1 else ''} predicted: {target}")


def main() -> None:
    """Run the command."""
    run_command("predict", work)


if __name__ == "__main__":
    main()
