from dataclasses import replace

import pytest

import segnet
from segnet.analysis import profile_network, random_images
from segnet.analysis.latency import Latency
from segnet.analysis.profile import Profile


@pytest.fixture(scope="module")
def profile() -> Profile:
    network = segnet.build_network(["data=shapes", "encoder.widths=[4,8]", "encoder.depths=[1,1]"])
    images = random_images(1, 3, (32, 40))
    measured = profile_network("small", network, images, images)
    return replace(measured, latencies={"inference": Latency(2.0, 1.5, 3.0, 7)}, plain_macs=2_000_000)
