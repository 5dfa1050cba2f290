"""What the runs of an experiment came to, written for people and for programs."""

import json
from pathlib import Path

from segnet.ablation.report.tables import latex, markdown, runs_csv
from segnet.ablation.report.terminal import print_results
from segnet.ablation.report.verification import CSV, LATEX, MARKDOWN, PAGE, RESULTS
from segnet.ablation.results.collection import collect
from segnet.ablation.results.experiment_folder import COSTS, EXPERIMENT, SCORES, read_experiment
from segnet.ablation.statistics.bootstrap import RESAMPLES
from segnet.run_folder import write_whole

__all__ = ["COSTS", "EXPERIMENT", "write_report"]


def write_report(experiment_dir: str | Path, resamples: int = RESAMPLES) -> Path | None:
    """Write ``results.json``, ``.csv``, ``.md`` and ``.tex`` and ``report.html``, and print the verdict.

    Args:
        experiment_dir: what :func:`segnet.ablation.run_ablation` wrote; runs may be missing or failed.
        resamples: of the test images.

    Returns:
        The page; None where no run has the per-image scores that all of it is made from, as in super-resolution.

    Raises:
        UserError: it is no experiment folder, or some runs have per-image scores and others do not.
    """
    folder = read_experiment(experiment_dir)
    done = [run for kind in folder.kinds for seeds in folder.done(kind).values() for run in seeds.values()]
    if done and not any((run / SCORES).is_file() for run in done):
        print(f"no report: the runs in {folder.root} have no {SCORES}, which task=segmentation writes")
        return None
    results = json.loads(json.dumps(collect(folder, resamples)))
    write_whole(folder.root / RESULTS, json.dumps(results, indent=1) + "\n")
    write_whole(folder.root / CSV, runs_csv(results))
    write_whole(folder.root / MARKDOWN, markdown(results))
    write_whole(folder.root / LATEX, latex(results))
    # Late: they load torch, and the tables are written by then.
    from segnet.ablation.report.page import render
    from segnet.ablation.results.inspection import inspect

    write_whole(folder.root / PAGE, render(results, folder, inspect(folder)))
    print_results(results)
    print(f"report: {folder.root / PAGE}")
    return folder.root / PAGE
