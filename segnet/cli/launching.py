"""Runs of an experiment, handed to whatever ``hydra/launcher`` names."""

import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from segnet.ablation.design.plan import override_text
from segnet.compat import hydra_callbacks


def work_off_job(config: DictConfig) -> str:
    """Do in a worker what :class:`Launcher` asks of it."""
    from segnet.ablation.execution.jobs import work_off

    return work_off(Path(config.job), config.threads, config.workers)


class Launcher:
    """An engine, see :class:`segnet.ablation.execution.engines.Engine`: a launcher plugin of Hydra's.

    Args:
        threads: CPU threads of each run; None: the cores shared evenly among the workers, or those that the scheduler
            gives where there is one.
    """

    def __init__(self, threads: int | None) -> None:
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.hydra_config import HydraConfig
        from hydra.core.plugins import Plugins
        from hydra.types import HydraContext, RunMode

        hydra, running = GlobalHydra.instance().hydra, HydraConfig.get()
        overrides = [*running.overrides.hydra, *running.overrides.task]
        config = hydra.config_loader.load_configuration(running.job.config_name, overrides, RunMode.MULTIRUN)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=hydra_callbacks(config)),
            task_function=work_off_job,
            config=config,
        )
        self.name = running.runtime.choices["hydra/launcher"]
        self.workers = _workers(config.hydra.launcher, self.name)
        self.survives = self.name not in ("basic", "joblib")
        cores = len(os.sched_getaffinity(0))
        self.threads = threads if threads is not None or self.workers is None else max(1, cores // self.workers)
        self._launched = 0

    def work_off(self, folders: Sequence[Path]) -> None:
        """Hand over one job a folder."""
        settings = [f"threads={'null' if self.threads is None else self.threads}", f"workers={self.workers or 1}"]
        jobs = [[override_text("job", str(folder)), *settings] for folder in folders]
        self._launcher.launch(jobs, initial_job_idx=self._launched)
        self._launched += len(jobs)


def _workers(launcher: DictConfig, name: str) -> int | None:
    """Say how many runs a launcher works on at a time; None where a scheduler decides."""
    if name == "basic":
        return 1
    if name != "joblib":
        return None
    from joblib import effective_n_jobs

    return effective_n_jobs(launcher.n_jobs)
