"""Compare whole training steps and whole epochs with segmentation_models.pytorch and with plain torch.

    python -m scripts.benchmarks.against_smp                        on the CPU, about 14 minutes on 2 cores
    python -m scripts.benchmarks.against_smp --device cuda          on a GPU
    python -m scripts.benchmarks.against_smp --architectures unet   one network only

Needs the extra: pip install -e '.[benchmark]'. CamVid is found through SEGNET_DATA; without it, drawn scenes of the
same size stand in.
"""

import argparse
import contextlib
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import segnet.tasks.segmentation.module  # noqa: F401  (or it would be imported late, and count as memory of the training)
from scripts.benchmarks.architectures import ARCHITECTURES, build_ours, enlarge_in_two_steps, largest_difference
from scripts.benchmarks.camvid_subset import CLASSES, write_subset
from scripts.benchmarks.recipe import Example, Options, fit, loaders
from scripts.benchmarks.record import check_device, parser, spread
from scripts.benchmarks.results import Record
from scripts.benchmarks.turns import EpochGate, Gate, Turn, measure_in_turns
from segnet.analysis import count_parameters
from segnet.devices import choose_precision

# A CPU gets crops, batches and epochs that it can finish in minutes, with as large a share of validation images as
# CamVid has; a GPU the example's own.
SIZES = {
    "cpu": {"crop": [192, 192], "batch": 4, "train": 96, "val": 24},
    "cuda": {"crop": [320, 320], "batch": 32, "train": 367, "val": 101},
}
TEST_IMAGES = 1
PACKAGES = ("segmentation-models-pytorch", "albumentations", "pytorch-lightning", "timm")
TITLE = "Training against segmentation_models.pytorch"
ABOUT = """\
The same network, by parameter count and by function, trained by `segnet-train` and by the CamVid example of
segmentation_models.pytorch (smp), rewritten in `scripts/benchmarks/recipe.py`: Lightning, float32, Adam, Dice loss, IoU
counts in every step, albumentations (noise, blur, perspective, CLAHE, ...), four loading processes. The script checks,
with the weights copied over, that both sides compute the same logits (column *difference*, relative, in float64).
SegNet is not in smp: there the other side is the network as one writes it with torch's own pooling and unpooling
(int64 pool indices), in the same training program.

- **as documented**: each side as it comes. segnet has bfloat16 where the device is fast in it, channels-last memory and
  its own lighter augmentation (one window, flip, brightness, contrast, saturation); smp as in its example.
- **equal**: the other side gets segnet's precision, the same augmentation in albumentations, cross-entropy in place of
  Dice, IoU counts in validation alone and segnet's number of loading processes; *channels last* besides.

A **step** is one call of the Lightning module's training step on a batch that is already in memory, backward pass and
optimiser step. An **epoch** is all of it: loading, augmenting, training, validation, checkpoint. Memory is the peak
above what the process held before it built its network (on a GPU: what torch allocated), each side in a process of its
own.

What is not equal: the two x4 enlargements of DeepLabv3+ are two times x2 with half-pixel centres in segnet and once x4
with aligned corners in smp (the difference is taken with smp's set to two times x2); Adam there, AdamW here; validation
images are padded to 480x384 there and are 480x360 here; loss and augmentation, where the row says *as documented*.
Where a processor has AVX512-BF16, torch's gradients of the weights of atrous depthwise convolutions are wrong in bf16,
channels last (`segnet/layers/grouped.py`): DeepLabv3+ there in *equal, channels last* takes the time that it takes, and
learns the worse for it.

Here: {data}, crops of {height}x{width}, batches of {batch}, an epoch of {train} training and {val} validation images;
segnet's precision is {precision}.
"""


def our_overrides(architecture: str, device: str, root: Path, size: Mapping[str, Any]) -> list[str]:
    """Return what `segnet-train` would be called with."""
    return [
        "data=camvid",
        *ARCHITECTURES[architecture].overrides,
        f"data.root={root}",
        f"data.augmentation.crop={list(size['crop'])}",
        f"data.batch_size={size['batch']}",
        f"data.eval_batch_size={size['batch']}",
        f"trainer={'gpu' if device == 'cuda' else 'cpu'}",
        "trainer.max_epochs=1000",
    ]


