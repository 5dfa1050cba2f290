"""Print the ceilings of a data set as a Markdown table: ``python scripts/ceiling.py SPLIT [IMAGES] [OVERRIDE ...]``.

``python scripts/ceiling.py val data=camvid`` scores every image of CamVid's validation split, and
``python scripts/ceiling.py val 20 data=camvid`` 20 of them, spread evenly.
"""

import argparse

from segnet.analysis.ceiling import STRIDES, Ceiling, split_ceilings
from segnet.build import data_from_config
from segnet.config import compose
from segnet.data.module import SPLITS


def table(rows: list[Ceiling]) -> str:
    cells = {(row.upsampler, row.stride): f"{100 * row.miou:.1f} / {100 * row.boundary_f1:.1f}" for row in rows}
    lines = ["| mIoU / boundary F1, % | " + " | ".join(f"stride {stride}" for stride in STRIDES) + " |"]
    lines.append("| --- " * (1 + len(STRIDES)) + "|")
    names = dict.fromkeys(row.upsampler for row in rows)
    return "\n".join(
        lines + [f"| `{name}` | " + " | ".join(cells[name, at] for at in STRIDES) + " |" for name in names]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", choices=SPLITS)
    parser.add_argument("images", nargs="?", help="how many, spread evenly (default: all)")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="as of segnet-train, such as data=camvid")
    arguments = parser.parse_args()
    images, overrides = arguments.images, arguments.overrides
    if images is not None and not images.isdigit():
        images, overrides = None, [images, *overrides]
    data = data_from_config(compose(["data.num_workers=0", *overrides]))
    print(table(split_ceilings(data, arguments.split, None if images is None else int(images))))


if __name__ == "__main__":
    main()
