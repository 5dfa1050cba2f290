"""``segnet-profile``: what a network costs and sees, alone or beside others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from segnet.cli.entry import run_command
from segnet.errors import UserError

if TYPE_CHECKING:
    import torch

    from segnet.analysis.latency import DeviceDescription
    from segnet.analysis.profile import Profile

    class Setting(DeviceDescription):
        """What the figures of a profile hold for."""

        batch_size: int
        image_size: list[int]
        precision: str
        channels_last: bool


OWN_SETTINGS = ("output", "compare")
"""What belongs to the command as a whole, and not to one network of a comparison."""


def work(config: DictConfig) -> None:
    """Profile and report."""
    from hydra.core.hydra_config import HydraConfig

    from segnet.devices import choose_device
    from segnet.inference.files import prepare_folder

    given = [text for text in HydraConfig.get().overrides.task if not _is_own(text)]
    configs = _configs(config, given)
    device = choose_device(config.device)
    folder = Path(config.output)
    prepare_folder(folder)
    profiles, setting = _profile_all(configs, config, device)
    _print(profiles, setting, config.modules)
    _save(profiles, setting, given, folder)
    print(f"saved: {folder / 'profile.json'}, {folder / 'profile.png'}")


def _is_own(override: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(override).key_or_group in OWN_SETTINGS


def _is_one_override(text: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return not OverridesParser.create().parse_override(text).is_sweep_override()
    except HydraException:
        return False


def _configs(config: DictConfig, given: list[str]) -> dict[str, DictConfig]:
    """Compose one config for each entry of ``compare``: the command line's overrides, then the entry's."""
    from segnet.config import compose

    if config.compare is None:
        return {config.name: config}
    if not OmegaConf.is_list(config.compare) or not len(config.compare):
        raise UserError(
            'compare takes a list of overrides in quotes, as in \'compare=["upsampler=nearest","upsampler=bilinear"]\''
        )
    entries: dict[str, list[str]] = {}
    for entry in config.compare:
        overrides = [str(override) for override in entry] if OmegaConf.is_list(entry) else [str(entry)]
        for override in overrides:
            if "=" not in override:
                raise UserError(f'compare takes overrides such as "upsampler=nearest": "{override}" sets nothing')
            if not _is_one_override(override):
                raise UserError(
                    f'"{override}" in compare is more than one override: give a list, as in '
                    f'compare=[["upsampler=nearest","skip=add"]]'
                )
        name = " ".join(overrides)
        if name in entries:
            raise UserError(f'compare names "{name}" twice: leave one out')
        entries[name] = overrides
    return {name: compose([*given, *overrides], "profile") for name, overrides in entries.items()}


def _image_size(config: DictConfig) -> tuple[int, int]:
    size = config.image_size or OmegaConf.select(config, "data.augmentation.crop") or (256, 256)
    if isinstance(size, int) or len(size) != 2 or min(size) < 1:
        raise UserError(f"image_size={size} is no height and width: give two numbers, as in image_size=[360,480]")
    return int(size[0]), int(size[1])


def _profile_all(
    configs: dict[str, DictConfig], config: DictConfig, device: "torch.device"
) -> tuple[list["Profile"], "Setting"]:
    import copy
    import dataclasses

    import torch

    from segnet.analysis.effective_field import random_images, warn_if_beyond_crop
    from segnet.analysis.latency import describe_device, measure_latencies
    from segnet.analysis.profile import Profile, inference_workload, profile_network, training_workload
    from segnet.build import network_from_config
    from segnet.devices import choose_precision
    from segnet.layers import use_exact_rewrites

    size = _image_size(config)
    precision = choose_precision(str(config.precision), device.type)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    profiles: list[Profile] = []
    workloads: dict[tuple[str, str], Callable[[], None]] = {}
    for name, network_config in configs.items():
        network = network_from_config(network_config).to(device).to(memory_format=layout)
        channels = network_config.data.channels
        images = random_images(config.batch_size, channels, size).to(device, memory_format=layout)
        probes = random_images(config.probes, channels, size).to(device)
        plain = use_exact_rewrites(copy.deepcopy(network), False)
        profiles.append(profile_network(name, network, images, probes, precision, plain))
        workloads[name, "inference"] = inference_workload(network, images, precision)
        if config.training:
            workloads[name, "training step"] = training_workload(network, images, precision)
        crop = OmegaConf.select(network_config, "data.augmentation.crop")
        warning = warn_if_beyond_crop(network, tuple(crop), profiles[-1].fields) if crop else None
        if warning:
            print(f"note: {name}: {warning}")
    latencies = measure_latencies(workloads, device, config.repeats)
    profiles = [
        dataclasses.replace(
            profile, latencies={what: value for (name, what), value in latencies.items() if name == profile.name}
        )
        for profile in profiles
    ]
    return profiles, {
        "batch_size": config.batch_size,
        "image_size": list(size),
        "precision": precision,
        "channels_last": config.channels_last,
        **describe_device(device),
    }


def _print(profiles: list["Profile"], setting: "Setting", modules: bool) -> None:
    from rich.console import Console

    from segnet.analysis.profile_tables import comparison_table, notes, stage_table

    height, width = setting["image_size"]
    line = f"{setting['batch_size']} x {height}x{width} px, {setting['precision']}, {setting['device_name']}"
    if setting["device"] == "cpu":
        line += f", {setting['threads']} threads" if setting["threads"] > 1 else ", 1 thread"
    console = Console(markup=False)
    if not console.is_terminal:  # a file's line is long enough for every column
        console = Console(width=140, markup=False)
    if len(profiles) > 1:
        console.print(comparison_table(profiles, line))
        return
    console.print(stage_table(profiles[0], line, modules))
    for note in notes(profiles[0]):
        console.print(note, highlight=False)


def _save(profiles: list["Profile"], setting: "Setting", given: list[str], folder: Path) -> None:
    from segnet.analysis.profile_figure import draw_profiles
    from segnet.run_folder import write_whole

    content = {"setting": setting, "overrides": given, "profiles": [profile.as_dict() for profile in profiles]}
    write_whole(folder / "profile.json", json.dumps(content, indent=2) + "\n")
    write_whole(folder / "profile.png", draw_profiles(profiles))


def main() -> None:
    """Run the command."""
    run_command("profile", work)


if __name__ == "__main__":
    main()
