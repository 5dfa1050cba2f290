"""Compare predicting a folder of photographs with a plain loop over segmentation_models.pytorch.

    python -m scripts.benchmarks.predict_against_smp                     on the CPU, about 3 minutes on 2 cores
    python -m scripts.benchmarks.predict_against_smp --device cuda       on a GPU

Needs the extra: pip install -e '.[benchmark]'. CamVid is found through SEGNET_DATA; without it, drawn scenes of the
same size stand in.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from scripts.benchmarks.architectures import ARCHITECTURES, build_ours, copy_weights
from scripts.benchmarks.camvid_subset import CLASSES, MEAN, STD, write_subset
from scripts.benchmarks.record import check_device, parser, spread
from scripts.benchmarks.results import Record
from scripts.benchmarks.turns import Gate, Turn, measure_in_turns
from segnet.devices import choose_precision

NETWORK = ARCHITECTURES["unet"]
KINDS = ("index", "colour", "overlay")
PACKAGES = ("segmentation-models-pytorch", "pillow")
TITLE = "Prediction against segmentation_models.pytorch"
ABOUT = """\
A folder of {images} photographs of 480x360 ({data}) becomes index masks, colour masks and overlays, all PNG, by the
same U-Net with a ResNet-18, with the same weights. segnet is `segnet.inference.pipeline.predict_files`, which is what
`segnet-predict` calls: it reads and writes in threads, batches images of one size, folds nothing and picks the
precision ({precision}). The other side is a loop as one writes it with segmentation_models.pytorch (smp): read an
image, normalise and pad it, run the network in `inference_mode`, take the largest logit, write the three files.

- **plain loop**: float32, one image after the other.
- **equal precision**: segnet's precision and memory layout in the same loop.
- **equal precision, batches**: eight images at once besides.

A turn is the whole folder. The masks are compared before: in float32 both sides give {agreement} of the pixels the same
class (smp pads to multiples of 32 with zeros, segnet pads inside the network).
"""


def trained_pair() -> tuple[nn.Module, nn.Module]:
    """Return our network and smp's with the same weights, made up, in evaluation mode."""
    torch.manual_seed(0)
    ours, other = build_ours(NETWORK), NETWORK.other(classes=CLASSES)
    copy_weights(other, ours)
    return ours.eval(), other.eval()


def our_folder(gate: Gate, source: Path, output: Path, device: str, precision: str = "auto") -> None:
    """Predict the folder as `segnet-predict` does, once a turn."""
    from segnet.build import facts_from_config, task_from_config
    from segnet.config import compose
    from segnet.inference.files import find_images
    from segnet.inference.model import Model
    from segnet.inference.pipeline import predict_files
    from segnet.inference.runner import Runner

    config = compose(["data=camvid", *NETWORK.overrides])
    facts = facts_from_config(config)
    network = trained_pair()[0].to(device, memory_format=torch.channels_last)  # as a run is loaded
    model = Model(network, task_from_config(config), facts, Runner(network, facts.channels, precision))
    names = find_images(source, output)
    gate.begin()
    while gate.wait():
        for outcome in predict_files(model, names, output, KINDS):
            assert outcome.error is None, outcome


def other_folder(
    gate: Gate, source: Path, output: Path, device: str, precision: str = "32-true", batch: int = 1
) -> None:
    """Predict the folder in a loop, once a turn."""
    network = trained_pair()[1].to(device)
    is_mixed = precision == "bf16-mixed"
    if is_mixed:
        network = network.to(memory_format=torch.channels_last)
    paths = sorted(source.iterdir())
    for kind in KINDS:
        (output / kind).mkdir(parents=True, exist_ok=True)
    gate.begin()
    while gate.wait():
        for start in range(0, len(paths), batch):
            chosen = paths[start : start + batch]
            images = [np.asarray(Image.open(path).convert("RGB")) for path in chosen]
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=is_mixed):
                classes = network(prepared(images, is_mixed).to(device)).argmax(1).to(torch.uint8).cpu().numpy()
            for path, image, found in zip(chosen, images, classes, strict=True):
                write(output, path.stem, image, found[: image.shape[0], : image.shape[1]])


