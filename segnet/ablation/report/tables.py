"""The tables of an experiment as cells that know which number of the results they show."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segnet.ablation.report.text import COST_NAMES, MISSING, interval, points


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: as shown.
        path: of the number in the results, keys joined by tabs (names may hold anything else); None: it shows none.
        value: that number; None where there is none.
        detail: what goes beside the number, such as its interval.
        sign: of a verdict: better or worse.
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


def look_up(results: Mapping[str, Any], path: str) -> Any:
    """Return what a :attr:`Cell.path` leads to.

    Raises:
        KeyError: nothing.
    """
    node: Any = results
    for key in path.split("\t"):
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (IndexError, TypeError, ValueError) as error:
            raise KeyError(path) from error
    return node


def arm_table(results: Mapping[str, Any], kind: str) -> Table:
    """Make the main table: a row an arm, with scores, the difference from the baseline, and costs."""
    variant = results["variants"][kind]
    measures, costs = results["measures"], shown_costs(variant)
    baseline = results["baseline"]
    columns = [
        "arm",
        "mIoU",
        f"vs {baseline}",
        *(one["name"] for one in measures[1:]),
        *(COST_NAMES[c][0] for c in costs),
    ]
    rows = []
    for arm, one in variant["arms"].items():
        scores = [_score_cell(variant, kind, arm, measure["key"]) for measure in measures]
        difference = _difference_cell(variant, kind, "miou", arm, arm == baseline)
        spent = [
            _number_cell(one["costs"][cost], COST_NAMES[cost][1], "variants", kind, "arms", arm, "costs", cost)
            for cost in costs
        ]
        done = sum(run["arm"] == arm and run["status"] == "completed" for run in variant["runs"])
        planned = sum(run["arm"] == arm for run in variant["runs"])
        rows.append([Cell(arm), scores[0], difference, *scores[1:], *spent, Cell(f"{done} of {planned}")])
    return Table(f"{'Matched in ' + str(results['match']) if kind == 'matched' else 'As is'}", [*columns, "runs"], rows)


def first_table(results: Mapping[str, Any], kind: str) -> Table:
    """Make the table of the first screen: the main table with what matters least put beside what it belongs to."""
    variant = results["variants"][kind]
    whole = arm_table(results, kind)
    columns = ["arm", "mIoU", f"vs {results['baseline']}", "boundary F1", "parameters", "multiplications", "memory"]
    rows = []
    for (arm, one), row in zip(variant["arms"].items(), whole.rows, strict=True):
        costs = one["costs"]

        def cost(key: str, detail: str = "", arm: str = arm, costs: Mapping[str, Any] = costs) -> Cell:
            path = path_of("variants", kind, "arms", arm, "costs", key)
            value = costs[key]
            return Cell(COST_NAMES[key][1](value), None if value is None else path, value, detail)

        plain = costs["plain_macs"] not in (None, costs["macs"])
        spent = [
            cost("params"),
            cost("macs", f"plain {text_of(costs, 'plain_macs')}" if plain else ""),
            cost("activation_bytes", f"{text_of(costs, 'index_bytes')} indices" if costs["index_bytes"] else ""),
            cost("inference_ms", f"step {text_of(costs, 'training_step_ms')}" if costs["training_step_ms"] else ""),
        ]
        rows.append([*row[:4], *spent, row[-1]])
    return Table(whole.title, [*columns, "latency", "runs"], rows)


def text_of(costs: Mapping[str, Any], cost: str) -> str:
    """Show one cost of an arm."""
    return COST_NAMES[cost][1](costs[cost])


def boundary_table(results: Mapping[str, Any], kind: str) -> Table:
    """Make the table of the scores beside mIoU: each with its difference from the baseline."""
    variant, baseline = results["variants"][kind], results["baseline"]
    measures = results["measures"][1:]
    columns = ["arm", *(title for one in measures for title in (one["name"], f"vs {baseline}"))]
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


def shown_costs(variant: Mapping[str, Any]) -> list[str]:
    """Return the costs that at least one arm has, and that say more than another one does."""
    costs = {cost: [one["costs"][cost] for one in variant["arms"].values()] for cost in COST_NAMES}
    shown = [cost for cost, values in costs.items() if any(value is not None for value in values)]
    if costs["plain_macs"] == costs["macs"]:
        shown = [cost for cost in shown if cost != "plain_macs"]
    return [cost for cost in shown if cost != "index_bytes" or any(costs[cost])]


def _score_cell(variant: Mapping[str, Any], kind: str, arm: str, key: str) -> Cell:
    score = variant["arms"][arm]["scores"].get(key)
    if score is None or score["mean"] is None:
        return Cell(MISSING)
    path = path_of("variants", kind, "arms", arm, "scores", key, "mean")
    return Cell(points(score["mean"]), path, score["mean"], interval(score["interval"]))


def _difference_cell(variant: Mapping[str, Any], kind: str, key: str, arm: str, is_baseline: bool) -> Cell:
    places = {one["arm"]: place for place, one in enumerate(variant["comparisons"].get(key, []))}
    if arm not in places:
        return Cell("baseline" if is_baseline else MISSING)
    found = variant["comparisons"][key][places[arm]]
    if found["difference"] is None:
        return Cell(MISSING)
    sign = {"better": " ▲", "worse": " ▼"}.get(found["outcome"], "")
    path = path_of("variants", kind, "comparisons", key, places[arm], "difference")
    shown = points(found["difference"], signed=True)
    return Cell(shown, path, found["difference"], interval(found["interval"], True), sign)


def _number_cell(value: float | None, show: Any, *keys: str) -> Cell:
    return Cell(show(value), None if value is None else path_of(*keys), value)


def class_table(results: Mapping[str, Any], kind: str) -> Table:
    """Make the table of IoU by class: a row a class, a column an arm."""
    arms = results["variants"][kind]["arms"]
    classes = dict.fromkeys(name for one in arms.values() for name in one["classes"])
    rows = [
        [
            Cell(name),
            *(
                _number_cell(one["classes"][name]["mean"], points, *_class_path(kind, arm, name))
                if name in one["classes"]
                else Cell(MISSING)
                for arm, one in arms.items()
            ),
        ]
        for name in classes
    ]
    return Table("IoU by class", ["class", *arms], rows)


def _class_path(kind: str, arm: str, name: str) -> tuple[str, ...]:
    return "variants", kind, "arms", arm, "classes", name, "mean"


def runs_csv(results: Mapping[str, Any]) -> str:
    """Write a row a run, of all comparisons; an arm's costs are in each of its rows."""
    rows = [
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


def markdown(results: Mapping[str, Any]) -> str:
    """Write the verdicts and the tables in Markdown."""
    parts = [f"# {results['name']}", ""]
    for kind, variant in results["variants"].items():
        table = arm_table(results, kind)
        parts += [f"## {table.title}", ""]
        parts += [f"- {one['verdict']}" for one in variant["comparisons"].get("miou", [])]
        parts += [f"- nothing is compared: {variant['skipped']}"] if variant["skipped"] else []
        parts += ["", *_markdown_rows(table), "", *_markdown_rows(class_table(results, kind)), ""]
    parts += [_note(results), ""]
    return "\n".join(parts)


def _markdown_rows(table: Table) -> list[str]:
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)]]
    lines += [[" ".join(filter(None, (cell.text, cell.detail))) for cell in row] for row in table.rows]
    return ["| " + " | ".join(one.replace("|", "\\|") for one in line) + " |" for line in lines]


def latex(results: Mapping[str, Any]) -> str:
    """Write the tables in LaTeX, for ``booktabs``."""
    parts = [f"% {_note(results)}", "% needs \\usepackage{booktabs}"]
    for kind in results["variants"]:
        for table in (arm_table(results, kind), class_table(results, kind)):
            parts += [
                "",
                f"% {table.title}".replace("\n", " "),
                f"\\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
            ]
            parts += ["\\toprule", _latex_row(table.columns), "\\midrule"]
            parts += [_latex_row([" ".join(filter(None, (c.text, c.detail))) for c in row]) for row in table.rows]
            parts += ["\\bottomrule", "\\end{tabular}"]
    return "\n".join(parts) + "\n"


_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", MISSING: "--"}
    | {"\N{MINUS SIGN}": "$-$"}
)


def _latex_row(cells: Sequence[str]) -> str:
    # A bracket at the start of a row would be read as an option of the line break before it.
    return " & ".join(cell.translate(_LATEX) for cell in cells) + " \\\\ \\relax"


def _note(results: Mapping[str, Any]) -> str:
    return (
        f"Scores in points on the {results['split']} split, mean over seeds; in brackets {results['confidence']:.0%} "
        f"intervals for further seeds and further images."
    )
