"""Writing the results of an experiment, for people and for programs."""

import json
from pathlib import Path

from segnet.ablation.design.files import CSV, LATEX, MARKDOWN, PAGE, RESULTS
from segnet.ablation.report.page import render_page
from segnet.ablation.report.tables import latex, markdown, runs_csv
from segnet.ablation.report.terminal import print_results
from segnet.ablation.results.collection import collect
from segnet.ablation.results.experiment_folder import ExperimentFolder, compared_scores, read_experiment
from segnet.ablation.results.inspection import Inspection
from segnet.ablation.results.records import Results
from segnet.resampling.bootstrap import RESAMPLES
from segnet.run_folder import read_json, write_whole


def render(results: Results, folder: ExperimentFolder, inspection: Inspection) -> dict[str, str]:
    """Render everything that is written of ``results.json``, by file; the same arguments give the same text."""
    return {
        CSV: runs_csv(results),
        MARKDOWN: markdown(results),
        LATEX: latex(results),
        PAGE: render_page(results, folder, inspection),
    }


def write_report(experiment_dir: str | Path, resamples: int = RESAMPLES) -> Path | None:
    """Write ``results.json``, ``.csv``, ``.md`` and ``.tex`` and ``report.html``, and print the verdict.

    Args:
        experiment_dir: an experiment's folder, see :func:`segnet.ablation.run_ablation`; runs may be missing or failed.
        resamples: of the test images.

    Returns:
        The page; None where no run has the per-image scores that all of it is made from, as in super-resolution.

    Raises:
        UserError: it is not an experiment folder, or some runs have per-image scores and others do not.
    """
    folder = read_experiment(experiment_dir)
    completed = folder.completed_runs()
    if completed and not any(compared_scores(run).is_file() for run in completed):
        scores = compared_scores(Path())
        print(f"no report: the runs in {folder.root} have no {scores}, which task=segmentation writes")
        return None
    text = json.dumps(collect(folder, resamples), indent=1) + "\n"
    write_whole(folder.root / RESULTS, text)
    from segnet.ablation.results.network_inspection import inspect  # late: it loads all of torch

    results: Results = json.loads(text)
    for name, content in render(results, folder, inspect(folder)).items():
        write_whole(folder.root / name, content)
    print_results(results)
    print(f"report: {folder.root / PAGE}")
    return folder.root / PAGE


def shows_all_runs(experiment_dir: str | Path) -> bool:
    """Say whether the results that were written last are those of all runs that are completed now.

    Raises:
        UserError: it is not an experiment folder.
    """
    folder = read_experiment(experiment_dir)
    variants = read_json(folder.root / RESULTS).get("variants", {}).values()
    shown = {run["folder"] for results in variants for run in results["runs"] if run["status"] == "completed"}
    return shown == {run.relative_to(folder.root).as_posix() for run in folder.completed_runs()}
