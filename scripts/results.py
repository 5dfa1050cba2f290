"""Write the tables of docs/results.md, and the verdict of README, from what is committed; draw the verdict's picture.

    python -m scripts.results             write
    python -m scripts.results --check     write nothing; name what is out of date, exit code 1
    python -m scripts.results --reports   write each experiment's report.html beside its bundle, for the docs site

Sources: the bundles in docs/results, and the networks in segnet/pretrained.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from matplotlib.figure import Figure

from scripts.marked_page import replaced
from segnet import pretrained
from segnet.ablation.design.files import BUNDLE, PAGE, RESULTS
from segnet.ablation.report import text
from segnet.ablation.report.costs import COSTS, cost_of
from segnet.ablation.report.page import render_page
from segnet.ablation.results.experiment_folder import read_experiment
from segnet.ablation.results.inspection import Inspection, read_inspection
from segnet.ablation.results.records import ComparisonResult, Results, VariantResult
from segnet.run_folder import METRICS, read_json, write_whole

ROOT = Path(__file__).parent.parent
BUNDLES = ROOT / "docs" / "results"
PICTURE = ROOT / "docs" / "images" / "upsamplers.png"
SCRIPT = "scripts/results.py"
RECIPE = "camvid"  # the network in segnet/pretrained of experiment=camvid_cpu
HEADLINE = "upsamplers"  # the experiment whose verdict README opens with


def bundles() -> list[str]:
    """Return the names of the experiments in docs/results."""
    return sorted(path.parent.name for path in BUNDLES.glob(f"*/{BUNDLE}"))


def read_results(name: str) -> Results:
    """Read the results of an experiment in docs/results."""
    return cast(Results, json.loads((BUNDLES / name / RESULTS).read_text(encoding="utf-8")))


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set cells out in Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))


def recipe_table() -> str:
    """Return the scores of the network that ``experiment=camvid_cpu`` trained."""
    folder = pretrained.locate(f"{pretrained.SHIPPED}{RECIPE}")
    metrics, evaluation = read_json(folder / METRICS), read_json(folder / "evaluation.json")
    low, high = evaluation["intervals"]["test/miou"]
    row = [
        str(metrics["seed"]),
        f"{metrics['params'] / 1e6:.2f} M",
        str(metrics["epochs"]),
        percent(metrics["val/miou"]),
        percent(metrics["test/miou"]),
        f"{percent(low)} to {percent(high)}",
        percent(metrics["test/boundary_f1"]),
        f"{metrics['train_seconds'] / 60:.0f} min",
    ]
    return markdown_table(
        [
            "seed",
            "parameters",
            "epochs",
            "validation mIoU",
            "test mIoU",
            "95% interval",
            "test boundary F1",
            "training",
        ],
        [row],
    )


def percent(share: float) -> str:
    """Write a share in points: 0.592 is "59.2"."""
    return f"{100 * share:.1f}"


def pretrained_table() -> str:
    """Return the scores of the networks that come with the package."""
    rows = []
    for name in pretrained.names():
        folder = pretrained.locate(f"{pretrained.SHIPPED}{name}")
        metrics = read_json(folder / METRICS)
        size = (folder / pretrained.WEIGHTS).stat().st_size / 2**20
        scores = [percent(metrics[key]) for key in ("val/miou", "test/miou", "test/boundary_f1")]
        rows.append([f"`pretrained/{name}`", str(metrics["seed"]), f"{metrics['params']:,}", f"{size:.1f}", *scores])
    titles = ["network", "seed", "parameters", "MiB", "validation mIoU", "test mIoU", "test boundary F1"]
    return markdown_table(titles, rows)


def experiment_table(results: Results) -> str:
    """Return an experiment's arms: scores in points, the difference from the baseline, costs."""
    variant, baseline, primary = as_planned(results), results["baseline"], results["primary"]
    names = {measure["key"]: measure["name"] for measure in results["measures"]}
    second = "boundary_f1" if primary != "boundary_f1" else "miou"
    differences = {comparison["arm"]: comparison for comparison in variant["comparisons"].get(primary, [])}
    rows = []
    for arm, result in variant["arms"].items():
        score, other = result["scores"][primary], result["scores"][second]
        rows.append(
            [
                arm,
                str(len(score["values"]) if score else 0),
                text.points(score["mean"] if score else None),
                "baseline" if arm == baseline else _difference(differences.get(arm)),
                text.points(other["mean"] if other else None),
                *(COSTS[cost].show(cost_of(result, cost)) for cost in ("params", "macs")),
            ]
        )
    titles = ["arm", "seeds", names[primary], f"against {baseline} [95% interval]", names[second], "parameters", "MACs"]
    return markdown_table(titles, rows)


