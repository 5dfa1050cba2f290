import pytest
import torch

from segnet.devices import choose_precision


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
