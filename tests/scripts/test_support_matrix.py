"""The support matrix in docs is what the operators do; the same code measures both."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location("support_matrix", ROOT / "scripts" / "support_matrix.py")
matrix = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(matrix)

CELLS, MEASURED_WITH = matrix.read_cells()
DOCUMENTED = {tuple(cell[:5]): cell for cell in CELLS}


def bound(entry: str) -> float:
    """Return the documented number of eps; other entries have none."""
    return float(entry.removesuffix(" eps")) if entry.endswith(" eps") else 0.0 if entry == "exact" else float("nan")


def assert_documented(name: str, dtype: str, mode: str) -> None:
    factory = matrix.factory_of(name)
    for layout in matrix.LAYOUTS:
        measured = matrix.measure(name, factory, "cpu", dtype, layout, mode)
        documented = DOCUMENTED[tuple(measured[:5])]
        for now, then in ((measured.forward, documented.forward), (measured.gradient, documented.gradient)):
            # Another processor may add up in another order; what only copies is exact on every one.
            copies = then == "exact" and name in ("nearest", "bed_of_nails", "max_unpool")
            assert now == then or bound(now) <= 4 * max(bound(then), 0 if copies else 1), (measured, documented)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", matrix.upsampler_names())
def test_the_uncompiled_cells_are_up_to_date(name, dtype):
    assert_documented(name, dtype, "eager")


@pytest.mark.slow
@pytest.mark.parametrize("name", matrix.upsampler_names())
def test_the_compiled_cells_are_up_to_date(name):
    assert_documented(name, "float32", "compiled")


def test_every_cpu_cell_was_measured_and_the_page_shows_the_stored_cells():
    for name in matrix.upsampler_names():
        for dtype in matrix.DTYPES:
            for layout in matrix.LAYOUTS:
                for mode in matrix.MODES:
                    assert ("cpu", name, dtype, layout, mode) in DOCUMENTED
    page = (matrix.DOCS / "support_matrix.md").read_text()
    assert page == matrix.render(CELLS, MEASURED_WITH)
    assert (
        f"| nearest | float32 | {matrix.show(DOCUMENTED['cpu', 'nearest', 'float32', 'contiguous', 'eager'])} |" in page
    )


@pytest.mark.parametrize(
    ("error", "entry"),
    [(0, "exact"), (0.3, "0.5 eps"), (1, "1 eps"), (1.1, "2 eps"), (5, "8 eps"), (float("inf"), "not finite")],
)
def test_errors_are_named_in_powers_of_two(error, entry):
    assert matrix.entry(error) == entry


def test_an_error_is_relative_to_the_largest_value_in_units_of_eps():
    eps = torch.finfo(torch.float32).eps
    reference = torch.tensor([1.0, 8.0], dtype=torch.float64)
    assert matrix.error_in_eps(reference.float(), reference, eps) == 0
    assert matrix.error_in_eps(torch.tensor([1.0, 8.0 * (1 + 2 * eps)]), reference, eps) == pytest.approx(2)
    assert matrix.error_in_eps(torch.tensor([1.0, float("nan")]), reference, eps) == float("inf")


def test_a_wrong_operator_and_one_that_torch_refuses_are_seen():
    class Wrong(nn.Module):
        needs_pool_indices = False

        def forward(self, features, output_size, pool_indices=None):
            if features.dtype == torch.float16:
                raise RuntimeError("not implemented for 'Half' | at all\nmore")
            output = nn.functional.interpolate(features, size=output_size)
            return output if features.dtype == torch.float64 else output * 1.01

    wrong = matrix.measure("wrong", lambda channels: Wrong(), "cpu", "float32", "contiguous", "eager")
    assert bound(wrong.forward) > 1e4
    refused = matrix.measure("wrong", lambda channels: Wrong(), "cpu", "float16", "contiguous", "eager")
    assert refused.forward == refused.gradient == "refused: not implemented for 'Half' / at all"


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr(matrix.shutil, "which", lambda program: None)
    reason = matrix.refusal(RuntimeError("a long story"), "cpu", "compiled")
    assert reason == "refused: no C++ compiler on this machine"
    assert matrix.refusal(RuntimeError("a long story"), "cpu", "eager") == "refused: a long story"
