"""Export the networks that come along with fewer bits, score the files, and write the table of docs/export.md.

    SEGNET_DATA=DIR python -m scripts.export_precision                     all (15 minutes on 2 cores)
    SEGNET_DATA=DIR python -m scripts.export_precision camvid_bilinear     these only; prints, and writes nothing

Each file is scored on the CamVid test split, in ONNX Runtime on the CPU, beside its network in float32. ``SEGNET_DATA``
is the folder that holds ``camvid``.
"""

import argparse
from collections.abc import Sequence
from tempfile import TemporaryDirectory

import onnxruntime
import torch

from scripts.export_parity import PAGE
from scripts.marked_page import write_between
from segnet.analysis.latency import describe_device
from segnet.export.run import PRECISIONS, export_run
from segnet.export.scoring import score_export
from segnet.pretrained import SHIPPED, locate, names

COLUMNS = ("file", "weights", "MiB", "test mIoU, %", "difference", "boundary F1, %", "difference")


def measure(name: str, precision: str, split: str = "test") -> list[str]:
    """Return a row of the table: a network's file in one precision."""
    run = f"{SHIPPED}{name}"
    with TemporaryDirectory() as folder:
        export = export_run(run, output=folder, precision=precision)
        cost = score_export(export, locate(run), split)
        mebibytes = export.path.stat().st_size / 2**20
    cells = [f"`{run}`", {"32": "float32", "16": "float16"}.get(precision, precision), f"{mebibytes:.2f}"]
    for score in ("miou", "boundary_f1"):
        key = f"{split}/{score}"
        cells += [f"{100 * cost.file[key]:.2f}", f"{round(100 * cost.change(key), 2) + 0.0:+.2f}"]  # no "-0.00"
    return cells


def table(rows: Sequence[Sequence[str]]) -> str:
    """Set the rows out in Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (COLUMNS, ["---"] * len(COLUMNS), *rows))


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *names()])
    chosen = parser.parse_args().names
    rows = []
    for name in chosen or names():
        for precision in PRECISIONS:
            rows.append(measure(name, precision))
            print(*rows[-1], flush=True)
    if chosen:
        return
    processor = describe_device(torch.device("cpu"))["device_name"]
    caption = (
        f"233 test images of CamVid at 480x360; the difference is that to the network in torch, in float32. ONNX "
        f"Runtime {onnxruntime.__version__}, torch {torch.__version__}, {processor}."
    )
    write_between(PAGE, "precision", "scripts/export_precision.py", f"{table(rows)}\n\n{caption}")


if __name__ == "__main__":
    main()
