"""Small trainings whose numbers say whether the code still trains as its version says.

    python -m scripts.training_version          # compare with tests/training/training_version.json
    python -m scripts.training_version --write  # after raising TRAINING_VERSION in segnet/training/version.py

Between them the trainings go through every kind of upsampler, the augmentation, several losses, optimisers and
schedules. Each takes about a second; the numbers agree to five digits between processors and releases of torch.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from segnet.config import compose
from segnet.run_folder import HISTORY, read_history
from segnet.training.run import train
from segnet.training.version import TRAINING_VERSION

STORED = Path(__file__).parents[1] / "tests" / "training" / "training_version.json"
TOLERANCE = 1e-4
"""Relative; rounding leaves some 1e-6 after so few steps."""
COMMON = [
    *("data=shapes", "data.size=[24,32]", "data.images={train:8,val:3,test:1}", "data.batch_size=4"),
    *("data.num_workers=0", "encoder.widths=[4,8]", "encoder.depths=[1,1]", "trainer=cpu"),
    *("trainer.precision=32-true", "trainer.max_epochs=2", "logger=none", "optimizer.lr=0.01"),
]
AUGMENTATION = (
    "{scale:[0.7,1.4],horizontal_flip:0.5,rotation:10,brightness:0.4,contrast:0.3,saturation:0.3,hue:0.1,"
    "gamma:[0.7,1.5],paste:0.5,paste_classes:[1],crop:[16,24]}"
)
CASES = {
    "max_unpool": ["upsampler=max_unpool", f"data.augmentation={AUGMENTATION}"],
    "bed_of_nails": ["upsampler=bed_of_nails", "convolution=separable", "scheduler=one_cycle"],
    "transposed_conv": ["upsampler=transposed_conv", "context=aspp", "class_weights=enet", "optimizer=sgd"],
    "nearest": ["upsampler=nearest", "skip=concat", "loss=dice_ce", "callbacks=average"],
    "bilinear": ["upsampler=bilinear", "skip=add", "loss=lovasz", "scheduler=cosine"],
    "bicubic": ["upsampler=bicubic", "downsampling=strided", "loss=focal", "class_weights=median_frequency"],
    "pixel_shuffle": ["upsampler=pixel_shuffle", "convolution=atrous", "+trainer.accumulate_grad_batches=2"],
    "carafe": [
        "upsampler=carafe",
        "task=segmentation_auxiliary",
        "task.auxiliary.stride=2",
        "trainer.gradient_clip_val=0.5",
    ],
    "dysample": ["upsampler=dysample", "activation=silu", "loss=ohem", "trainer.gradient_clip_val=0.5"],
    "super_resolution": ["task=super_resolution", "upsampler=transposed_conv"],
}
Numbers = dict[str, list[float]]


def measure(case: str, folder: Path) -> list[float]:
    """Train a case in a new folder; return the training and validation losses of each epoch."""
    train(compose([*COMMON, *CASES[case]]), folder)
    return [float(row[column]) for row in read_history(folder / HISTORY) for column in ("train/loss", "val/loss")]


def differing(stored: Numbers, measured: Numbers) -> list[str]:
    """Name the cases whose numbers are not those stored, or that are stored nowhere."""

    def close(old: list[float], new: list[float]) -> bool:
        pairs = zip(old, new, strict=False)
        return len(old) == len(new) and all(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) for a, b in pairs)

    return [case for case, numbers in measured.items() if not close(stored.get(case, []), numbers)]


def read_stored() -> tuple[int, Numbers]:
    """Read the version that was stored last, and its numbers."""
    stored = json.loads(STORED.read_text()) if STORED.is_file() else {"training_version": 0, "losses": {}}
    return stored["training_version"], stored["losses"]


def main() -> None:
    """Run the command; the exit code is 1 where numbers differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    version, stored = read_stored()
    with tempfile.TemporaryDirectory() as folder:
        measured = {case: measure(case, Path(folder, case)) for case in CASES}
    changed = [case for case in differing(stored, measured) if case in stored]
    if changed and version == TRAINING_VERSION:
        sys.exit(
            f"{', '.join(changed)}: other losses than version {version} has; if that is meant, raise TRAINING_VERSION"
        )
    print(f"{len(measured) - len(changed)} trainings agree with those of version {version}")
    if write:
        STORED.write_text(json.dumps({"training_version": TRAINING_VERSION, "losses": measured}, indent=2) + "\n")
        print(f"written: {STORED}")


if __name__ == "__main__":
    main()
