"""The page in a real browser, with a photograph of CamVid and the network that comes with the package."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segnet.demo.serving import serve

pytestmark = [
    *(pytest.mark.browser, pytest.mark.slow, pytest.mark.camvid),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Gradio's own calls
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # its server leaves event loops to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
sync_api = pytest.importorskip("playwright.sync_api")

QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
PHOTO = Path(os.environ.get("SEGNET_DATA", "data"), "camvid", "test", "0001TP_008550.png")


@pytest.fixture(scope="module")
def address(models):
    with serve(models, max_pixels=200_000, max_upload_mib=1) as page:
        yield page.local_url


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-quic", *QUIET]
        )
        yield browser
        browser.close()


def upload(page, address, path):
    page.goto(address)
    page.wait_for_selector("#upload input[type=file]", state="attached", timeout=60_000)
    page.set_input_files("#upload input[type=file]", path)


@pytest.mark.parametrize("width", [1280, 390])
def test_an_image_is_compared_and_a_pixel_explained_and_nothing_is_fetched(browser, address, models, width):
    elsewhere, errors = [], []
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.on("request", lambda request: elsewhere.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        upload(page, address, PHOTO)
        page.wait_for_selector("#shares table", timeout=60_000)
        picture = page.locator("#pixel-picture img")
        page.wait_for_function("document.querySelector('#pixel-picture img')?.naturalWidth === 480")
        for image in page.locator("#slider img").all():
            assert image.evaluate("image => image.naturalWidth") == 480
        box = picture.bounding_box()
        picture.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.75})
        page.wait_for_selector("#pixel table")
        heading, row = page.locator("#pixel h2").inner_text(), page.locator("#pixel tr", has_text="road")
        column, line = (int(part.split()[-1]) for part in heading.split(","))
        assert abs(column - 240) <= 2
        assert abs(line - 270) <= 2
        result = models["pretrained/camvid"].predict(PHOTO)
        expected = result.probabilities[result.classes.index("road"), line, column]
        assert row.locator("td").nth(1).inner_text().strip() == f"{float(np.float16(expected)):.1%}"
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for part in ("#slider", "#pixel-picture", "#shares table", "#pixel table"):
            box = page.locator(part).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
    assert [url[:80] for url in elsewhere if not url.startswith((address, "data:", "blob:"))] == []
    assert errors == []


def test_the_views_can_be_chosen(browser, address):
    with browser.new_context() as context:
        page = context.new_page()
        upload(page, address, PHOTO)
        page.wait_for_selector("#shares table", timeout=60_000)
        before = page.locator("#pixel-picture img").get_attribute("src")
        page.locator("#right input").click()
        page.get_by_role("option", name="pretrained/camvid: mask").click()
        page.wait_for_function(f"document.querySelector('#pixel-picture img')?.src !== {before!r}")


def test_too_large_files_have_a_sentence(browser, address, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "heavy.png")  # 1.4 MiB
    Image.new("RGB", (500, 500)).save(tmp_path / "wide.png")
    with browser.new_context() as context:
        page = context.new_page()
        upload(page, address, tmp_path / "wide.png")
        page.get_by_text("wide.png claims 500x500 pixels, more than max_pixels=200000").wait_for(timeout=60_000)
        upload(page, address, tmp_path / "heavy.png")
        page.get_by_text("exceed the maximum allowed size of 1.0 Mb").first.wait_for(timeout=60_000)
