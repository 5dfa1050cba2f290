"""Draw the map of the package in docs/architecture.md from the imports, and name those that break its order.

    python -m scripts.architecture            write the table, and the picture docs/images/architecture.svg
    python -m scripts.architecture --check    say what breaks the order, and whether page and picture are up to date

A *room* is a folder or a file directly inside ``segnet/``, or the files of ``GROUND`` or ``CONFIG``. A room imports
only rooms that stand before it in ``ROOMS``, and a part of an experiment only parts before it in ``ABLATION_PARTS``.
Imports inside functions count; those under ``TYPE_CHECKING`` do not, since they never run.
"""

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
BEGIN, END = "<!-- rooms: written by scripts/architecture.py -->", "<!-- rooms: end -->"

GROUND = (
    "addresses",
    "errors",
    "extras",
    "randomness",
    "number_format",
    "run_folder",
    "run_ownership",
    "checkpoint_file",
    "arrays_file",
    "devices",
    "compat",
    "pretrained",
)
CONFIG = ("config", "config_values", "older_configs", "run_config", "trusted_classes")
ROOMS: Mapping[str, str] = {
    "ground": "single files that everything else stands on, such as `errors`, `randomness` and `run_folder`",
    "config": "composes, reads, checks and instantiates configurations; outside the commands it alone knows Hydra",
    "layers": "upsamplers, convolutions, pooling, and the exact cheaper forms (`rewrites/`)",
    "models": "encoders, context blocks, skip connections, decoders, the network that joins them; `backbones/`",
    "losses": "pure functions, and thin modules over them",
    "metrics": "confusion matrix, IoU, boundary scores, image quality",
    "resampling": "blocks of images that belong together, and the intervals that follow from resampling them",
    "pages": "what HTML pages share: style sheet, scripts of charts and tables, pictures inside a page",
    "data": "the data module and its cache; `datasets/`, one file each; `augmentation/`",
    "build": "from a config to objects, and from a run folder to a trained network",
    "analysis": "MACs, memory, latency, receptive field, checkerboards, and the profile of a network",
    "training": "Lightning: the module, callbacks and a run; the contract of a task (`task.py`)",
    "tasks": "`segmentation/`, `super_resolution/`: all that belongs to one task",
    "description": "what is in a data set: measured, drawn, and what follows for a training on it",
    "inference": "predictions for images and folders, scores of a split",
    "export": "files for other programs: ONNX, torch.export",
    "ablation": "experiments: " + "`design/`, `checks/`, `execution/`, `statistics/`, `results/`, `report/`",
    "demo": "a local page to try a network on",
    "cli": "the commands, one file each",
}
ABLATION_PARTS = ("design", "checks", "execution", "statistics", "results", "report", "experiment")
# Libraries that only some rooms may import, so that everything else can be used without them.
CONFINED: Mapping[str, tuple[str, ...]] = {
    "hydra": ("ground", "config", "cli"),
    "omegaconf": ("ground", "config", "cli"),
    "pytorch_lightning": ("ground", "training", "tasks"),
    "lightning": ("ground", "training", "tasks"),
}


class Import(NamedTuple):
    """One import: the importing file, its line, and the dotted name of the imported module."""

    path: Path
    line: int
    module: str


def imports_of(path: Path) -> Iterator[Import]:
    """Yield the imports of a file that run, wherever in the file they stand."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            waiting.extend(node.orelse)
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{path}:{node.lineno}: imports are absolute here, and this one is relative")
            # "from segnet import build" names a module where the other forms name what is in it.
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(path, node.lineno, whole if _is_module(whole) else node.module)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def all_imports(package: Path = ROOT / "segnet") -> list[Import]:
    """Return the imports of every file of the package but its ``__init__.py``, which only hands names on."""
    files = sorted(package.rglob("*.py"))
    return [found for path in files if path != package / "__init__.py" for found in imports_of(path)]


def room_of(name: str) -> str:
    """Return the room of a folder or file inside ``segnet/``.

    Raises:
        ValueError: the map has no such room.
    """
    room = "ground" if name in GROUND else "config" if name in CONFIG else name
    if room not in ROOMS:
        raise ValueError(f"segnet/{name} is not on the map: give it a place in ROOMS of scripts/architecture.py")
    return room


def room_imports(imports: Sequence[Import], package: Path = ROOT / "segnet") -> dict[str, set[str]]:
    """Return for each room the rooms that it imports, itself left out."""
    rooms: dict[str, set[str]] = {}
    for found in imports:
        source = room_of(found.path.relative_to(package).parts[0].removesuffix(".py"))
        target = _inside(found.module)
        rooms.setdefault(source, set())
        if target and room_of(target[0]) != source:
            rooms[source].add(room_of(target[0]))
    return rooms


def _inside(module: str) -> list[str]:
    """Return the parts of a module's name after ``segnet``; none for other packages and for ``segnet`` itself."""
    first, *rest = module.split(".")
    return rest if first == "segnet" else []


