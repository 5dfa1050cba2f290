import pytest

from segnet.build import compose

TINY = (
    "data=shapes",
    "data.size=[16,24]",
    "data.images={train:8,val:3,test:4}",
    "data.batch_size=4",
    "data.num_workers=0",
    "data.augmentation.scale=[0.7,1.4]",
    "encoder.widths=[4,8]",
    "encoder.depths=[1,1]",
    "optimizer.lr=0.02",
    "trainer=cpu",
    "trainer.precision=32-true",  # the same on every machine; validation is then the end's to the digit
    "logger=none",
)


@pytest.fixture(scope="session")
def tiny_config():
    """Compose a training that takes a second."""

    def tiny(*overrides: str):
        return compose([*TINY, "trainer.max_epochs=2", *overrides])

    return tiny
