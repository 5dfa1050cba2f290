"""The networks that the shipped configs can be put together to: the parts are found, not listed."""

import itertools
import random

from segnet.config import config_dir

LARGE = {
    "convnext_tiny",
    "efficientnet_b0",
    "mobilenet_v3_large",
    "resnet34",
    "resnet50",
    "resnet101",
    "vgg16_bn",
}
PLAIN = ["encoder.widths=[4,8,12]"]
SMALL = {"plain": PLAIN, "timm": ["encoder.name=mobilenetv3_small_050"]}  # makes a large encoder small
BACKBONES = {"mobilenet_v3_small", "resnet18", "timm"}  # the small ones whose own way down pools no 2x2
DECODERS = {  # the forms of the decoder that the presets have, and what they want of the plain encoder
    "mirror": PLAIN,
    "segnet": [
        *("encoder.widths=[4,4,8,8,12,12]", "encoder.depths=[1,1,1,1,1,0]"),
        *("decoder.depths={16:3,8:3,4:3,2:2,1:1}", "decoder.change_last=true"),
    ],
    "segnet_basic": [*PLAIN, "decoder.kernel_size=7", "decoder.activation={_target_:torch.nn.Identity,_partial_:true}"],
    "unet": [
        *("encoder.widths=[4,4,8,8,12]", "encoder.depths=[1,1,1,1,1]"),
        *("decoder.depths=2", "decoder.widths={8:8,4:8,2:4,1:4}"),
    ],
    "deeplabv3plus": [
        *("encoder.widths=[4,8,8,12]", "encoder.depths=[1,1,1,1]"),
        *("decoder.depths={4:2}", "decoder.widths={4:12}", "decoder.skip_strides=[4]"),
    ],
    "unet_resnet18": [
        *("encoder.widths=[4,4,8,8,12,12]", "encoder.depths=[1,1,1,1,1,0]"),
        *("decoder.depths=2", "decoder.widths={16:8,8:8,4:8,2:4,1:4}", "decoder.project=false"),
    ],
}


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))


def cover_pairs(factors: dict[str, list[str]]) -> list[dict[str, str]]:
    """Choose combinations greedily until each two values of two factors have met."""
    random_state = random.Random(0)
    left = {((a, x), (b, y)) for a, b in itertools.combinations(factors, 2) for x in factors[a] for y in factors[b]}
    combinations = []
    while left:
        (a, x), (b, y) = min(left)
        fixed = {a: x, b: y}
        candidates = [
            {name: fixed.get(name, random_state.choice(values)) for name, values in factors.items()} for _ in range(30)
        ]
        best = max(candidates, key=lambda chosen: len(left & pairs_of(chosen)))
        combinations.append(best)
        left -= pairs_of(best)
    return combinations


def pairs_of(combination: dict[str, str]) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    return set(itertools.combinations(combination.items(), 2))


PARTS = {group: choices(group) for group in ("downsampling", "context", "skip", "upsampler")} | {
    "decoder": list(DECODERS)
}
COMBINATIONS = cover_pairs(PARTS)


def overrides_of(combination: dict[str, str]) -> list[str]:
    groups = [f"{group}={choice}" for group, choice in combination.items() if group != "decoder"]
    small = DECODERS[combination["decoder"]]
    needs_width = combination["skip"] == "add" or combination["upsampler"] == "max_unpool"
    if combination["decoder"] == "unet_resnet18" and needs_width:  # it leaves out what brings the channels to it
        small = [*small, "decoder.project=true"]
    return ["data=shapes", "encoder=plain", *small, *groups]


def is_refused(combination: dict[str, str]) -> bool:
    return combination["upsampler"] == "max_unpool" and combination["downsampling"] != "max_pool"


def name_of(combination: dict[str, str]) -> str:
    return "-".join(combination.values())


LARGE_PRESETS = {"deeplabv3plus", "unet_resnet18"}
PRESETS = sorted(set(choices("model")) - {"encoder_decoder"})
SMALL_PRESETS = {
    "segnet": ["encoder.widths=[4,4,8,8,12,12]"],
    "segnet_basic": ["encoder.widths=[4,4,4,4,4]"],
    "unet": ["encoder.widths=[4,4,8,8,12]", "decoder.widths={8:8,4:8,2:4,1:4}"],
    "realtime": ["encoder.widths=[4,4,8,12]"],
    "lmffnet": ["encoder.widths=[4,8,8]"],
    "fullres": ["encoder.widths=[4]"],
    "deeplabv3plus": ["encoder=mobilenet_v3_small", "context.out_channels=8", "decoder.widths={4:8}"],
}


def small_preset(name: str) -> list[str]:
    return ["data=shapes", f"model={name}", *SMALL_PRESETS.get(name, [])]
