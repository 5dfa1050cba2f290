"""``segnet-profile``: what a network costs and sees, alone or beside others."""

import json
import re
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from segnet.cli.entry import run_command
from segnet.errors import UserError

if TYPE_CHECKING:
    import torch

    from segnet.analysis.profile import Profile

OWN_SETTINGS = ("output", "compare")
"""What belongs to the command as a whole, and not to one network of a comparison."""


def split_overrides(entry: str) -> list[str]:
    """Split an entry of ``compare`` at commas and spaces that stand outside brackets and quotes.

    Example:
        ``"model=unet, encoder.widths=[16,32]"`` becomes ``["model=unet", "encoder.widths=[16,32]"]``.
    """
    parts, depth, quote = [""], 0, ""
    for character in entry:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        depth += (character in "[{(") - (character in "]})") if not quote else 0
        if character in ", " and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part]


def work(config: DictConfig) -> None:
    """Profile and report."""
    from pathlib import Path

    from hydra.core.hydra_config import HydraConfig

    from segnet.devices import choose_device

    given = [text for text in HydraConfig.get().overrides.task if not _is_own(text)]
    configs = _configs(config, given)
    device = choose_device(config.device)
    profiles, setting = _profile_all(configs, config, device)
    _print(profiles, setting, config.modules)
    folder = Path(config.output)
    _save(profiles, setting, configs, given, folder)
    print(f"saved: {folder / 'profile.json'}, {folder / 'profile.png'}")


def _is_own(override: str) -> bool:
    key = re.split("=", override.lstrip("+~"), maxsplit=1)[0]
    return key in OWN_SETTINGS


def _configs(config: DictConfig, given: list[str]) -> dict[str, DictConfig]:
    """Compose one config for each entry of ``compare``: the command line's overrides, then the entry's."""
    from segnet.config import compose

    if config.compare is None:
        return {config.name: config}
    if isinstance(config.compare, str) or not OmegaConf.is_list(config.compare) or not len(config.compare):
        raise UserError(
            'compare takes a list of overrides in quotes, as in \'compare=["upsampler=nearest","upsampler=bilinear"]\''
        )
    entries = [str(entry) for entry in config.compare]
    repeated = [entry for entry in entries if entries.count(entry) > 1]
    if repeated:
        raise UserError(f'compare names "{repeated[0]}" twice: leave one out')
    for override in (override for entry in entries for override in split_overrides(entry)):
        if "=" not in override:
            raise UserError(f'compare takes overrides such as "upsampler=nearest": "{override}" sets nothing')
    return {entry: compose([*given, *split_overrides(entry)], "profile") for entry in entries}


def _image_size(config: DictConfig) -> tuple[int, int]:
    size = config.image_size or OmegaConf.select(config, "data.augmentation.crop") or (256, 256)
    if isinstance(size, int) or len(size) != 2 or min(size) < 1:
        raise UserError(f"image_size={size} is no height and width: give two numbers, as in image_size=[360,480]")
    return int(size[0]), int(size[1])


def _profile_all(
    configs: dict[str, DictConfig], config: DictConfig, device: "torch.device"
) -> tuple[list["Profile"], dict[str, Any]]:
    import copy
    import dataclasses

    import torch

    from segnet.analysis.effective_field import random_images, warn_if_beyond_crop
    from segnet.analysis.latency import describe_device, measure_latencies
    from segnet.analysis.profile import inference_workload, profile_network, training_workload
    from segnet.build import network_from_config
    from segnet.devices import choose_precision
    from segnet.layers import use_exact_rewrites

    size = _image_size(config)
    precision = choose_precision(str(config.precision), device.type)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    profiles, workloads = [], {}
    for name, one in configs.items():
        network = network_from_config(one).to(device, memory_format=layout)
        images = random_images(config.batch_size, one.data.channels, size).to(device, memory_format=layout)
        probes = random_images(config.probes, one.data.channels, size).to(device)
        plain = use_exact_rewrites(copy.deepcopy(network), False)
        profiles.append(profile_network(name, network, images, probes, precision, plain))
        workloads[name, "inference"] = inference_workload(network, images, precision)
        if config.training:
            workloads[name, "training step"] = training_workload(network, images, precision)
        crop = OmegaConf.select(one, "data.augmentation.crop")
        warning = warn_if_beyond_crop(network, tuple(crop), profiles[-1].fields) if crop else None
        if warning:
            print(f"note: {name}: {warning}")
    latencies = measure_latencies(workloads, device, config.repeats)
    profiles = [
        dataclasses.replace(
            profile, latencies={task: value for (name, task), value in latencies.items() if name == profile.name}
        )
        for profile in profiles
    ]
    setting = {"batch_size": config.batch_size, "image_size": list(size), "precision": precision}
    return profiles, setting | {"channels_last": config.channels_last} | describe_device(device)


def _print(profiles: list["Profile"], setting: dict[str, Any], modules: bool) -> None:
    from segnet.analysis.profile_report import print_comparison, print_profile

    height, width = setting["image_size"]
    line = f"{setting['batch_size']} x {height}x{width} px, {setting['precision']}, {setting['device_name']}"
    if setting["device"] == "cpu":
        line += f", {setting['threads']} threads" if setting["threads"] > 1 else ", 1 thread"
    if len(profiles) > 1:
        print_comparison(profiles, line)
    else:
        print_profile(profiles[0], line, modules)


def _save(
    profiles: list["Profile"], setting: dict[str, Any], configs: dict[str, DictConfig], given: list[str], folder: Any
) -> None:
    from segnet.analysis.profile_report import save_profile_figure
    from segnet.run_folder import write_whole

    content = {"setting": setting, "overrides": given, "profiles": [profile.as_dict() for profile in profiles]}
    write_whole(folder / "profile.json", json.dumps(content, indent=2) + "\n")
    save_profile_figure(folder / "profile.png", profiles)


def main() -> None:
    """Run the command."""
    run_command("profile", work)


if __name__ == "__main__":
    main()
