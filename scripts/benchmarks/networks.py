"""Time a training step of whole networks in the plain form and with the exact cheaper forms.

    python scripts/benchmarks/networks.py                                   all on the CPU (about 5 minutes)
    python scripts/benchmarks/networks.py --device cuda --precision bf16-mixed --batch 8
    python scripts/benchmarks/networks.py --only unet                       these only; the others stay

Forward, cross-entropy and backward, in turns; multiplications and the memory kept for the backward pass beside it.
Writes docs/performance/networks-DEVICE.json.
"""

import argparse
import copy
from pathlib import Path

import torch
from results import Timing, update_rows

import segnet
from segnet.analysis import random_images, stage_costs
from segnet.analysis.profile import precision_context, training_workload
from segnet.layers import use_exact_rewrites

NETWORKS = {
    "encoder_decoder, bilinear": ["upsampler=bilinear"],
    "encoder_decoder, nearest": ["upsampler=nearest"],
    "encoder_decoder, bed_of_nails": ["upsampler=bed_of_nails"],
    "encoder_decoder, separable, nearest": ["upsampler=nearest", "convolution=separable"],
    "segnet, max_unpool": ["model=segnet"],
    "segnet, nearest": ["model=segnet", "upsampler=nearest"],
    "unet with ResNet-18, nearest": ["model=unet", "encoder=resnet18", "upsampler=nearest", "decoder.widths=null"],
    "unet with ResNet-18, bilinear": ["model=unet", "encoder=resnet18", "upsampler=bilinear", "decoder.widths=null"],
    "realtime, nearest": ["model=realtime", "upsampler=nearest"],
    "deeplabv3plus, bilinear": ["model=deeplabv3plus", "encoder=mobilenet_v3_large", "encoder.output_stride=16"],
}


def main() -> None:
    """Time the chosen networks and write them beside the others."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=(180, 240), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--contiguous", action="store_true", help="instead of channels_last")
    parser.add_argument("--only", default="", help="a part of the names to time")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, help="default: docs/performance/networks-DEVICE.json")
    options = parser.parse_args()
    layout = torch.contiguous_format if options.contiguous else torch.channels_last
    images = random_images(options.batch, 3, options.size).to(options.device, memory_format=layout)
    setting = {
        "precision": options.precision,
        "layout": "contiguous" if options.contiguous else "channels_last",
        "images": f"{options.batch}x{options.size[0]}x{options.size[1]}",
    }
    rows = []
    for name, overrides in NETWORKS.items():
        if options.only in name:
            exact = segnet.build_network(["data=camvid", *overrides]).to(options.device, memory_format=layout)
            rows.append({"network": name} | setting | measure(exact, images, options))
            print(rows[-1], flush=True)
    path = options.output or Path(__file__).parents[2] / f"docs/performance/networks-{options.device}.json"
    title = "Training step of whole networks: plain form against exact forms"
    update_rows(path, title, options.device, rows, keys=("network", *setting))


def measure(exact: torch.nn.Module, images: torch.Tensor, options: argparse.Namespace) -> dict[str, object]:
    """Count the work of both forms, and time them."""
    plain = use_exact_rewrites(copy.deepcopy(exact), False)
    row: dict[str, object] = {}
    forms: list[str] = []
    with precision_context(options.precision, images.device.type):
        for name, network in (("plain", plain), ("exact", exact)):
            costs = stage_costs(network, images)
            row[f"{name}_macs"] = sum(cost.macs for cost in costs)
            row[f"{name}_activation_bytes"] = sum(cost.activation_bytes for cost in costs)
            forms = [f"{cost.name}: {form}" for cost in costs for form in cost.forms]
    workloads = [training_workload(network, images, options.precision) for network in (plain, exact)]
    return row | Timing(*workloads, options.device, options.repeats, "; ".join(forms)).row


if __name__ == "__main__":
    main()