def our_epochs(gate: Gate, overrides: Sequence[str], folder: Path) -> None:
    """Train as `segnet-train` does, an epoch a turn."""
    from segnet.config import compose
    from segnet.training.run import train

    config = compose([*overrides, "+callbacks.gate={_target_: scripts.benchmarks.turns.EpochGate}"])
    gate.begin()
    with contextlib.suppress(SystemExit, KeyboardInterrupt):
        train(config, folder)


def our_steps(gate: Gate, overrides: Sequence[str], device: str) -> None:
    """Run training steps on one batch, one a turn."""
    from segnet.build import data_from_config, network_from_config, task_from_config
    from segnet.config import compose, instantiate
    from segnet.training.run import build_module

    config = compose(overrides)
    task, data = task_from_config(config), data_from_config(config)
    gate.begin()
    module = build_module(config, task, data, network_from_config(config)).to(device)
    images, labels = one_batch(config.data.batch_size, config.data.augmentation.crop, device)
    batch = {"image": images, "label": labels, "index": torch.arange(len(images))}
    optimizer = instantiate(config.optimizer)(module.parameters())
    run_steps(gate, module, batch, optimizer, choose_precision("auto", device), device)


def other_epochs(
    gate: Gate, architecture: str, device: str, root: Path, size: Mapping[str, Any], options: Options, folder: Path
) -> None:
    """Train as the example does, an epoch a turn."""
    module = Example(ARCHITECTURES[architecture].other(classes=CLASSES), options)
    data = loaders(root, tuple(size["crop"]), size["batch"], options)
    accelerator = "gpu" if device == "cuda" else "cpu"
    with contextlib.suppress(SystemExit, KeyboardInterrupt):
        fit(module, data, options, folder, accelerator=accelerator, devices=1, callbacks=[EpochGate()])


def other_steps(gate: Gate, architecture: str, device: str, size: Mapping[str, Any], options: Options) -> None:
    """Run training steps on one batch, one a turn."""
    module = Example(ARCHITECTURES[architecture].other(classes=CLASSES), options).to(device)
    optimizer = module.configure_optimizers()["optimizer"]
    run_steps(gate, module, one_batch(size["batch"], size["crop"], device), optimizer, options.precision, device)


