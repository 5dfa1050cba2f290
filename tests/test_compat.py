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
from torch import nn
from torch.nn import functional as F

from segnet import compat
from segnet.compat import DispatchMode, conv_forward, has_hooks, has_own_conv_forward, tree_leaves


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


HOOKS = [
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
]


@pytest.mark.parametrize("register", HOOKS)
def test_every_kind_of_hook_is_found_until_it_is_removed(register):
    module = nn.Linear(2, 3)
    assert not has_hooks(module)
    handle = getattr(module, register)(lambda *arguments: None)
    assert has_hooks(module)
    assert not has_hooks(nn.Sequential(module))
    handle.remove()
    assert not has_hooks(module)


def test_convolving_with_other_weights_keeps_padding_mode_and_bias():
    module = nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect")
    features = torch.rand(1, 2, 5, 6)
    padded = F.pad(features, (1, 1, 1, 1), mode="reflect")
    expected = F.conv2d(padded, 2 * module.weight, module.bias)
    assert torch.equal(conv_forward(module, features, 2 * module.weight), expected)


class Own(nn.Conv2d):
    def _conv_forward(self, features, weight, bias):
        return super()._conv_forward(features, weight, bias)


def test_a_replaced_conv_forward_is_found():
    module = nn.Conv2d(2, 3, 3)
    assert not has_own_conv_forward(module)
    assert has_own_conv_forward(Own(2, 3, 3))
    module._conv_forward = lambda features, weight, bias: features
    assert has_own_conv_forward(module)


@pytest.mark.slow
def test_the_mode_sees_operators_without_importing_the_compiler():
    program = """
import sys, torch
from segnet.compat import DispatchMode
class Seen(DispatchMode):
    names = []
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))
with Seen():
    torch.ones(2).add(1)
assert Seen.names == ["ones", "add"], Seen.names
assert "torch._dynamo" not in sys.modules
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert issubclass(DispatchMode, torch.utils._python_dispatch.TorchDispatchMode)


def test_leaves_of_nested_values():
    assert tree_leaves({"a": [1, (2, None)], "b": 3}) == [1, 2, None, 3]
