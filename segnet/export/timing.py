"""How long a network takes in torch, compiled by torch, and as the exported file: in turns, so that all slow alike."""

import importlib.util
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from segnet.analysis.latency import Latency, measure_latencies
from segnet.errors import require
from segnet.export.onnx_file import open_session
from segnet.export.run import Export
from segnet.training.score_table import ScoreTable


def time_export(export: Export, network: nn.Module, image_size: Sequence[int], repeats: int = 20) -> dict[str, Latency]:
    """Time one image on the CPU, float32, with as many threads as torch has.

    Args:
        export: what was written.
        network: as :func:`segnet.build.load_network` returns it, with its exact cheaper forms and memory layout.
        image_size: height and width.
        repeats: timed calls of each.

    Returns:
        For each way to run the network the time in milliseconds: torch, compiled by torch, the file in its own runtime,
        and an ONNX file in OpenVINO too where that is installed.

    Raises:
        UserError: a setting has no such value.
    """
    require(len(image_size) == 2 and min(image_size) > 0, "image_size", image_size, "[height, width]")
    require(repeats >= 1, "repeats", repeats, "an integer from 1 up")
    images = torch.rand(1, export.facts.channels, *image_size, generator=torch.Generator().manual_seed(0))
    torch.compiler.reset()
    compiled = torch.compile(network)
    workloads: dict[str, Callable[[], object]] = {
        "torch": lambda: network(images),
        "compiled": lambda: compiled(images),
    }
    if export.path.suffix == ".onnx":
        pixels = images.numpy()
        session = open_session(str(export.path), torch.get_num_threads())
        workloads["ONNX Runtime"] = lambda: session.run(None, {"images": pixels})
        if importlib.util.find_spec("openvino") is not None:
            workloads["OpenVINO"] = _in_openvino(str(export.path), pixels)
    else:
        module = torch.export.load(export.path).module()
        workloads["torch.export"] = lambda: module(images)
    with torch.inference_mode():
        return measure_latencies(workloads, torch.device("cpu"), repeats)


def _in_openvino(path: str, pixels: np.ndarray) -> Callable[[], object]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", settings)
    return lambda: model([pixels])


def latency_table(latencies: dict[str, Latency], image_size: Sequence[int]) -> ScoreTable:
    """Set the times out."""
    height, width = image_size
    fastest = min(latency.median for latency in latencies.values())
    rows = [
        (
            name,
            [
                f"{latency.median:.1f}",
                f"{latency.low:.1f} to {latency.high:.1f}",
                f"{latency.median / fastest:.2f}",
            ],
        )
        for name, latency in latencies.items()
    ]
    threads = torch.get_num_threads()
    definition = f"one image of {width}x{height}, float32 outside the file, CPU, {threads} threads, in turns"
    return ScoreTable("latency", ["median, ms", "quartiles", "times the fastest"], rows, definition, "runs in")
