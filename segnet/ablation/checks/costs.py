"""What each arm costs, measured the same way for all."""

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from segnet.analysis import count_parameters, measure_latencies, random_images, stage_costs
from segnet.analysis.cost import trace_inference
from segnet.analysis.latency import describe_device
from segnet.analysis.profile import inference_workload, precision_context, training_workload
from segnet.build import data_from_config, network_from_config, task_from_config
from segnet.devices import choose_precision, device_type
from segnet.layers import use_exact_rewrites


def input_shape(config: DictConfig) -> tuple[int, int, int]:
    """Return the shape ``(C, H, W)`` of what the network takes for an image of the test split."""
    image = data_from_config(config).eval_loader("test").dataset[0]["image"]
    return task_from_config(config).input_shape(tuple(image.shape))


def measure_costs(configs: Mapping[str, DictConfig], repeats: int = 10) -> dict[str, Any]:
    """Measure parameters, multiplications, memory and time of each arm, for one image of the test split.

    Times are taken in turns over all arms, on the device and in the precision that they train with.

    Returns:
        ``setting`` of the measurement, and ``arms``: for each its ``params``, ``macs`` (of the operators that run),
        ``plain_macs`` (of the plain form of the same function), ``activation_bytes`` and ``index_bytes`` of a training
        step (float32), and ``latency_ms`` of inference and of a training step.
    """
    first = next(iter(configs.values()))
    device = torch.device(device_type(first.trainer.accelerator))
    precision = choose_precision(str(first.trainer.precision), device.type)
    arms, workloads = {}, {}
    for name, config in configs.items():
        shape = input_shape(config)
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        network = network_from_config(config).to(device, memory_format=layout)
        images = random_images(1, shape[0], shape[1:]).to(device, memory_format=layout)
        arms[name] = {"image_size": list(shape[1:]), **_count(network, images)}
        workloads[name, "inference"] = inference_workload(network, images, precision)
        workloads[name, "training step"] = training_workload(network, images, precision)
    with precision_context(precision, device.type):  # refuses what cannot be timed
        pass
    for (name, task), latency in measure_latencies(workloads, device, repeats).items():
        arms[name].setdefault("latency_ms", {})[task] = asdict(latency)
    return {"setting": {"batch_size": 1, "precision": precision, **describe_device(device)}, "arms": arms}


def _count(network: nn.Module, images: torch.Tensor) -> dict[str, int]:
    stages = stage_costs(network, images)
    return {
        "params": count_parameters(network),
        "macs": sum(stage.macs for stage in stages),
        "plain_macs": _plain_macs(network, images),
        "activation_bytes": sum(stage.activation_bytes for stage in stages),
        "index_bytes": sum(stage.index_bytes for stage in stages),
    }


def _plain_macs(network: nn.Module, images: torch.Tensor) -> int:
    """Count the same network without its exact cheaper forms."""
    plain = use_exact_rewrites(copy.deepcopy(network), False)
    return sum(operator.macs for operator in trace_inference(plain, images).operators)
