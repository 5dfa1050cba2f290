"""What each arm costs, measured the same way for all."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import cast

import torch
from torch import nn

from segnet.ablation.checks.records import ArmCosts, CostsRecord, LatencyRecord
from segnet.analysis import count_parameters, measure_latencies, random_images, stage_costs
from segnet.analysis.cost import trace_inference
from segnet.analysis.latency import describe_device
from segnet.analysis.profile import inference_workload, precision_context, training_workload
from segnet.build import data_from_config, network_from_config, task_from_config
from segnet.config import Config
from segnet.devices import choose_precision, device_type
from segnet.layers import use_exact_rewrites


def input_shape(config: Config) -> tuple[int, int, int]:
    """Return the shape ``(C, H, W)`` of the network's input for an image of the test split."""
    image = data_from_config(config).eval_loader("test").dataset[0]["image"]
    return task_from_config(config).input_shape(tuple(image.shape))


def measure_costs(configs: Mapping[str, Config], repeats: int = 10) -> CostsRecord:
    """Measure parameters, MACs, memory and time of each arm, for one image of the test split.

    Times are taken in turns over all arms, on the device and in the precision that they train with.
    """
    first = next(iter(configs.values()))
    device = torch.device(device_type(first.trainer.accelerator))
    precision = choose_precision(str(first.trainer.precision), device.type)
    arms: dict[str, ArmCosts] = {}
    workloads: dict[str, Callable[[], object]] = {}
    timed: dict[str, tuple[str, str]] = {}
    for name, config in configs.items():
        shape = input_shape(config)
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        network = network_from_config(config).to(device).to(memory_format=layout)
        images = random_images(1, shape[0], shape[1:]).to(device, memory_format=layout)
        arms[name] = _count(network, images)
        for task, workload in (("inference", inference_workload), ("training step", training_workload)):
            workloads[f"{task} of {name}"] = workload(network, images, precision)
            timed[f"{task} of {name}"] = (name, task)
    with precision_context(precision, device.type):  # refuses a precision that the device does not have
        pass
    for workload_name, latency in measure_latencies(workloads, device, repeats).items():
        name, task = timed[workload_name]
        arms[name]["latency_ms"][task] = cast(LatencyRecord, asdict(latency))
    setting: dict[str, str | int] = {"batch_size": 1, "precision": precision}
    setting |= cast(dict[str, str | int], describe_device(device))
    return {"setting": setting, "arms": arms}


def _count(network: nn.Module, images: torch.Tensor) -> ArmCosts:
    stages = stage_costs(network, images)
    return {
        "image_size": list(images.shape[-2:]),
        "params": count_parameters(network),
        "macs": sum(stage.macs for stage in stages),
        "plain_macs": _plain_macs(network, images),
        "activation_bytes": sum(stage.activation_bytes for stage in stages),
        "index_bytes": sum(stage.index_bytes for stage in stages),
        "latency_ms": {},
    }


def _plain_macs(network: nn.Module, images: torch.Tensor) -> int:
    """Count the same network without its exact cheaper forms."""
    plain = use_exact_rewrites(copy.deepcopy(network), False)
    return sum(operator.macs for operator in trace_inference(plain, images).operators)
