"""ONNX: through torch's exporter, then names, fewer bits if asked for, and metadata."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch.export import ExportedProgram

from segnet.errors import UserError
from segnet.export.capture import quiet
from segnet.extras import install_command

if TYPE_CHECKING:
    from onnx import ModelProto

AXES = ("batch", "channels", "height", "width")


def require_onnx() -> None:
    """Refuse where the packages of the extra are not installed.

    Raises:
        UserError: one is not.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise UserError(
                f"format=onnx needs the package {package}, which is not installed: {install_command('export')}"
            ) from error


def to_onnx(program: ExportedProgram, output_name: str) -> "ModelProto":
    """Translate a captured network; its input is called ``images``, its open axes by their names.

    Args:
        program: see :func:`segnet.export.capture.capture`.
        output_name: what its output is called.

    Raises:
        UserError: the exporter cannot.
    """
    try:
        with quiet():
            translated = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=["images"], output_names=[output_name]
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise UserError(f"torch.onnx cannot export this network: {' '.join(str(error).split())[:300]}") from error
    assert translated is not None
    model: ModelProto = translated.model_proto
    _name_axes(model)
    return model


def _name_axes(model: "ModelProto") -> None:
    """Call the open axes of input and output what they are; drop the exporter's notes, which name them otherwise."""
    axes = model.graph.input[0].type.tensor_type.shape.dim
    names = {axis.dim_param: name for axis, name in zip(axes, AXES, strict=True) if axis.dim_param}
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = names.get(axis.dim_param, axis.dim_param)
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]


def to_half(model: "ModelProto") -> "ModelProto":
    """Compute in float16; input and output stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with quiet():
        halved: ModelProto = convert_float_to_float16(model, keep_io_types=True)
    return halved


def to_int8(model: "ModelProto") -> "ModelProto":
    """Store the convolutions' weights, and multiply, in integers of 8 bits; features get their ranges at run time."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory() as folder, quiet():
        path = Path(folder, "quantised.onnx")
        # The runtime has kernels for unsigned weights alone.
        quantize_dynamic(model, path, op_types_to_quantize=["Conv", "MatMul"], weight_type=QuantType.QUInt8)
        quantised: ModelProto = onnx.load(path)
    return quantised


def with_metadata(model: "ModelProto", entries: Mapping[str, str]) -> bytes:
    """Return the bytes of the file, with metadata."""
    import onnx

    onnx.helper.set_model_props(model, dict(entries))
    content: bytes = model.SerializeToString()
    return content


def open_session(content: bytes | str, threads: int = 0) -> Any:
    """Open a file, or its bytes, in ONNX Runtime on the CPU.

    Args:
        content: the bytes, or the path.
        threads: 0: the runtime's own choice.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
