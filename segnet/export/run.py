"""Exporting a run: capture, translate, compare with the network, and only then write."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from segnet import __version__
from segnet.build import facts_from_config, load_network, task_from_config
from segnet.config import Config, load_config
from segnet.errors import UserError, require
from segnet.export.capture import capture, plain_copy
from segnet.export.check import Parity, check_parity
from segnet.export.onnx_file import open_session, require_onnx, to_half, to_int8, to_onnx, with_metadata
from segnet.export.torch_file import to_bytes
from segnet.inference.export_facts import ExportFacts
from segnet.inference.files import prepare_folder
from segnet.inference.runner import Runner
from segnet.pretrained import is_shared, locate
from segnet.run_folder import read_metrics, write_whole
from segnet.tasks.super_resolution.task import SuperResolution
from segnet.trusted_classes import allow_code as code_allowed

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
RESULTS = ("logits", "classes")
PRECISIONS = ("32", "16", "int8")


@dataclass(frozen=True)
class Export:
    """A file that was written.

    Attributes:
        path: of the file.
        facts: what it says of itself.
        parity: how far it is from the network.
        network: what it was made from, in the plain forms.
    """

    path: Path
    facts: ExportFacts
    parity: Parity
    network: nn.Module


def export_run(
    run: str | Path,
    format: str = "onnx",
    output: str | Path | None = None,
    checkpoint: str = "best",
    result: str = "logits",
    precision: str = "32",
    allow_code: bool = False,
) -> Export:
    """Export a trained network to a file that takes images ``(N, C, H, W)``, floats in 0..1, of any size.

    Args:
        run: a run folder.
        format: "onnx", or "torch" (``torch.export``).
        output: a file or a folder; None: ``export/`` in the run folder.
        checkpoint: "best" or "last".
        result: "logits" ``(N, K, H, W)``, or "classes" ``(N, H, W)`` uint8; an enlarging network has "logits" only, the
            image ``(N, C, factor * H, factor * W)``.
        precision: "32"; with ONNX also "16" and "int8".
        allow_code: whether the run may name classes that are no part of segnet; for runs that you trust.

    Raises:
        UserError: the run has no such checkpoint, a setting has no such value, the output cannot be written, the
            network cannot be exported, or the file differs from it by more than the tolerance. No file is left then.
    """
    check_settings(format, result, precision)
    folder = locate(run)
    with code_allowed(allow_code):
        config = load_config(folder)
    path = target_file(Path() if is_shared(run) else folder, output, format, result, precision)
    network = plain_copy(load_network(folder, checkpoint, allow_code))
    facts = facts_of(config, network, folder, result, precision)
    if facts.task == "super_resolution" and result == "classes":
        raise UserError("result=classes is for segmentation, and this run enlarges images: leave result out")
    prepare_folder(path.parent)
    program = capture(network, facts.channels, result)
    if format == "torch":
        module = program.module()

        def run_program(images: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                output: Tensor = module(torch.from_numpy(images))
            return output.numpy()

        parity = check_parity(network, run_program, facts.channels, result, precision)
        facts = facts.with_parity(parity.entries())
        write_whole(path, to_bytes(program, facts.to_metadata()))
        return Export(path, facts, parity, network)
    model = to_onnx(program, output_name(facts))
    model = {"32": lambda same: same, "16": to_half, "int8": to_int8}[precision](model)
    session = open_session(model.SerializeToString(), torch.get_num_threads())
    parity = check_parity(
        network, lambda images: session.run(None, {"images": images})[0], facts.channels, result, precision
    )
    facts = facts.with_parity(parity.entries())
    write_whole(path, with_metadata(model, facts.to_metadata()))
    return Export(path, facts, parity, network)


def check_settings(format: str, result: str, precision: str) -> None:
    """Refuse values that there are not, and what needs a package that is not installed.

    Raises:
        UserError: one is refused.
    """
    require(format in SUFFIXES, "format", format, f"one of {', '.join(SUFFIXES)}, hub")
    require(result in RESULTS, "result", result, f"one of {', '.join(RESULTS)}")
    require(precision in PRECISIONS, "precision", precision, f"one of {', '.join(PRECISIONS)}")
    if format == "onnx":
        require_onnx()
    elif precision != "32":
        raise UserError(f"precision={precision} is for format=onnx: leave it out, or export to ONNX")


def output_name(facts: ExportFacts) -> str:
    """Return what the output of an ONNX file is called."""
    return "enlarged" if facts.task == "super_resolution" else facts.result


def target_file(run_dir: Path, output: str | Path | None, format: str, result: str, precision: str) -> Path:
    """Return where a file goes: ``output`` if that has the format's ending, else into the folder ``output``.

    Raises:
        UserError: ``output`` has another ending.
    """
    parts = ["model", *([result] if result != "logits" else []), *([precision] if precision != "32" else [])]
    name = "-".join(parts) + SUFFIXES[format]
    if output is None:
        return run_dir / "export" / name
    path = Path(output)
    if path.suffix == SUFFIXES[format]:
        return path
    if path.suffix in (*SUFFIXES.values(), ".pt", ".pth", ".ckpt", ".safetensors"):
        raise UserError(f"output={output} does not end in {SUFFIXES[format]}, as format={format} does: give it that")
    return path / name


def facts_of(config: Config, network: nn.Module, run_dir: Path, result: str, precision: str) -> ExportFacts:
    """Collect what the file will say of itself."""
    data, runner = facts_from_config(config), Runner(network, facts_from_config(config).channels, "32-true")
    enlarges = isinstance(task_from_config(config), SuperResolution)
    body = cast(nn.Module, getattr(network, "body", network))  # inside what its task wraps it in
    return ExportFacts(
        task="super_resolution" if enlarges else "segmentation",
        result=result,
        precision=precision,
        classes=data.classes,
        colours=data.colours,
        ignore_index=data.ignore_index,
        channels=data.channels,
        scale=data.scale,
        mean=tuple(body.get_buffer("mean").flatten().tolist()),
        std=tuple(body.get_buffer("std").flatten().tolist()),
        factor=runner.factor,
        stride=runner.stride,
        reach=runner.reach,
        pixel_bytes=runner.pixel_bytes,
        scores=scores_of(read_metrics(run_dir)),
        parity={},
        segnet_version=__version__,
        value_range=data.value_range,
    )


def scores_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Take the scores of the network itself out of ``metrics.json``; those of baselines are left out."""
    splits = ("val/", "test/")
    return {
        name: value for name, value in metrics.items() if name.startswith(splits) and isinstance(value, int | float)
    }
