import os

import pytest
import torch

from segnet import devices
from segnet.devices import available_cores, choose_device, choose_precision
from segnet.errors import UserError


def test_a_named_precision_is_kept():
    assert choose_precision("16-mixed", "cpu") == "16-mixed"


@pytest.mark.parametrize(("amx", "bf16", "expected"), [(0, 0, "32-true"), (1, 0, "bf16-mixed"), (0, 1, "bf16-mixed")])
def test_a_cpu_takes_bfloat16_where_it_has_instructions_for_it(monkeypatch, amx, bf16, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: bool(amx))
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bool(bf16))
    assert choose_precision("auto", "cpu") == expected


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), "16-mixed"), ((8, 0), "bf16-mixed"), ((9, 0), "bf16-mixed")]
)
def test_a_gpu_takes_bfloat16_from_ampere_on(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert choose_precision("auto", "cuda") == expected


def test_elsewhere_it_stays_with_float32():
    assert choose_precision("auto", "mps") == "32-true"


def test_without_affinity_all_cores_of_the_machine_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert available_cores() == os.cpu_count()


def test_an_unknown_device_is_refused():
    with pytest.raises(UserError, match="device=tpu is not known: choose auto, cpu or cuda"):
        choose_device("tpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("environment", "workers", "threads"),
    [({}, 1, 8), ({}, 3, 2), ({}, 9, 1), ({"OMP_NUM_THREADS": "3"}, 4, 3), ({"OMP_NUM_THREADS": "5,2"}, 1, 5)]
    + [({"OMP_NUM_THREADS": text}, 2, 4) for text in ("", "0", "-1", "many")],
)
def test_trainings_share_the_cores_unless_a_number_of_threads_is_set(monkeypatch, environment, workers, threads):
    monkeypatch.setattr(devices, "available_cores", lambda: 8)
    assert devices.threads_per_run(workers, environment) == threads
