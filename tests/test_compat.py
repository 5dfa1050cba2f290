"""The private names that ``segnet.compat`` uses: a release of torch, Hydra or Lightning without them fails here."""

import subprocess
import sys

import pytest
import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import RichProgressBar

from segnet import compat


@pytest.mark.parametrize("name", ["_is_amx_tile_supported", "_is_avx512_bf16_supported"])
def test_torch_tells_what_a_cpu_has_instructions_for(name):
    assert hasattr(torch.cpu, name), f"this torch has no torch.cpu.{name}: segnet.compat.cpu_has_bfloat16 needs it"
    assert isinstance(getattr(torch.cpu, name)(), bool)


class Listener(Callback):
    """Notes the jobs that start."""

    jobs: list[str] = []  # noqa: RUF012 - read by the test

    def on_job_start(self, config, **_):
        self.jobs.append(config.name)


def test_hydra_takes_callbacks_from_a_config():
    config = OmegaConf.create({"hydra": {"callbacks": {"mine": {"_target_": f"{__name__}.Listener"}}}, "name": "job"})
    callbacks = compat.hydra_callbacks(config)
    callbacks.on_job_start(config=config, task_function=None)
    assert Listener.jobs == ["job"], "Hydra's callbacks are set up in another way: see segnet.compat.hydra_callbacks"
    assert not HydraConfig.initialized()


@pytest.mark.filterwarnings("ignore")
def test_lightning_asks_its_progress_bar_to_describe_the_epoch():
    assert callable(getattr(RichProgressBar, "_get_train_description", None)), (
        "this Lightning's RichProgressBar has no _get_train_description: segnet.compat.describe_epochs needs it"
    )
    bar, asked = RichProgressBar(), []

    def describe(epoch):
        asked.append(epoch)
        return f"number {epoch}"

    compat.describe_epochs(bar, describe)

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def training_step(self, batch, batch_index):
            return (self.weight * batch).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters())

    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=[bar])
    trainer.fit(Module(), torch.utils.data.DataLoader([torch.zeros(1)], num_workers=0))
    assert asked
    assert set(asked) == {0}


def test_it_imports_none_of_the_packages():
    code = "import sys, segnet.compat; print(sorted({'torch', 'hydra', 'pytorch_lightning'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