def prepared(images: Sequence[np.ndarray], channels_last: bool) -> torch.Tensor:
    """Stack, scale, normalise and pad images to multiples of 32, as the network of smp wants them."""
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    batch = (batch - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    height, width = batch.shape[-2:]
    padded = nn.functional.pad(batch, (0, -width % 32, 0, -height % 32))
    return padded.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def write(output: Path, name: str, image: np.ndarray, classes: np.ndarray) -> None:
    """Write the three files of one image."""
    palette = np.linspace(0, 255, 3 * CLASSES, dtype=np.uint8).reshape(CLASSES, 3)
    colours = palette[classes]
    overlay = (image * 0.5 + colours * 0.5).astype(np.uint8)
    for kind, pixels in zip(KINDS, (classes, colours, overlay), strict=True):
        Image.fromarray(pixels).save(output / kind / f"{name}.png")


class Once:
    """Stands for a gate where one turn is enough."""

    def __init__(self) -> None:
        self.turns = 1

    def begin(self) -> None:
        """Measure nothing."""

    def wait(self) -> bool:
        """Say whether there is a turn left."""
        self.turns -= 1
        return self.turns >= 0


def agreement(source: Path, folder: Path, device: str) -> float:
    """Return the share of pixels that both sides give the same class in float32."""
    our_folder(Once(), source, folder / "ours", device, "32-true")
    other_folder(Once(), source, folder / "other", device)
    files = sorted((folder / "ours/index").iterdir())
    same = [
        np.asarray(Image.open(file)) == np.asarray(Image.open(folder / "other/index" / file.name)) for file in files
    ]
    return float(np.mean(same))


def programs(source: Path, folder: Path, device: str) -> dict[str, tuple[Callable[..., None], tuple[Any, ...]]]:
    """Return what is measured, by name."""
    precision = choose_precision("auto", device)
    return {
        "segnet": (our_folder, (source, folder / "a", device)),
        "smp, plain loop": (other_folder, (source, folder / "b", device)),
        "smp, equal precision": (other_folder, (source, folder / "c", device, precision)),
        "smp, equal precision, batches": (other_folder, (source, folder / "d", device, precision, 8)),
    }


def rows(turns: dict[str, list[Turn]], images: int) -> list[dict[str, Any]]:
    """Return a row for each program; the ratios pair the turns, which ran one after the other."""
    ours = turns["segnet"]
    return [
        {
            "program": name,
            "images a second": spread([images / turn.seconds for turn in measured]),
            "its time / ours": None
            if measured is ours
            else spread([other.seconds / mine.seconds for mine, other in zip(ours, measured, strict=True)]),
            "peak memory, MiB": max(turn.peak_mib for turn in measured),
        }
        for name, measured in turns.items()
    ]


def main() -> None:
    """Measure and write the record."""
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--images", type=int, default=48, help="of the folder (default: %(default)s)")
    arguments_parser.add_argument("--repeats", type=int, default=5, help="measured turns (default: %(default)s)")
    arguments = arguments_parser.parse_args()
    device = arguments.device
    check_device(arguments_parser, device)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "camvid"
        data = write_subset(root, {"train": 1, "val": 1, "test": arguments.images})
        source = root / "test"
        share = agreement(source, Path(name), device)
        turns = measure_in_turns(programs(source, Path(name), device), device, arguments.repeats)
        precision = choose_precision("auto", device)
        about = ABOUT.format(images=arguments.images, data=data, precision=precision, agreement=f"{share:.2%}")
        record = Record(arguments.out, "predict_against_smp", device, TITLE, about, ("program",), PACKAGES)
        for row in rows(turns, arguments.images):
            record.add(row)


if __name__ == "__main__":
    main()
