"""The report: one page that holds all it needs, and opens from the disk."""

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from segnet.ablation.checks.records import FairnessRecord, TrainedComparison
from segnet.ablation.design.records import PlanRecord
from segnet.ablation.design.runs import AS_IS, MATCHED
from segnet.ablation.report import chart_parts, charts, curve_charts, tables, text
from segnet.ablation.report.costs import COSTS, same_costs
from segnet.ablation.report.pictures import CropPictures, crop_pictures, heat_maps
from segnet.ablation.report.strips import strips
from segnet.ablation.results.experiment_folder import ExperimentFolder
from segnet.ablation.results.inspection import Inspection
from segnet.ablation.results.records import ComparisonResult, Results, Row, VariantResult
from segnet.config import values_to_yaml
from segnet.pages import Chart, render
from segnet.tasks.segmentation.pictures import colour_of_ignored

TEMPLATES = Path(__file__).parent / "template"
KIND_NAMES = {AS_IS: "as is", MATCHED: "matched"}


def render_page(results: Results, folder: ExperimentFolder, inspection: Inspection) -> str:
    """Render the page; the same arguments give the same page.

    Args:
        results: as read back from ``results.json``.
        folder: the experiment, for its plan, its record and its proof of fairness.
        inspection: of its trained networks.

    Returns:
        HTML, with everything inside.
    """
    filters: dict[str, Callable[..., str]] = {
        "points": text.points,
        "interval": text.interval,
        "p_value": text.p_value,
        "resampling": text.resampling,
        "design": text.design,
        "minus": text.with_minus,
    }
    shown = _charts(results, next(iter(results["variants"])), inspection)
    return render(TEMPLATES, "report.html", _context(results, folder, inspection), shown, filters)


def _context(results: Results, folder: ExperimentFolder, inspection: Inspection) -> dict[str, Any]:
    kind = next(iter(results["variants"]))
    variant = results["variants"][kind]
    return {
        "results": results,
        "record": folder.record,
        "kind": kind,
        "kind_names": KIND_NAMES,
        "variant": variant,
        "arms": {arm: {"place": place, **chart_parts.arm_style(place)} for place, arm in enumerate(variant["arms"])},
        "headline": text.headline(variant, results["baseline"]),
        "verdicts_of": {name: _by_outcome(variant) for name, variant in results["variants"].items()},
        "same_costs": [COSTS[cost].name for cost in same_costs(variant)],
        "pairs": {(pair["baseline"], pair["arm"]): pair for pair in variant["pairs"]},
        "missing": _missing(results),
        "rare_classes": text.rare_classes(variant),
        "tables": {name: tables.first_table(results, name) for name in results["variants"]},
        "boundary_table": tables.boundary_table(results, kind),
        "class_table": tables.class_table(results, kind),
        "strips": {name: strips(variant, results["baseline"]) for name, variant in results["variants"].items()},
        "inspection": inspection.numbers,
        "maps": heat_maps(inspection.maps),
        "crops": _crops(inspection),
        "not_scored_colour": colour_of_ignored(inspection.numbers["colours"]) if inspection.crops else (),
        "fairness": _certificate(folder.fairness),
        "allowed": folder.plan.get("allow") or [],
        "plan_text": _plan_text(folder.plan),
        "config_text": values_to_yaml(folder.plan.get("baseline_config") or {}),
        "command": _command(folder.record.get("command", "")),
    }


def _charts(results: Results, kind: str, inspection: Inspection) -> dict[str, Chart]:
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


def _by_outcome(variant: VariantResult) -> list[ComparisonResult]:
    """Order the comparisons with the baseline: better arms first, and larger differences before smaller ones."""
    order = ("better", "worse", "none", "no verdict")
    comparisons = variant["comparisons"].get(variant["primary"], [])
    return sorted(comparisons, key=lambda c: (order.index(c["outcome"]), -abs(c["difference"] or 0)))


def _missing(results: Results) -> list[Row]:
    """List the runs that are not completed, once each."""
    runs = [run for variant in results["variants"].values() for run in variant["runs"] if run["status"] != "completed"]
    return list({run["folder"]: run for run in runs}.values())


def _crops(inspection: Inspection) -> list[CropPictures]:
    numbers = inspection.numbers
    return [crop_pictures(crop, numbers["colours"], numbers["ignore_index"]) for crop in inspection.crops]


class SeedCertificate(TypedDict):
    """The fairness of one seed, in short: one hash for all shared parameters."""

    seed: str
    shared: int
    hash: str
    different: list[str]
    order: str | None
    batches: list[str]
    same_batches: bool
    trained: list[str]
    same_trained: bool | None


class Certificate(TypedDict):
    """The fairness of one comparison, in short."""

    differing: dict[str, dict[str, str]]
    derived: dict[str, str]
    own: dict[str, list[str]]
    seeds: list[SeedCertificate]


def _certificate(fairness: FairnessRecord) -> dict[str, Any]:
    """Shorten the proof so that it can be read."""
    untrained: TrainedComparison = {"seeds": {}, "problems": []}
    trained = fairness.get("trained", untrained)
    checked: dict[str, Certificate] = {}
    for kind, check in fairness.get("checked", {}).items():
        seeds: list[SeedCertificate] = []
        for seed, parameters in check["parameters"].items():
            batches, trained_batches = check["batches"][seed], trained["seeds"].get(seed)
            seeds.append(
                {
                    "seed": seed,
                    "shared": len(parameters["shared"]),
                    "hash": _digest(parameters["shared"]),
                    "different": parameters["different"],
                    "order": batches.get("order"),
                    "batches": batches.get("batches", []),
                    "same_batches": batches["same"],
                    "trained": trained_batches.get("batches", []) if trained_batches else [],
                    "same_trained": trained_batches["same"] if trained_batches else None,
                }
            )
        own = next(iter(check["parameters"].values()))["own"]
        checked[kind] = {
            "differing": {
                key: {arm: _value_text(value) for arm, value in values.items()}
                for key, values in check["differing"].items()
            },
            "derived": check["derived"],
            "own": {arm: names for arm, names in own.items() if names},
            "seeds": seeds,
        }
    return {"axis": fairness.get("axis", []), "checked": checked, "problems": trained["problems"]}


def _digest(values: Mapping[str, str]) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _plan_text(plan: PlanRecord) -> str:
    return values_to_yaml({key: value for key, value in plan.items() if key != "baseline_config"})


def _command(command: str | list[str]) -> str:
    return command if isinstance(command, str) else shlex.join(map(str, command))