def run_steps(
    gate: Gate, module: torch.nn.Module, batch: object, optimizer: torch.optim.Optimizer, precision: str, device: str
) -> None:
    """Train on one batch until there are no more turns."""
    warnings.filterwarnings("ignore", ".*self.trainer. reference is not registered.*")  # steps without a trainer
    module.train()
    while gate.wait():
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def one_batch(batch: int, crop: Sequence[int], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random images and labels, as the loaders give them."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, 3, *crop), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES + 1, (batch, *crop), generator=generator, dtype=torch.uint8)
    return images.to(device), labels.to(device)


def other_options(device: str, workers: int) -> dict[str, Options]:
    """Return the settings of the other side by name."""
    precision = choose_precision("auto", device)
    return {
        "as documented": Options(),
        "equal": Options(precision, light=True, workers=workers),
        "equal, channels last": Options(precision, channels_last=True, light=True, workers=workers),
    }


def compare(
    architecture: str, device: str, root: Path, size: Mapping[str, Any], repeats: Mapping[str, int], folder: Path
) -> list[dict[str, Any]]:
    """Measure one network: steps, then epochs; return the rows of the table."""
    from segnet.build import data_from_config
    from segnet.config import compose

    overrides = our_overrides(architecture, device, root, size)
    options = other_options(device, data_from_config(compose(overrides)).num_workers)
    steps = {"segnet": (our_steps, (overrides, device))} | {
        name: (other_steps, (architecture, device, size, chosen)) for name, chosen in options.items()
    }
    epochs = {"segnet": (our_epochs, (overrides, folder / architecture / "segnet"))} | {
        name: (other_epochs, (architecture, device, root, size, chosen, folder / architecture / name))
        for name, chosen in options.items()
        if name != "equal"
    }
    rows = []
    for what, programs, images in (("step", steps, size["batch"]), ("epoch", epochs, size["train"])):
        if repeats[what]:
            turns = measure_in_turns(programs, device, repeats[what], warmup=2 if what == "step" else 1)
            rows += rows_of(architecture, what, turns, images)
    return rows


def rows_of(architecture: str, what: str, turns: Mapping[str, Sequence[Turn]], images: int) -> list[dict[str, Any]]:
    """Return a row for each program; the ratios pair the turns, which ran one after the other."""
    ours = turns["segnet"]
    rows = []
    for name, measured in turns.items():
        same = name == "segnet"
        ratios = [other.seconds / mine.seconds for mine, other in zip(ours, measured, strict=True)]
        rows.append(
            {
                "table": f"{ARCHITECTURES[architecture].name}: one {what}",
                "program": "segnet" if same else f"{ARCHITECTURES[architecture].other_name}, {name}",
                "images a second": spread([images / turn.seconds for turn in measured]),
                "seconds": spread([turn.seconds for turn in measured]),
                "its time / ours": None if same else spread(ratios),
                "peak memory, MiB": max(turn.peak_mib for turn in measured),
            }
        )
    return rows


def sameness(architecture: str) -> dict[str, Any]:
    """Check that both forms have as many parameters and compute the same.

    Raises:
        RuntimeError: they do not.
    """
    chosen = ARCHITECTURES[architecture]
    ours, other = build_ours(chosen), chosen.other(classes=CLASSES)
    counts = count_parameters(ours), count_parameters(other)
    if architecture == "deeplabv3plus":
        enlarge_in_two_steps(other)
    difference = largest_difference(ours, other)
    if counts[0] != counts[1] or difference > 1e-10:
        raise RuntimeError(f"{architecture}: parameters {counts}, outputs differ by {difference:.1e}")
    return {
        "table": "What is compared",
        "network": chosen.name,
        "other side": chosen.other_name,
        "parameters, each": counts[0],
        "difference": f"{difference:.0e}",
    }


def main() -> None:
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=[*ARCHITECTURES])
    arguments_parser.add_argument("--crop", type=int, nargs=2, help="height and width")
    for name in ("batch", "train", "val"):
        arguments_parser.add_argument(f"--{name}", type=int, help="images a batch, an epoch, a validation")
    arguments_parser.add_argument("--steps", type=int, default=8, help="measured steps; 0: none")
    arguments_parser.add_argument("--epochs", type=int, default=2, help="measured epochs; 0: none")
    arguments = arguments_parser.parse_args()
    check_device(arguments_parser, arguments.device)
    given = {name: getattr(arguments, name) for name in ("crop", "batch", "train", "val")}
    size = SIZES[arguments.device] | {name: value for name, value in given.items() if value is not None}
    measure(arguments, size)


def measure(arguments: argparse.Namespace, size: Mapping[str, Any]) -> None:
    """Measure everything, and write the record after each network."""
    repeats = {"step": arguments.steps, "epoch": arguments.epochs}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "camvid"
        data = write_subset(root, {"train": size["train"], "val": size["val"], "test": TEST_IMAGES})
        height, width = size["crop"]
        precision = choose_precision("auto", arguments.device)
        about = ABOUT.format(**size, data=data, height=height, width=width, precision=precision)
        keys = ("table", "network", "program")
        record = Record(arguments.out, "against_smp", arguments.device, TITLE, about, keys, PACKAGES)
        for name in arguments.architectures:
            record.add(sameness(name))
        for name in arguments.architectures:
            for row in compare(name, arguments.device, root, size, repeats, Path(folder)):
                record.add(row)


if __name__ == "__main__":
    main()
