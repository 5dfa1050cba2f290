"""The page's answers, and how it is served, without a browser."""

import socket
import urllib.request
from urllib.error import HTTPError

import numpy as np
import pytest
from PIL import Image

from segnet.demo.serving import serve
from segnet.errors import UserError
from tests.broken_images import png_that_claims, write_animation

pytestmark = [
    pytest.mark.slow,  # Gradio's import takes seconds
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Gradio's own calls
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # its server leaves event loops to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def page(models):
    from segnet.demo.page import _Page  # late, since it imports Gradio

    return _Page(models, max_pixels=1000)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("empty.png", "cannot read the image empty.png"),
        ("text.jpg", "cannot read the image text.jpg"),
        ("large.png", "claims 40x30 pixels, more than max_pixels=1000"),
        ("moving.gif", "moving.gif has 2 frames"),
        ("bomb.png", "bomb.png claims 60000x60000 pixels, more than max_pixels=1000"),
        ("&lt;i&gt;.png", "cannot read the image &lt;i&gt;.png"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_on_the_page(page, tmp_path, name, sentence):
    path = tmp_path / name.replace("&lt;", "<").replace("&gt;", ">")
    path.write_bytes({"empty.png": b"", "bomb.png": png_that_claims(60_000, 60_000)}.get(name, b"no image"))
    if name == "large.png":
        Image.new("RGB", (40, 30)).save(path)
    if name == "moving.gif":
        write_animation(path)
    notice, seen, _, *rest = page.look(str(path), "image", "image", 0.5)
    assert sentence in notice
    assert str(tmp_path) not in notice
    assert seen is None
    assert rest == [None, None, "", ""]


def test_only_this_machine_under_its_own_name_is_answered(models):
    with serve(models, max_pixels=1000, max_upload_mib=1) as served:
        with urllib.request.urlopen(served.local_url) as answer:
            assert "default-src 'self'" in answer.headers["content-security-policy"]
        port = served.server_port
        listening = socket.socket()
        with pytest.raises(OSError, match="refused"):
            listening.connect(("127.0.0.2", port))  # what listens on every address would answer
        listening.close()
        request = urllib.request.Request(served.local_url, headers={"Host": "elsewhere.example"})
        with pytest.raises(HTTPError, match="400"):
            urllib.request.urlopen(request)
        with pytest.raises(UserError, match=f"port={port} is taken: choose another one"), serve(models, 1, 1, port):
            raise AssertionError("it is served twice")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"port": 0}, "port=0 is not allowed: give a number from 1 to 65535"),
        ({"max_upload_mib": 0}, "max_upload_mib=0 is not allowed"),
        ({"max_pixels": 0}, "max_pixels=0 is not allowed"),
    ],
)
def test_settings_out_of_range_are_sentences(models, settings, sentence):
    with pytest.raises(UserError, match=sentence), serve(models, **{"max_pixels": 1, "max_upload_mib": 1, **settings}):
        raise AssertionError("it is served")


def test_a_click_beyond_the_edge_is_the_edge(page, tmp_path):
    from gradio import SelectData

    Image.fromarray(np.zeros((5, 6, 3), np.uint8)).save(tmp_path / "a.png")
    seen = page.look(str(tmp_path / "a.png"), "image", "image", 0.5)[1]
    picture, text = page.probe(seen, "image", 0.5, SelectData(None, {"index": [6, 5], "value": None}))
    assert picture.shape == (5, 6, 3)
    assert "column 5, row 4" in text
