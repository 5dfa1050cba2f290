import pytest

from segnet.ablation import Plan

TINY = (
    "data=shapes",
    "data.size=[12,16]",
    "data.images={train:6,val:2,test:3}",
    "data.batch_size=3",
    "data.num_workers=0",
    "encoder.widths=[4,8]",
    "encoder.depths=[1,1]",
    "trainer=cpu",
    "logger=none",
)


@pytest.fixture
def tiny_plan():
    """Make a plan whose runs take a second or two each."""

    def tiny(*further: str, **settings) -> Plan:
        defaults = {"name": "tiny", "factors": {"upsampler": ["nearest", "bilinear"]}, "seeds": 1, "epochs": 1}
        return Plan(fixed=[*TINY, *further], **(defaults | settings))

    return tiny


@pytest.fixture
def no_costs(monkeypatch):
    """Leave out the measurement of costs, which takes longer than such a plan's runs."""
    cost = {"params": 1, "macs": 1, "plain_macs": 1, "activation_bytes": 1, "index_bytes": 0}
    cost |= {"latency_ms": {task: {"median": 1.0} for task in ("inference", "training step")}}
    monkeypatch.setattr(
        "segnet.ablation.experiment.measure_costs",
        lambda configs: {"setting": {}, "arms": dict.fromkeys(configs, cost)},
    )
