import pytest
import torch

from segnet.analysis import latency, measure_latencies
from segnet.analysis.latency import describe_device


def test_workloads_run_in_turns_and_the_median_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], []
    durations = {"slow": iter([9, 9, 2, 4, 3]), "fast": iter([9, 9, 1, 1, 2])}

    def workload(name: str) -> None:
        calls.append(name)
        clock[0] += next(durations[name]) / 1000

    monkeypatch.setattr(latency.time, "perf_counter", lambda: clock[0])
    result = measure_latencies(
        {name: lambda name=name: workload(name) for name in durations}, torch.device("cpu"), repeats=3, warmup=2
    )
    # Each turn has both, and each is first in its turn.
    assert [sorted(calls[turn : turn + 2]) for turn in range(0, 10, 2)] == [["fast", "slow"]] * 5
    assert set(calls[::2]) == {"slow", "fast"}
    assert result["slow"].median == pytest.approx(3)
    assert (result["slow"].low, result["slow"].high) == (pytest.approx(2.5), pytest.approx(3.5))
    assert (result["fast"].median, result["fast"].repeats) == (pytest.approx(1), 3)


def test_one_repeat_is_its_own_quartile() -> None:
    (only,) = measure_latencies({"one": lambda: None}, torch.device("cpu"), repeats=1, warmup=0).values()
    assert only.low == only.median == only.high


def test_what_is_recorded_of_the_device() -> None:
    facts = describe_device(torch.device("cpu"))
    assert facts["threads"] == torch.get_num_threads()
    assert facts["torch"] == torch.__version__
    assert facts["device"] == "cpu"
