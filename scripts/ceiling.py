"""Print the ceilings of a data set as a Markdown table: ``python scripts/ceiling.py SPLIT [IMAGES] [OVERRIDE ...]``.

``python scripts/ceiling.py val data=camvid`` scores every image of CamVid's validation split, and
``python scripts/ceiling.py val 20 data=camvid`` 20 of them, spread evenly.
"""

import sys

from segnet.analysis.ceiling import STRIDES, Ceiling, split_ceilings
from segnet.build import data_from_config
from segnet.config import compose


def table(rows: list[Ceiling]) -> str:
    cells = {(row.upsampler, row.stride): f"{100 * row.miou:.1f} / {100 * row.boundary_f1:.1f}" for row in rows}
    lines = ["| mIoU / boundary F1, % | " + " | ".join(f"stride {stride}" for stride in STRIDES) + " |"]
    lines.append("| --- " * (1 + len(STRIDES)) + "|")
    names = dict.fromkeys(row.upsampler for row in rows)
    return "\n".join(
        lines + [f"| `{name}` | " + " | ".join(cells[name, at] for at in STRIDES) + " |" for name in names]
    )


def main() -> None:
    split, *rest = sys.argv[1:]
    images = int(rest.pop(0)) if rest and rest[0].isdigit() else None
    print(table(split_ceilings(data_from_config(compose(["data.num_workers=0", *rest])), split, images)))


if __name__ == "__main__":
    main()