def violations(imports: Sequence[Import], package: Path = ROOT / "segnet") -> list[str]:
    """Return a sentence for each import that breaks the order of rooms, parts or libraries."""
    order = list(ROOMS)
    sentences = []
    for found in imports:
        source = list(found.path.relative_to(package).with_suffix("").parts)
        target, library = _inside(found.module), found.module.split(".")[0]
        room = room_of(source[0])
        where = f"{found.path.relative_to(package.parent).as_posix()}:{found.line}"
        if target and order.index(room_of(target[0])) > order.index(room):
            sentences.append(f"{where}: {room} imports {found.module}, which comes after it")
        if source[0] == "ablation" and target[:1] == ["ablation"]:
            part, other = _ablation_part(source), _ablation_part(target)
            if part and other and ABLATION_PARTS.index(other) > ABLATION_PARTS.index(part):
                sentences.append(f"{where}: ablation/{part} imports {found.module}, which comes after it")
        if room not in CONFINED.get(library, (room,)):
            sentences.append(f"{where}: {room} imports {library}, which belongs to {', '.join(CONFINED[library])}")
    return list(dict.fromkeys(sentences))


def _ablation_part(names: Sequence[str]) -> str | None:
    if len(names) < 2 or names[1] == "__init__":
        return None
    if names[1] not in ABLATION_PARTS:
        raise ValueError(f"segnet/ablation/{names[1]} is not on the map: see ABLATION_PARTS of scripts/architecture.py")
    return names[1]


def table(rooms: Mapping[str, set[str]]) -> str:
    """Return the rooms that exist as a Markdown table, in the order in which they may import each other."""
    lines = ["| room | what is in it | imports |", "| --- | --- | --- |"]
    for room, about in ROOMS.items():
        if room in rooms:
            imported = " ".join(f"`{other}`" for other in ROOMS if other in rooms[room])
            name = "the ground" if room == "ground" else f"`{room}`"
            lines.append(f"| {name} | {about} | {imported} |")
    return "\n".join(lines)


def picture(rooms: Mapping[str, set[str]]) -> str:
    """Return an SVG: a row for each room, with a dot in the column of each room that it imports."""
    names = [room for room in ROOMS if room in rooms]
    cell, left, top = 26, 96, 84
    side = cell * len(names)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + side + 40} {top + side + 8}" '
        f'font-family="sans-serif" font-size="13">',
        "<title>A row for each room, with a dot for each room that it imports</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for row, room in enumerate(names):
        y, x = top + row * cell, left + row * cell
        shade = "#f1f3f9" if row % 2 else "#ffffff"
        parts.append(f'<rect x="0" y="{y}" width="{left + side}" height="{cell}" fill="{shade}"/>')
        parts.append(f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="#c9d0e6"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 18}" text-anchor="end" fill="#1b1f2a">{room}</text>')
        parts.append(f'<text transform="translate({x + 17} {top - 6}) rotate(-55)" fill="#1b1f2a">{room}</text>')
        for column, other in enumerate(names):
            if other in rooms[room]:
                colour = "#3949ab" if column < row else "#c62828"
                parts.append(f'<circle cx="{left + column * cell + 13}" cy="{y + 13}" r="6" fill="{colour}"/>')
    return "\n".join([*parts, "</svg>\n"])


def updated(page: str, rooms: Mapping[str, set[str]]) -> str:
    """Return the text of the page with the table of today."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table(rooms)}\n\n{END}{rest.split(END)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where page, picture or order is off")
    arguments = parser.parse_args()
    imports = all_imports()
    broken, rooms = violations(imports), room_imports(imports)
    for sentence in broken:
        print(sentence)
    page = PAGE.read_text(encoding="utf-8")
    new_page, new_picture = updated(page, rooms), picture(rooms)
    if not arguments.check:
        PAGE.write_text(new_page, encoding="utf-8")
        PICTURE.write_text(new_picture, encoding="utf-8")
    elif broken or (page, PICTURE.read_text(encoding="utf-8")) != (new_page, new_picture):
        sys.exit("the map is out of date or its order is broken: python -m scripts.architecture writes it again")


if __name__ == "__main__":
    main()
