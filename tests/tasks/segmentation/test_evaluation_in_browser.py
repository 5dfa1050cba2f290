"""The page of an evaluation in a real browser: from the disk, with the network off."""

import numpy as np
import pytest

from segnet.build import data_from_config, network_from_config, task_from_config
from segnet.training.task import EvaluationRequest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def address(tiny_config, tmp_path_factory):
    config = tiny_config("data.images={train:4,val:2,test:7}", "data.size=[60,80]")
    task, data, network = task_from_config(config), data_from_config(config), network_from_config(config).eval()
    facts = {"run": "x" * 60, "data": "shapes", "split": "test", "checkpoint": "best", "averaged": "", "command": "c"}
    page = tmp_path_factory.mktemp("browser") / "evaluation.html"
    page.write_text(
        task.evaluate(network, data, "test", EvaluationRequest(facts, resamples=50)).files["evaluation.html"]
    )
    return page.as_uri()


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_is_drawn_within_the_screen_and_nothing_is_loaded(browser, address, width, scheme):
    heard = []
    with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True) as context:
        page = context.new_page()
        page.on("request", lambda request: heard.append(request.url))
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto(address)
        page.wait_for_selector("html[data-charts=ready]", timeout=60_000)
        for figure in page.locator("figure.chart").all():
            figure.scroll_into_view_if_needed()
            figure.locator(".plot .main-svg").first.wait_for()
        assert page.locator("figure.chart").count() == 4
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert [text[:200] for text in heard if text != address and not text.startswith("data:")] == []


def test_the_worst_images_open_beside_each_other_and_classes_sort(browser, address):
    with browser.new_context(offline=True) as context:
        page = context.new_page()
        page.goto(address)
        assert page.locator("#viewer-left").input_value() == "prediction"
        assert page.locator("#viewer-right").input_value() == "errors"
        second = page.locator("tr[data-crop='1'] [data-show=label]")
        second.click()
        assert page.locator(".stage img.right").get_attribute("src") == second.locator("img").get_attribute("src")
        page.locator("table.sortable thead").get_by_role("button", name="IoU", exact=True).click()
        values = [
            float(text.split()[0]) for text in page.locator("table.sortable td[data-column=IoU]").all_inner_texts()
        ]
        assert values == sorted(values, reverse=True)
        assert np.ptp(values) > 0
