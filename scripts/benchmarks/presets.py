"""Measure which share of a training step each preset of the augmentation takes; the goal for ``standard`` is 10%.

    python -m scripts.benchmarks.presets                   on the CPU, CamVid by experiment=camvid_cpu at its full size
    python -m scripts.benchmarks.presets --device cuda     on a GPU, CamVid with a U-Net

CamVid is found through SEGNET_DATA. Nothing is written: the table is printed.
"""

import tempfile
from collections.abc import Sequence

import torch

from scripts.benchmarks.input_pipeline import endless, training_step
from scripts.benchmarks.record import check_device, parser
from segnet.analysis.latency import measure_latencies
from segnet.build import data_from_config
from segnet.config import compose

PRESETS = ("none", "light", "standard", "strong")
RECIPES = {
    "cpu": ["experiment=camvid_cpu", "data.progression=null"],
    "cuda": ["data=camvid", "model=unet"],
}


def measure(overrides: Sequence[str], device: torch.device, repeats: int) -> dict[str, float]:
    """Return the median milliseconds of augmenting a batch and of the step that learns from it."""
    with tempfile.TemporaryDirectory() as folder:
        config = compose([*overrides, f"data.cache_dir={folder}", "data.num_workers=0"])
        data = data_from_config(config)
        step, _ = training_step(config, data, device)
        stream = endless(data, device.type == "cuda")
        loaded = next(stream).to(device)
        augmented = loaded.augment()
        # A new batch in each turn, for what is drawn decides how long it takes.
        workloads = {
            "augmenting": lambda: next(stream).to(device).augment(),
            "step": lambda: step(augmented),
        }
        times = measure_latencies(workloads, device, repeats)
    return {name: time.median for name, time in times.items()}


def main() -> None:
    """Measure each preset and print a table."""
    arguments = parser(__doc__)
    arguments.add_argument("--repeats", type=int, default=12, help="measured turns (default: %(default)s)")
    options = arguments.parse_args()
    check_device(arguments, options.device)
    print("| preset | loading and augmenting, ms | step, ms | share |\n|---|---|---|---|")
    for preset in PRESETS:
        overrides = [*RECIPES[options.device], f"augmentation={preset}"]
        found = measure(overrides, torch.device(options.device), options.repeats)
        share = found["augmenting"] / sum(found.values())
        print(f"| {preset} | {found['augmenting']:.1f} | {found['step']:.1f} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
