"""The tables of an experiment as cells that know which number of the results they show."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from segnet.ablation.report.costs import COSTS, cost_of, shown_costs
from segnet.ablation.report.text import MISSING, design, interval, points, rare_classes, sign_of
from segnet.ablation.results.records import ArmResult, Number, Results, VariantResult


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: as shown.
        path: of the number in the results, keys joined by tabs, which no name holds; None: it shows none.
        value: that number; None where there is none.
        detail: goes beside the number, such as its interval.
        sign: of a verdict, see :func:`segnet.ablation.report.text.sign_of`.
    """

    text: str
    path: str | None = None
    value: float | None = None
    detail: str = ""
    sign: str = ""


@dataclass(frozen=True)
class Table:
    """A table: a caption, column titles, and rows of cells of which the first names the row."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]


def path_of(*keys: str | int) -> str:
    """Join keys to a :attr:`Cell.path`."""
    return "\t".join(map(str, keys))


def arm_table(results: Results, kind: str) -> Table:
    """Make the main table: one row for each arm, with scores, the difference from the baseline, and costs."""
    variant = results["variants"][kind]
    measures, costs = results["measures"], shown_costs(variant)
    baseline = results["baseline"]
    names = [measure["name"] for measure in measures[1:]]
    columns = ["arm", measures[0]["name"], f"vs {baseline}", *names, *(COSTS[cost].name for cost in costs), "runs"]
    rows = []
    for arm, result in variant["arms"].items():
        scores = [_score_cell(variant, kind, arm, measure["key"]) for measure in measures]
        difference = _difference_cell(variant, kind, results["primary"], arm, arm == baseline)
        spent = [_cost_cell(result, kind, arm, cost) for cost in costs]
        of_arm = [run["status"] for run in variant["runs"] if run["arm"] == arm]
        runs = Cell(f"{of_arm.count('completed')} of {len(of_arm)}")
        rows.append([Cell(arm), scores[0], difference, *scores[1:], *spent, runs])
    return Table(f"Matched in {results['match']}" if kind == "matched" else "As is", columns, rows)


def first_table(results: Results, kind: str) -> Table:
    """Make the table of the first screen: the main table, with minor costs beside those that they belong to."""
    variant = results["variants"][kind]
    whole = arm_table(results, kind)
    columns = [*whole.columns[:4], "parameters", "MACs", "memory"]
    rows = []
    for (arm, result), row in zip(variant["arms"].items(), whole.rows, strict=True):
        plain_macs, indices, step = (
            COSTS[cost].show(cost_of(result, cost)) for cost in ("plain_macs", "index_bytes", "training_step_ms")
        )
        costs = result["costs"]
        rewritten = costs["plain_macs"] not in (None, costs["macs"])
        details = {
            "params": "",
            "macs": f"plain {plain_macs}" if rewritten else "",
            "activation_bytes": f"{indices} indices" if costs["index_bytes"] else "",
            "inference_ms": f"step {step}" if costs["training_step_ms"] else "",
        }
        spent = [_cost_cell(result, kind, arm, cost, detail) for cost, detail in details.items()]
        rows.append([*row[:4], *spent, row[-1]])
    return Table(whole.title, [*columns, "latency", "runs"], rows)


def boundary_table(results: Results, kind: str) -> Table:
    """Make the table of the exploratory scores: each with its difference from the baseline."""
    variant, baseline = results["variants"][kind], results["baseline"]
    measures = results["measures"][1:]
    columns = ["arm", *(title for measure in measures for title in (measure["name"], f"vs {baseline}, exploratory"))]
    rows = []
    for arm in variant["arms"]:
        row = [Cell(arm)]
        for measure in measures:
            row += [
                _score_cell(variant, kind, arm, measure["key"]),
                _difference_cell(variant, kind, measure["key"], arm, arm == baseline),
            ]
        rows.append(row)
    return Table("Scores near boundaries and of small objects", columns, rows)


def _score_cell(variant: VariantResult, kind: str, arm: str, key: str) -> Cell:
    score = variant["arms"][arm]["scores"].get(key)
    if score is None or score["mean"] is None:
        return Cell(MISSING)
    path = path_of("variants", kind, "arms", arm, "scores", key, "mean")
    return Cell(points(score["mean"]), path, score["mean"], interval(score["interval"]))


def _difference_cell(variant: VariantResult, kind: str, key: str, arm: str, is_baseline: bool) -> Cell:
    places = {comparison["arm"]: place for place, comparison in enumerate(variant["comparisons"].get(key, []))}
    if arm not in places:
        return Cell("baseline" if is_baseline else MISSING)
    comparison = variant["comparisons"][key][places[arm]]
    if comparison["difference"] is None:
        return Cell(MISSING)
    sign = sign_of(comparison)
    path = path_of("variants", kind, "comparisons", key, places[arm], "difference")
    shown = points(comparison["difference"], signed=True)
    return Cell(shown, path, comparison["difference"], interval(comparison["interval"], True), sign)


def _cost_cell(result: ArmResult, kind: str, arm: str, cost: str, detail: str = "") -> Cell:
    path = path_of("variants", kind, "arms", arm, "costs", cost)
    return _number_cell(cost_of(result, cost), COSTS[cost].show, path, detail)


def _number_cell(value: Number, show: Callable[[Number], str], path: str, detail: str = "") -> Cell:
    return Cell(show(value), None if value is None else path, value, detail)


def class_table(results: Results, kind: str) -> Table:
    """Make the table of IoU by class: one row for each class, one column for each arm."""
    arms = results["variants"][kind]["arms"]
    rows = []
    for name in dict.fromkeys(name for arm in arms.values() for name in arm["classes"]):
        row = [Cell(name)]
        for arm, result in arms.items():
            score = result["classes"].get(name)
            path = path_of("variants", kind, "arms", arm, "classes", name, "mean")
            row.append(_number_cell(score["mean"], points, path) if score else Cell(MISSING))
        rows.append(row)
    return Table("IoU by class", ["class", *arms], rows)


def runs_csv(results: Results) -> str:
    """Write one row for each run of all comparisons; an arm's costs are in each of its rows."""
    rows: list[dict[str, Any]] = [
        run | {f"cost/{key}": value for key, value in variant["arms"][run["arm"]]["costs"].items()}
        for variant in results["variants"].values()
        for run in variant["runs"]
    ]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def markdown(results: Results) -> str:
    """Write the verdicts and the tables in Markdown."""
    parts = [f"# {results['name']}", ""]
    for kind, variant in results["variants"].items():
        table = arm_table(results, kind)
        parts += [f"## {table.title}", ""]
        for comparison in variant["comparisons"].get(results["primary"], []):
            parts += [f"- {comparison['verdict']}", *([f"  ({said})"] if (said := design(comparison)) else [])]
        parts += [f"- {sentence}" for sentence in variant["without_runs"]]
        parts += [f"- nothing is compared: {variant['skipped']}"] if variant["skipped"] else []
        parts += [f"- {rare}"] if (rare := rare_classes(variant)) else []
        parts += [
            "",
            *_markdown_rows(table),
            "",
            *_markdown_rows(boundary_table(results, kind)),
            "",
            *_markdown_rows(class_table(results, kind)),
            "",
        ]
    parts += [_note(results), ""]
    return "\n".join(parts)


