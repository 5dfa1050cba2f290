"""The report: one page that holds all it needs, and opens from the disk."""

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import jinja2
from omegaconf import OmegaConf

from segnet.ablation.report import chart_parts, charts, curve_charts, tables, text
from segnet.ablation.report.pictures import crop_pictures, heat_maps
from segnet.ablation.results.experiment_folder import ExperimentFolder
from segnet.ablation.results.inspection import Inspection

TEMPLATES = Path(__file__).parent / "template"
KIND_NAMES = {"as_is": "as is", "matched": "matched"}


def render(results: Mapping[str, Any], folder: ExperimentFolder, inspection: Inspection) -> str:
    """Render the page.

    Args:
        results: what :func:`segnet.ablation.results.collection.collect` made of the experiment, as read back from JSON.
        folder: the experiment, for what was done and how.
        inspection: of its trained networks.

    Returns:
        HTML, with everything inside.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"points": text.points, "interval": text.interval, "p_value": text.p_value}
    environment.filters |= {"embed": embed, "minus": text.with_minus}
    return environment.get_template("report.html").render(_context(results, folder, inspection))


def embed(value: Any) -> str:
    """Write JSON that may stand inside a script element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _context(results: Mapping[str, Any], folder: ExperimentFolder, inspection: Inspection) -> dict[str, Any]:
    kind = next(iter(results["variants"]))
    variant = results["variants"][kind]
    styles = {arm: {"place": place, **chart_parts.arm_style(place)} for place, arm in enumerate(variant["arms"])}
    shown = _charts(results, kind, inspection)
    return {
        "results": results,
        "record": folder.record,
        "folder_name": folder.root.name,
        "kind": kind,
        "kind_names": KIND_NAMES,
        "variant": variant,
        "arms": styles,
        "headline": text.headline(variant, results["baseline"]),
        "verdicts_of": {name: _by_outcome(one) for name, one in results["variants"].items()},
        "same_costs": [text.COST_NAMES[cost][0] for cost in charts.same_costs(variant)],
        "pairs": {(one["baseline"], one["arm"]): one for one in variant["pairs"]},
        "missing": _missing(results),
        "tables": {name: tables.first_table(results, name) for name in results["variants"]},
        "boundary_table": tables.boundary_table(results, kind),
        "class_table": tables.class_table(results, kind),
        "strips": {name: _strips(results, name) for name in results["variants"]},
        "charts": shown,
        "chart_data": {chart["key"]: chart for chart in shown.values()},
        "inspection": inspection.numbers,
        "maps": heat_maps(inspection.maps),
        "crops": _crops(inspection),
        "fairness": _fairness(folder.fairness),
        "allowed": folder.plan.get("allow") or [],
        "plan_text": _plan_text(folder.plan),
        "config_text": OmegaConf.to_yaml(OmegaConf.create(folder.plan.get("baseline_config") or {})),
        "command": _command(folder.record.get("command", "")),
        "plotly": _plotly(),
        "today": date.today().isoformat(),
        "style": (TEMPLATES / "style.css").read_text(),
        "script": (TEMPLATES / "report.js").read_text(),
    }


def _charts(results: Mapping[str, Any], kind: str, inspection: Inspection) -> dict[str, Any]:
    arms = list(results["variants"][kind]["arms"])
    made = [
        charts.pareto(results, kind),
        charts.interaction(results, kind),
        charts.matched(results),
        charts.class_differences(results, kind),
        curve_charts.learning(results, kind),
        curve_charts.trimap(results, kind),
        curve_charts.ceiling(inspection.numbers.get("ceiling", []), arms),
        curve_charts.fusion(results, kind),
    ]
    return {chart["key"]: chart for chart in made if chart is not None}


def _by_outcome(variant: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Order the comparisons with the baseline: what is better first, the largest difference before others."""
    order = ("better", "worse", "none", "no verdict")
    found = variant["comparisons"].get("miou", [])
    return sorted(found, key=lambda one: (order.index(one["outcome"]), -abs(one["difference"] or 0)))


def _missing(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the runs that are not completed, once each."""
    runs = [run for variant in results["variants"].values() for run in variant["runs"] if run["status"] != "completed"]
    return list({run["folder"]: run for run in runs}.values())


def _strips(results: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Place each arm's mean, interval and seeds on one scale, 0..100, for the small pictures in the table."""
    variant = results["variants"][kind]
    scores = {arm: one["scores"].get("miou") for arm, one in variant["arms"].items()}
    numbers = [
        number
        for score in scores.values()
        if score
        for number in (*score["values"].values(), *score["interval"])
        if number is not None
    ]
    if not numbers:
        return {}
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0

    def place(number: float | None) -> float | None:
        return None if number is None else round(3 + 94 * (number - low) / span, 2)

    baseline = scores.get(results["baseline"])
    return {
        "low": low,
        "high": high,
        "baseline": place(baseline["mean"]) if baseline else None,
        "arms": {
            arm: {
                "mean": place(score["mean"]),
                "interval": [place(end) for end in score["interval"]],
                "seeds": [place(value) for value in score["values"].values()],
            }
            for arm, score in scores.items()
            if score
        },
    }


def _crops(inspection: Inspection) -> list[dict[str, Any]]:
    numbers = inspection.numbers
    return [crop_pictures(crop, numbers["colours"], numbers["ignore_index"]) for crop in inspection.crops]


def _fairness(fairness: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten the proof to what can be read: one hash for all shared parameters of a seed."""
    checked = {}
    for kind, found in fairness.get("checked", {}).items():
        seeds = []
        for seed, parameters in found["parameters"].items():
            batches, trained = found["batches"][seed], fairness.get("trained", {}).get("seeds", {}).get(seed, {})
            seeds.append(
                {
                    "seed": seed,
                    "shared": len(parameters["shared"]),
                    "hash": _digest(parameters["shared"]),
                    "different": parameters["different"],
                    "order": batches.get("order"),
                    "batches": [str(one) for one in batches.get("batches", [])],
                    "same_batches": batches["same"],
                    "trained": [str(one) for one in trained.get("batches", [])],
                    "same_trained": trained.get("same"),
                }
            )
        own = {arm: names for arm, names in next(iter(found["parameters"].values()))["own"].items() if names}
        checked[kind] = {
            "differing": {key: {arm: _value(one) for arm, one in of.items()} for key, of in found["differing"].items()},
            "derived": found["derived"],
            "own": own,
            "seeds": seeds,
        }
    return {
        "axis": fairness.get("axis", []),
        "checked": checked,
        "problems": fairness.get("trained", {}).get("problems", []),
    }


def _digest(values: Mapping[str, str]) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _plan_text(plan: Mapping[str, Any]) -> str:
    return OmegaConf.to_yaml(OmegaConf.create({key: one for key, one in plan.items() if key != "baseline_config"}))


def _command(command: Any) -> str:
    import shlex

    return command if isinstance(command, str) else shlex.join(map(str, command))


@functools.cache
def _plotly() -> str:
    """Return Plotly's script, compressed: the page unpacks it when it has been shown."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
