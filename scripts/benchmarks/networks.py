"""Time a training step of whole networks in the plain form and with the exact cheaper forms.

    python -m scripts.benchmarks.networks                                   all on the CPU (about 5 minutes)
    python -m scripts.benchmarks.networks --device cuda --precisions bf16-mixed --batch 8
    python -m scripts.benchmarks.networks --only unet                       these only; the others stay

Forward, cross-entropy and backward, in turns; multiplications and the memory kept for the backward pass beside it.
Writes docs/performance/networks-DEVICE.json.
"""

import argparse
import copy

import torch

import segnet
from scripts.benchmarks.record import check_device, parser
from scripts.benchmarks.results import Record, time_pair
from segnet.analysis import random_images, stage_costs
from segnet.analysis.profile import precision_context, training_workload
from segnet.devices import choose_precision
from segnet.layers import use_exact_rewrites

ABOUT = """\
A training step (forward, cross-entropy, backward; no optimiser) of networks with 11 classes, `data=camvid`. MACs are
those of one forward pass, the memory is what is kept for the backward pass.
"""
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
    arguments = parser(__doc__)
    arguments.add_argument(
        "--precisions", nargs="+", choices=("32-true", "bf16-mixed"), help="32-true and what precision=auto comes to"
    )
    arguments.add_argument("--batch", type=int, default=2)
    arguments.add_argument("--size", type=int, nargs=2, default=(180, 240), metavar=("HEIGHT", "WIDTH"))
    arguments.add_argument("--contiguous", action="store_true", help="instead of channels_last")
    arguments.add_argument("--only", default="", help="a part of the names to time")
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    check_device(arguments, options.device)
    layout = torch.contiguous_format if options.contiguous else torch.channels_last
    images = random_images(options.batch, 3, options.size).to(options.device, memory_format=layout)
    shape = f"{options.batch}x{options.size[0]}x{options.size[1]}"
    layout_name = "contiguous" if options.contiguous else "channels_last"
    precisions = options.precisions or dict.fromkeys(["32-true", choose_precision("auto", options.device)])
    title = "Networks: plain form against exact form"
    record = Record(options.out, "networks", options.device, title, ABOUT, ("table", "network"))
    for precision in precisions:
        for name, overrides in NETWORKS.items():
            if options.only in name:
                exact = segnet.build_network(["data=camvid", *overrides]).to(options.device, memory_format=layout)
                row = {"table": f"{precision}, {layout_name}, images {shape}", "network": name}
                record.add(row | measure(exact, images, precision, options))


def measure(
    exact: torch.nn.Module, images: torch.Tensor, precision: str, options: argparse.Namespace
) -> dict[str, object]:
    """Count the work of both forms, and time them."""
    plain = use_exact_rewrites(copy.deepcopy(exact), False)
    row: dict[str, object] = {}
    forms: list[str] = []
    with precision_context(precision, images.device.type):
        for name, network in (("plain", plain), ("exact", exact)):
            costs = stage_costs(network, images)
            row[f"{name}, GMACs"] = sum(cost.macs for cost in costs) / 1e9
            row[f"{name}, MiB kept"] = sum(cost.activation_bytes for cost in costs) / 2**20
            forms = [f"{cost.name}: {form}" for cost in costs for form in cost.forms]
    workloads = [training_workload(network, images, precision) for network in (plain, exact)]
    return row | time_pair(*workloads, options.device, options.repeats, "; ".join(forms))


if __name__ == "__main__":
    main()
