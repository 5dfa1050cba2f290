import io
from dataclasses import replace

import pytest
from PIL import Image

from segnet.analysis.profile import Profile
from segnet.analysis.profile_figure import draw_profiles


@pytest.mark.parametrize("count", [1, 2])
def test_the_figure_is_a_picture(profile: Profile, count: int) -> None:
    profiles = [replace(profile, name=f"network {index}") for index in range(count)]
    with Image.open(io.BytesIO(draw_profiles(profiles))) as picture:
        picture.load()
        assert min(picture.size) > 300
