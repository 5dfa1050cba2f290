"""Runs of an experiment, given to the launcher that ``hydra/launcher`` names."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from segnet.ablation.design.plan import override_text


def run_launched_job(config: DictConfig) -> str:
    """Run in a worker the job that :class:`Launcher` has added to the config."""
    from segnet.ablation.execution.jobs import run_job

    return run_job(Path(config.job.folder), config.job.threads, config.job.workers)


class Launcher:
    """An engine, see :class:`segnet.ablation.execution.engines.Engine`: one of Hydra's launcher plugins.

    Args:
        threads: CPU threads of each run; None: see :func:`segnet.devices.threads_per_run`, or those that the scheduler
            gives where there is one.
    """

    def __init__(self, threads: int | None) -> None:
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.hydra_config import HydraConfig
        from hydra.core.plugins import Plugins
        from hydra.types import HydraContext, RunMode

        from segnet.compat import hydra_callbacks
        from segnet.devices import threads_per_run  # late: both import torch, which workers do after they took a GPU

        hydra, running = GlobalHydra.instance().hydra, HydraConfig.get()
        assert hydra is not None, "a launcher is made inside a command of Hydra's"
        overrides = [*running.overrides.hydra, *running.overrides.task]
        config = hydra.config_loader.load_configuration(running.job.config_name, overrides, RunMode.MULTIRUN)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=hydra_callbacks(config)),
            task_function=run_launched_job,
            config=config,
        )
        self.name = running.runtime.choices["hydra/launcher"]
        self.workers = _workers(config.hydra.launcher, self.name)
        self.isolated = self.name not in ("basic", "joblib")
        if threads is None and self.workers is not None:
            threads = threads_per_run(self.workers)
        self._threads = threads
        self._launched = 0

    def run_jobs(self, folders: Sequence[Path]) -> None:
        """Launch one job for each run folder."""
        jobs = [
            [
                override_text("hydra.sweep.subdir", str(folder)),
                override_text("+job.folder", str(folder)),
                override_text("+job.threads", self._threads),
                override_text("+job.workers", self.workers or 1),
            ]
            for folder in folders
        ]
        self._launcher.launch(jobs, initial_job_idx=self._launched)
        self._launched += len(jobs)


def _workers(launcher: DictConfig, name: str) -> int | None:
    """Return how many runs a launcher trains at a time; None where a scheduler decides."""
    if name == "basic":
        return 1
    if name != "joblib":
        return None
    from joblib import effective_n_jobs

    return int(effective_n_jobs(launcher.n_jobs))
