"""``segnet-data``: what is in a data set, and what is wrong with it."""

import csv
import io
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from segnet.cli.entry import run_command
from segnet.errors import UserError, require

if TYPE_CHECKING:
    from rich.console import Console

    from segnet.data.samples import SegmentationDataset
    from segnet.data.verification import Problem

OWN = frozenset(
    [
        *("action", "rows", "table", "fix", "threads", "images", "ceiling_images", "shown", "budget_gib", "draws"),
        *("output", "shard_mb", "store"),
    ]
)
"""Settings of this command, which a training does not have."""
LEAVE_OUT = "leave_out.txt"


def work(config: DictConfig) -> None:
    """Do what the action says."""
    actions = {"describe": describe, "download": download, "pack": pack, "show": show, "verify": verify}
    if config.action not in actions:
        said = "" if config.action is None else f", and not {config.action}"
        raise UserError(f"say what to do first: segnet-data {' or '.join(actions)}{said}, as in segnet-data verify")
    require(config.fix in (None, "list"), "fix", config.fix, "list, or null")
    require(config.threads is None or config.threads >= 1, "threads", config.threads, "an integer from 1 up, or null")
    actions[config.action](config)


def describe(config: DictConfig) -> None:
    """Print what is in a data set, and write the page of it."""
    from segnet.build import data_from_config, network_from_config
    from segnet.cli.score_table import print_table
    from segnet.data.verification.bar import reading_bar
    from segnet.description import words
    from segnet.description.describe import describe as measured
    from segnet.description.page import render_page
    from segnet.devices import available_cores
    from segnet.run_folder import write_whole

    data, network = data_from_config(config), network_from_config(config)

    found = measured(
        data,
        network,
        config.budget_gib,
        config.images,
        config.ceiling_images,
        config.shown,
        config.threads or available_cores(),
        reading_bar,
    )
    print_table(words.splits_table(found))
    print_table(words.classes_table(found, data))
    print_table(words.weights_table(found, data))
    if found.ceilings:
        print_table(words.ceilings_table(found))
    for notice in words.notices(found, data):
        print(notice)
    recipe = shlex.join(["segnet-train", *_training_settings(found.recipe.overrides()), *found.recipe.overrides()])
    print(f"to begin with: {recipe}")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    facts = {
        "data": str(config.data.name),
        "command": shlex.join([Path(sys.argv[0]).name, *(text.removeprefix("action=") for text in sys.argv[1:])]),
        "recipe": recipe,
        "network": f"{parameters:,} parameters",
    }
    path = Path(config.output or "dataset.html")
    write_whole(path, render_page(found, data, facts))
    print(f"written: {path}")


def show(config: DictConfig) -> None:
    """Write a picture of what the augmentations do."""
    from segnet.build import data_from_config
    from segnet.description.augmentations import draw_augmentations
    from segnet.run_folder import write_whole

    path = Path(config.output or "augmentations.png")
    write_whole(path, draw_augmentations(data_from_config(config), config.shown, config.draws))
    print(f"written: {path}")


def _training_settings(replaced: list[str]) -> list[str]:
    """Return the settings of the command line that a training has too, but for those that are given anew."""
    keys = {text.partition("=")[0] for text in replaced} | OWN
    return [text for text in sys.argv[1:] if "=" in text and text.partition("=")[0].lstrip("+") not in keys]


def download(config: DictConfig) -> None:
    """Fetch a public set, and say where it lies.

    Raises:
        UserError: the set is not downloaded, or see :func:`segnet.data.download.fetch`.
    """
    from segnet.config import instantiate

    if "download" not in config.data:
        raise UserError(
            f"data={config.data.name} has nothing to download: its images are drawn, come with a package, or are your "
            f"own; docs/guide.md lists the public sets"
        )
    config.data.download = True
    samples = len(instantiate(config.data.dataset)(split="train").ids)
    print(f"data={config.data.name}: {samples} images to train on, in {Path(config.data.root).absolute()}")


def pack(config: DictConfig) -> None:
    """Write a data set as chunks, for ``data=packed``.

    Raises:
        UserError: see :func:`segnet.data.packing.pack`.
    """
    from segnet.build import data_from_config
    from segnet.cli.entry import required
    from segnet.config import to_values
    from segnet.data.packing import pack as packed
    from segnet.data.verification.bar import reading_bar
    from segnet.devices import available_cores

    output = Path(required(config, "output", "FOLDER"))
    require(config.store in ("files", "pixels"), "store", config.store, "files, or pixels")
    require(1 <= config.shard_mb <= 1024, "shard_mb", config.shard_mb, "an integer from 1 to 1024")
    of_module = ("batch_size", "eval_batch_size", "scale", "passes")
    settings = to_values(config.data)
    # From what the set says elsewhere; and transforms name classes, which data that come from anywhere must not.
    follow = ("_target_", "ignore_index", "fill", "transforms")
    augmentation = {key: value for key, value in settings["augmentation"].items() if key not in follow}
    recipe = {key: settings[key] for key in of_module} | {"augmentation": augmentation}
    about = {key: settings.get(key) for key in ("name", "mean", "std", "value_range")} | {"recipe": recipe}
    data = data_from_config(config)
    threads = config.threads or available_cores()
    facts = packed(data, about, output, config.shard_mb * 10**6, threads, reading_bar, config.store == "pixels")
    for split, found in facts["splits"].items():
        print(f"{split}: {found['samples']} samples in {found['chunks']} chunks, {found['bytes'] / 1e6:.1f} MB")
    print(f"written: {output}; train on it with {shlex.join(['data=packed', f'data.root={output}'])}")


