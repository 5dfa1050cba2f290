"""What a training leaves behind in its process: nothing that grows with the number of trainings."""

import functools
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import DataModule, Shapes
from segnet.training.run import train


def test_a_module_goes_with_its_images_when_nobody_uses_it():
    data = data_from_config(compose(["data=shapes", "data.size=[8,8]", "data.images={train:2,val:1,test:1}"]))
    assert data.split("train") is data.split("train")
    assert data.pixel_counts("train") is data.pixel_counts("train")
    module, split = weakref.ref(data), weakref.ref(data.split("train"))
    del data
    gc.collect()
    assert module() is None
    assert split() is None


@pytest.fixture
def modules(monkeypatch) -> list[weakref.ref]:
    """Every data module that is built."""
    built = []
    initialise = DataModule.__init__

    @functools.wraps(initialise)
    def note(self, *args, **kwargs):
        built.append(weakref.ref(self))
        initialise(self, *args, **kwargs)

    monkeypatch.setattr(DataModule, "__init__", note)
    return built


@pytest.mark.slow
def test_four_trainings_in_one_process_leave_no_module(modules, tiny_config, tmp_path):
    for number in range(4):
        train(tiny_config("trainer.max_epochs=1"), tmp_path / str(number))
    gc.collect()
    assert len(modules) == 4
    assert [module() for module in modules] == [None] * 4


class LargeShapes(Shapes):
    """A data set with 60 MB in each of its splits."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.images_in_memory = np.ones(60 * 10**6, np.uint8)


def own_memory() -> int:
    """Bytes that this process has for itself."""
    gc.collect()
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux says what a process has for itself")
def test_eight_trainings_take_no_more_memory_than_one(tiny_config, tmp_path):
    """The tolerance of 180 MB, for allocators, is what the data of one training takes; all seven would take 1260 MB."""
    memory = []
    for number in range(8):
        target = f"data.dataset._target_={__name__}.LargeShapes"
        train(tiny_config("trainer.max_epochs=1", target), tmp_path / str(number))
        memory.append(own_memory())
    assert memory[-1] - memory[0] < 180e6, memory
