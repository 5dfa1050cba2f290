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