def as_planned(results: Results) -> VariantResult:
    """Return the comparison that was planned first; a second one, if any, is matched in cost."""
    return next(iter(results["variants"].values()))


def _difference(comparison: ComparisonResult | None) -> str:
    if comparison is None:
        return text.MISSING
    shown = f"{text.points(comparison['difference'], signed=True)} {text.interval(comparison['interval'], signed=True)}"
    return f"{shown.strip()}{text.sign_of(comparison)}"


def verdict(results: Results) -> str:
    """Say what an experiment found, and what it could not have found."""
    variant, baseline = as_planned(results), results["baseline"]
    counts = {
        len(cast(Mapping[str, Any], arm["scores"][results["primary"]])["values"]) for arm in variant["arms"].values()
    }
    seeds = " or ".join(map(str, sorted(counts)))
    found = f"{len(variant['arms'])} arms, {seeds} seeds each. {text.headline(variant, baseline)}"
    hidden = [
        (comparison["smallest_detectable"], comparison["arm"])
        for comparison in variant["comparisons"].get(results["primary"], [])
        if comparison["outcome"] == "none" and comparison["smallest_detectable"] is not None
    ]
    if not hidden:
        return found
    least, arm = min(hidden)
    scatters = f" ({arm}, the arm that scatters least)" if len(hidden) > 1 else ""
    return f"{found} Below {least:.1f} points{scatters} no difference could have been seen."


def experiment_section(name: str) -> str:
    """Return table and verdict of an experiment in docs/results."""
    results = read_results(name)
    return (
        f"{experiment_table(results)}\n\n**{verdict(results)}** Means over seeds in points on the {results['split']} "
        f"split; ▲ and ▼ stand beside detected differences. [The whole report](results/{name}/{PAGE}), and [all "
        f"tables](results/{name}/results.md)."
    )


def pages() -> dict[Path, str]:
    """Return the pages as they should be."""
    page, readme = ROOT / "docs" / "results.md", ROOT / "README.md"
    content = page.read_text(encoding="utf-8")
    parts = {"recipe": recipe_table(), "networks": pretrained_table()}
    for name in bundles():
        parts[name] = experiment_section(name)
    for name, part in parts.items():
        content = replaced(content, name, SCRIPT, part)
    opening = (
        f"**Does the upsampler matter?** On CamVid, in the same small network without skip connections: "
        f"{verdict(read_results(HEADLINE))} [Tables, and everything needed to repeat them](docs/results.md).\n\n"
        f"![Test mIoU of each upsampler less that of bilinear: each seed, mean and interval]"
        f"({PICTURE.relative_to(ROOT).as_posix()})"
    )
    return {page: content, readme: replaced(readme.read_text(encoding="utf-8"), "verdict", SCRIPT, opening)}


def draw(results: Results) -> Figure:
    """Draw each arm's difference from the baseline: seeds as dots, mean and interval as a line."""
    comparisons = as_planned(results)["comparisons"][results["primary"]]
    ordered = sorted(comparisons, key=lambda comparison: comparison["difference"] or 0)
    figure = Figure(figsize=(7, 0.34 * len(ordered) + 0.9), layout="constrained", dpi=110)
    axes = figure.add_subplot()
    axes.axvline(0, color="0.4", linewidth=1)
    for row, comparison in enumerate(ordered):
        low, high = comparison["interval"]
        colour = {"better": "#0b6e4f", "worse": "#a4243b"}.get(comparison["outcome"], "0.35")
        if low is not None and high is not None:
            axes.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(comparison["difference"], row, "|", color=colour, markersize=12, markeredgewidth=2)
        axes.plot(
            list(comparison["differences"].values()), [row] * len(comparison["differences"]), "o", color="#2a6fbb"
        )
    axes.set_yticks(range(len(ordered)), [comparison["arm"] for comparison in ordered])
    axes.set_xlabel(f"test mIoU less that of {results['baseline']}, points (dots: seeds; bar: mean and 95% interval)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure


def write_reports() -> None:
    """Write the report of each experiment in docs/results beside its bundle."""
    for name in bundles():
        folder = read_experiment(BUNDLES / name)
        inspection = read_inspection(folder.root) or Inspection({"skipped": "the bundle holds none"})
        write_whole(folder.root / PAGE, render_page(read_results(name), folder, inspection))
        print(folder.root / PAGE)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--reports", action="store_true")
    asked = parser.parse_args()
    if asked.reports:
        write_reports()
        return
    stale = [page for page, content in pages().items() if page.read_text(encoding="utf-8") != content]
    if asked.check:
        sys.exit(f"out of date, call python -m scripts.results: {', '.join(map(str, stale))}" if stale else 0)
    for page, content in pages().items():
        write_whole(page, content)
    draw(read_results(HEADLINE)).savefig(PICTURE)


if __name__ == "__main__":
    main()
