"""Export every upsampler and every preset, compare the files with the networks, and write the table of docs/export.md.

    python -m scripts.export_parity               all (10 minutes; OpenVINO's column needs that package)
    python -m scripts.export_parity carafe unet   these only; prints, and writes nothing

The weights are random, and the batch norms' statistics are drawn, so that a wrong folding would show.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

import segnet
from scripts.marked_page import write_between
from segnet.config import config_dir
from segnet.errors import UserError
from segnet.export.capture import capture, plain_copy
from segnet.export.check import SIZES, Run, check_parity
from segnet.export.onnx_file import open_session, to_onnx

PAGE = Path(__file__).parent.parent / "docs" / "export.md"


def networks() -> dict[str, list[str]]:
    """Return the overrides of each network: the default one with each upsampler, then the presets."""
    upsamplers, presets = (
        sorted(path.stem for path in (config_dir() / group).glob("*.yaml")) for group in ("upsampler", "model")
    )
    return {
        **{name: ["data=camvid", f"upsampler={name}"] for name in upsamplers},
        **{name: ["data=camvid", f"model={name}"] for name in presets if name != "encoder_decoder"},
    }


def build(overrides: Sequence[str]) -> nn.Module:
    """Build a network whose batch norms do something."""
    torch.manual_seed(0)
    network = segnet.build_network(overrides)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            for value in (module.running_mean, module.weight, module.bias):
                nn.init.normal_(value, 1, 0.3)
    return plain_copy(network)


def runtimes(network: nn.Module) -> dict[str, Run]:
    """Export a network, and return what runs the files."""
    program = capture(network, 3)
    module = program.module()
    content = to_onnx(program, "logits").SerializeToString()
    session = open_session(content)
    found: dict[str, Run] = {
        "torch.export": lambda images: module(torch.from_numpy(images)).detach().numpy(),
        "ONNX Runtime": lambda images: session.run(None, {"images": images})[0],
    }
    try:
        import openvino
    except ImportError:
        return found
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(openvino.Core().read_model(content), "CPU", settings)
    found["OpenVINO"] = lambda images: compiled([images])[0]
    return found


def measure(overrides: Sequence[str]) -> dict[str, str]:
    """Return for each runtime the largest difference, and its share of the largest logit."""
    network = build(overrides)
    cells = {}
    for name, run in runtimes(network).items():
        try:
            with torch.no_grad():
                parity = check_parity(network, run, 3)
            cells[name] = f"{parity.largest_difference:.1e} ({parity.share:.0e})"
        except (UserError, RuntimeError) as error:
            cells[name] = f"no: {str(error).splitlines()[0][:100]}"
    return cells


def table(rows: dict[str, dict[str, str]]) -> str:
    """Set the cells out in Markdown."""
    columns = list(dict.fromkeys(name for cells in rows.values() for name in cells))
    lines = [f"| network | {' | '.join(columns)} |", f"| --- {'| --- ' * len(columns)}|"]
    for name, cells in rows.items():
        kind = "upsampler" if (config_dir() / "upsampler" / f"{name}.yaml").is_file() else "model"
        lines.append(f"| `{kind}={name}` | {' | '.join(cells.get(column, '') for column in columns)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    names = parser.parse_args().names
    rows = {}
    for name, overrides in networks().items():
        if not names or name in names:
            rows[name] = measure(overrides)
            print(name, rows[name], flush=True)
    if names:
        return
    sizes = ", ".join("x".join(map(str, size)) for size in SIZES)
    caption = f"Batch x height x width: {sizes}; captured with none of them. torch {torch.__version__}."
    write_between(PAGE, "parity", "scripts/export_parity.py", f"{table(rows)}\n\n{caption}")


if __name__ == "__main__":
    main()