def verify(config: DictConfig) -> None:
    """Print all problems of a data set, and write them where it is asked for.

    Raises:
        UserError: there are errors.
    """
    from rich.console import Console

    problems, images = _problems(config)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    _print(console, problems, config.rows)
    if config.table is not None:
        _write_table(Path(config.table), problems)
        print(f"written: {config.table}")
    if config.fix == "list":
        _write_list(config, problems)
    count = Counter(problem.severity for problem in problems)
    words = [f"{count[name]} {name}{'' if count[name] == 1 else 's'}" for name in ("error", "warning", "note")]
    summary = f"{images} images: {', '.join(words)}"
    if count["error"]:
        raise UserError(summary)
    print(summary)


def _problems(config: DictConfig) -> tuple[list["Problem"], int]:
    """Open the data set and verify it; return the problems, and how many images were read."""
    from segnet.build import data_from_config
    from segnet.data.verification import folder_splits, reading_bar, split_sources, verify_splits
    from segnet.data.verification.problems import by_severity
    from segnet.devices import available_cores

    threads = config.threads or available_cores()
    if config.data.dataset._target_ == "segnet.data.Folder" and config.data.root is not None:
        # The settings of the config itself follow from the folder, which may be too broken for that.
        folder = folder_splits(Path(config.data.root))
        first, classes, ignore_index = folder.problems, folder.classes, int(config.data.ignore_index)
        splits: dict[str, SegmentationDataset] = dict(folder.splits)
        found = verify_splits(splits, classes, ignore_index, threads, reading_bar)
        return by_severity(first + found), sum(len(split.ids) for split in splits.values())
    data = data_from_config(config)
    sources, first = split_sources(data)
    found = verify_splits(sources, data.classes, data.ignore_index, threads, reading_bar)
    return by_severity(first + found), sum(len(split.ids) for split in sources.values())


def _print(console: "Console", problems: list["Problem"], rows: int | None) -> None:
    from rich.table import Table
    from rich.text import Text

    if not problems:
        return
    table = Table("", "problem", "split", "file", "what, and what to do", show_lines=False)
    of_kind = Counter((problem.kind, problem.split) for problem in problems)
    shown: Counter[tuple[str, str]] = Counter()
    colours = {"error": "red", "warning": "yellow", "note": "dim"}
    for problem in problems:
        key = (problem.kind, problem.split)
        shown[key] += 1
        if rows is None or shown[key] <= rows:
            cells = [problem.kind, problem.split, problem.file, problem.detail]
            table.add_row(Text(problem.severity, colours[problem.severity]), *map(Text, cells))
        elif shown[key] == rows + 1:
            more = f"and {of_kind[key] - rows} more: rows=null shows all"
            table.add_row("", problem.kind, problem.split, "...", more)
    console.print(table)


def _write_table(path: Path, problems: list["Problem"]) -> None:
    from segnet.run_folder import write_whole

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["severity", "problem", "split", "file", "detail"])
    writer.writerows([[one.severity, one.kind, one.split, one.file, one.detail] for one in problems])
    write_whole(path, text.getvalue())


def _write_list(config: DictConfig, problems: list["Problem"]) -> None:
    """Add the images with errors to the list of what is left out."""
    from segnet.run_folder import write_whole

    is_folder = config.data.dataset._target_ == "segnet.data.Folder"
    root = Path(config.data.root if is_folder else ".")
    path = (root.parent if root.is_file() else root) / LEAVE_OUT
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    new = sorted({one.sample for one in problems if one.severity == "error" and one.sample} - set(before))
    if not new:
        print("nothing to leave out: no error is that of one image")
        return
    write_whole(path, "".join(f"{line}\n" for line in [*before, *new]))
    heeded = "a training leaves them out from now on" if is_folder else "data=folder alone heeds such a list"
    print(f"written: {path}, {len(new)} image{'' if len(new) == 1 else 's'} more; {heeded}")


def main() -> None:
    """Run the command; its first word is the action."""
    if len(sys.argv) > 1 and "=" not in sys.argv[1] and not sys.argv[1].startswith("-"):
        sys.argv[1] = f"action={sys.argv[1]}"
    run_command("data", work)


if __name__ == "__main__":
    main()