def _markdown_rows(table: Table) -> list[str]:
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)]]
    lines += [_texts(row) for row in table.rows]
    return ["| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines]


def _texts(row: list[Cell]) -> list[str]:
    return [" ".join(filter(None, (cell.text, cell.detail, cell.sign.strip()))) for cell in row]


def latex(results: Results) -> str:
    """Write the tables in LaTeX, for ``booktabs``."""
    parts = [f"% {_note(results)}", "% needs \\usepackage{booktabs,amssymb}"]
    for kind in results["variants"]:
        for table in (arm_table(results, kind), boundary_table(results, kind), class_table(results, kind)):
            parts += [
                "",
                f"% {table.title}".replace("\n", " "),
                f"\\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
            ]
            parts += ["\\toprule", _latex_row(table.columns), "\\midrule"]
            parts += [_latex_row(_texts(row)) for row in table.rows]
            parts += ["\\bottomrule", "\\end{tabular}"]
    return "\n".join(parts) + "\n"


_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", MISSING: "--"}
    | {"\N{MINUS SIGN}": "$-$", "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$"}
    | {"△": r"$\vartriangle$", "▽": r"$\triangledown$"}
)


def _latex_row(cells: Sequence[str]) -> str:
    # A bracket at the start of a row would be read as an option of the line break before it.
    return " & ".join(cell.translate(_LATEX) for cell in cells) + " \\\\ \\relax"


def _note(results: Results) -> str:
    return (
        f"Scores in points on the {results['split']} split, mean over seeds; in brackets {results['confidence']:.0%} "
        f"intervals for further seeds and further images. {results['measures'][0]['name']} was declared primary: "
        f"▲ better and ▼ worse than {results['baseline']}, corrected for the number of arms; △ and ▽ are exploratory."
    )
