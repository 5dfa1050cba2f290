import io
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from PIL import Image

from segnet.analysis.profile import Profile
from segnet.analysis.profile_figure import _draw_stage_costs, draw_profiles


@pytest.mark.parametrize("count", [1, 2])
def test_the_figure_is_a_picture(profile: Profile, count: int) -> None:
    profiles = [replace(profile, name=f"network {index}") for index in range(count)]
    with Image.open(io.BytesIO(draw_profiles(profiles))) as picture:
        picture.load()
        assert min(picture.size) > 300


def test_bars_have_their_values(profile: Profile) -> None:
    macs, memory = Figure().subplots(1, 2)
    _draw_stage_costs(macs, memory, profile)
    assert f"{profile.stages[0].macs / 1e6:,.4g}" in [text.get_text() for text in macs.texts]
    stage = profile.stages[0]
    assert f"{(stage.activation_bytes + stage.index_bytes) / 2**20:,.3g}" in [text.get_text() for text in memory.texts]
    longest = max(stage.activation_bytes + stage.index_bytes for stage in profile.stages) / 2**20
    assert memory.get_xlim()[1] > 1.1 * longest  # room for its value
