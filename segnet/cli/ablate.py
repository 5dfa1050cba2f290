"""``segnet-ablate``: run a controlled comparison, or the runs that are missing from it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from segnet.cli.entry import run_command
from segnet.config import to_values
from segnet.errors import UserError

if TYPE_CHECKING:
    from segnet.ablation.design.plan import Plan

SHOWN_DRIFTS = 20
OF_THE_COMMAND = ("also_fixed", "ablation_dir", "threads", "report", "verify", "bundle", "from")


def plan_from_config(config: DictConfig) -> "Plan":
    """Read the plan.

    Raises:
        UserError: a setting is not known, or the plan does not make an experiment.
    """
    from dataclasses import fields

    from segnet.ablation.design.plan import Plan, Tuning

    values: dict[str, Any] = to_values(config)
    values["fixed"] = [*values["fixed"], *values["also_fixed"]]
    values = {key: value for key, value in values.items() if key not in OF_THE_COMMAND}
    _refuse_unknown(values, [field.name for field in fields(Plan) if field.init], "a plan")
    if values["tuning"] is not None:
        _refuse_unknown(values["tuning"], [field.name for field in fields(Tuning)], "tuning")
        values["tuning"] = Tuning(**values["tuning"])
    return Plan(**values)


def _refuse_unknown(values: dict[str, Any], known: list[str], what: str) -> None:
    for key in values:
        if key not in known:
            raise UserError(f"{what} has no setting {key}: choose among {', '.join(known)}")


def work(config: DictConfig) -> None:
    """Run an experiment, or write its report, or verify or pack it.

    The exit code is 1 if the experiment is not completed, or a number drifted.
    """
    if config.verify is not None:
        _verify(Path(config.verify))
        return
    if config.report is not None:
        from segnet.ablation.report.writing import write_report

        write_report(Path(config.report))
        return
    if config.bundle is not None:
        _pack(Path(config.ablation_dir), Path(config.bundle))
        return
    if not config.factors:
        raise UserError("say ablation=..., as in ablation=quick, or give factors of your own")
    plan = plan_from_config(config)
    from segnet.ablation.experiment import run_ablation
    from segnet.cli.launching import Launcher

    record = run_ablation(plan, Path(config.ablation_dir), Launcher(config.threads), config["from"])
    if record["status"] != "completed":
        sys.exit(1)


def _verify(experiment_dir: Path) -> None:
    from segnet.ablation.report.verification import verify

    result = verify(experiment_dir)
    for drift in result.drifts[:SHOWN_DRIFTS]:
        print(drift)
    if len(result.drifts) > SHOWN_DRIFTS:
        print(f"... and {len(result.drifts) - SHOWN_DRIFTS} more")
    outcome = f"{len(result.drifts)} drifted" if result.drifts else "none drifted"
    files = len(result.rendered)
    print(f"{experiment_dir}: {result.checked:,} values computed and {files} files rendered again, {outcome}")
    if result.drifts:
        sys.exit(1)


def _pack(experiment_dir: Path, bundle: Path) -> None:
    from segnet.ablation.report.writing import shows_all_runs, write_report
    from segnet.ablation.results.bundle import pack

    if not shows_all_runs(experiment_dir):  # it still runs, or was killed before its end
        write_report(experiment_dir)
    record = pack(experiment_dir, bundle)
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    print(f"{len(record['runs'])} runs packed, {size / 1e6:.1f} MB: {bundle}")


def main() -> None:
    """Run the command."""
    run_command("ablate", work)


if __name__ == "__main__":
    main()
