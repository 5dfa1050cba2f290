"""From a name to what predicts: a run folder, or a file of ONNX, which needs no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segnet.errors import UserError
from segnet.inference.passes import check_scales
from segnet.pretrained import locate

if TYPE_CHECKING:
    from segnet.inference.predictor import Predictor


def load(
    run: str | Path,
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    memory_gib: float = 0.5,
    flips: str = "none",
    allow_code: bool = False,
    scales: Sequence[float] = (1.0,),
) -> Any:
    """Load a trained network from a run folder. The data set's files and code are not needed.

    Args:
        run: what ``segnet-train`` wrote; a file ``model.onnx`` that ``segnet-export`` wrote; ``pretrained/NAME``, which
            comes with the package; or ``hub:OWNER/NAME`` of the Hugging Face hub.
        checkpoint: "best" (by the task's validation score) or "last".
        device: "auto" (a GPU where there is one), "cpu", "cuda", "mps".
        precision: "auto" (the fastest that the device has), "32-true", "bf16-mixed" or "16-mixed".
        memory_gib: about how much memory the network's features may take; a larger image is predicted in tiles.
        flips: average over mirror images: "none", "horizontal" or "both".
        allow_code: whether the run may name classes that are no part of segnet; for runs that you trust.
        scales: average over the image resized by these factors, such as (0.75, 1, 1.5); not of an ONNX file.

    Returns:
        A :class:`segnet.inference.model.Model`, or of an ONNX file a
        :class:`segnet.inference.onnx_model.OnnxModel`; both have ``predict``, ``classes`` and ``colours``.

    Raises:
        UserError: there is no such run or file, it has no such checkpoint, is damaged, names other classes, or a
            setting has no such value.
    """
    return load_predictor(run, checkpoint, device, precision, memory_gib, flips, allow_code, scales)


def load_predictor(
    run: str | Path,
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    memory_gib: float = 0.5,
    flips: str = "none",
    allow_code: bool = False,
    scales: Sequence[float] = (1.0,),
) -> "Predictor":
    """Do what :func:`load` does, its type being what both kinds have in common."""
    run = locate(run)
    if run.suffix == ".onnx":
        from segnet.inference.onnx_model import load_onnx

        if check_scales(scales) != (1.0,):
            raise UserError(f"scales={list(scales)} is for run folders, not for an ONNX file: leave it out")
        return load_onnx(run, checkpoint, device, precision, memory_gib, flips)
    from segnet.inference.model import load_run

    return load_run(run, checkpoint, device, precision, memory_gib, flips, allow_code, scales)
