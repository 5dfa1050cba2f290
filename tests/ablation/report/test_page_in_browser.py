"""The report in a real browser: from the disk, with the network off."""

from dataclasses import replace

import pytest

from segnet.ablation.report.writing import write_report
from segnet.ablation.results import network_inspection
from segnet.analysis.receptive_field import ReceptiveField
from tests.synthetic_experiment import add_networks, one_factor, write_experiment

pytestmark = [pytest.mark.browser, pytest.mark.slow]
sync_api = pytest.importorskip("playwright.sync_api")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    made = one_factor(bilinear=0.7, bed_of_nails=0.66, max_unpool=0.8)
    made = replace(made, seeds=(0, 1), status={("bed_of_nails", 1): "failed"}, fusion=True)
    write_experiment(root, made)
    add_networks(root)
    field = ReceptiveField("head", 9, 9, (-4, 4), (-4, 4), False)
    with pytest.MonkeyPatch.context() as patch:  # it takes longer than all the rest to import what measures it
        patch.setattr(network_inspection, "receptive_fields", lambda network, channels: [field])
        return write_report(root, resamples=50).as_uri()


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(browser, address):
    """The report, opened once, and what it has asked of the network or complained of on the console."""
    heard = []
    with browser.new_context(color_scheme="light") as context:
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: heard.append(request.url))
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto(address)
        page.wait_for_selector("html[data-charts=ready]")
        heard.remove(address)
        yield page, heard


@pytest.fixture
def page(opened):
    """The report on a large light screen; at the end of each test nothing may have been heard of it."""
    page, heard = opened
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    for chip in page.locator(".chip[aria-pressed=true]").all():
        chip.click()
    yield page
    assert [text[:200] for text in heard if not text.startswith("data:")] == []


def draw_all(page):
    for figure in page.locator("figure.chart").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".plot .main-svg").first.wait_for()
    page.evaluate("scrollTo(0, 0)")


def column(page, place, table="table.arms"):
    return page.locator(table).first.locator(f"tbody tr > :nth-child({place})").all_inner_texts()


def test_all_charts_are_drawn_and_nothing_is_loaded(page):
    draw_all(page)
    charts = page.locator("figure.chart").count()
    assert charts == page.locator("figure.chart .plot > .plot-container").count() >= 6
    assert page.locator(".loading").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (375, "light"), (375, "dark")])
def test_it_fits_the_screen_in_both_schemes(page, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (max(brightness) < 64) == (scheme == "dark")
    words = page.evaluate("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")
    assert abs(sum(words) - sum(brightness)) > 500


def test_charts_follow_a_change_of_scheme(page):
    title = page.locator("[data-chart=pareto] .xtitle")
    before = title.evaluate("(node) => getComputedStyle(node).fill")
    page.emulate_media(color_scheme="dark")
    sync_api.expect(title).not_to_have_css("fill", before)


def test_tables_sort_by_mouse_and_by_keyboard(page):
    head = page.locator("table.arms").first.locator("thead th", has_text="mIoU")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    values = [float(text.split()[0]) for text in column(page, 3)]
    assert values == sorted(values, reverse=True)
    assert column(page, 1)[0].split()[0] == "max_unpool"
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(text.split()[0]) for text in column(page, 3)] == sorted(values)
    page.locator("table.arms").first.locator("thead th").first.get_by_role("button").focus()
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") is None
    assert [text.split()[0] for text in column(page, 1)] == ["bed_of_nails", "bilinear", "max_unpool"]


def test_the_comparison_moves_by_mouse_and_by_keyboard(page):
    page.locator("#viewer-right").select_option("bed_of_nails")
    stage = page.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    edge = "document.querySelector('.divider').getBoundingClientRect().left"
    start = page.evaluate(edge)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    dragged = page.evaluate(edge)
    assert dragged > start + 0.2 * box["width"]
    slider = stage.get_by_role("slider")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate(edge) < dragged - 0.08 * box["width"]
    assert slider.get_attribute("aria-valuetext").endswith("bed_of_nails")
    page.keyboard.press("Home")
    assert slider.input_value() == "0"


def test_the_comparison_shows_what_is_chosen(page):
    page.locator("#viewer-left").select_option("bilinear")
    page.locator("#viewer-right").select_option("bed_of_nails")
    left = page.locator(".stage img.left")
    before = left.get_attribute("src")
    page.locator("#viewer-left").select_option("label")
    assert left.get_attribute("src") == page.locator("tr[data-crop='0'] img[alt^=Label]").get_attribute("src") != before
    page.get_by_text("errors", exact=True).click()
    right = page.locator(".stage img.right")
    shown = page.locator("tr[data-crop='0'] [data-show=bed_of_nails] img")
    assert right.get_attribute("src") == shown.get_attribute("data-errors")
    page.locator("tr[data-crop='2'] [data-show=max_unpool]").press("Enter")
    chosen = page.locator("tr[data-crop='2'] [data-show=max_unpool] img")
    assert right.get_attribute("src") == chosen.get_attribute("data-errors")
    assert page.locator("#viewer-right").input_value() == "max_unpool"


def test_an_arm_is_brought_out_everywhere(page):
    page.wait_for_selector("[data-chart=pareto] .main-svg")
    chip = page.get_by_role("button", name="max_unpool", exact=True).first
    chip.focus()
    page.keyboard.press("Enter")
    assert chip.get_attribute("aria-pressed") == "true"
    assert page.locator("table.arms").first.locator("tbody tr.dimmed").count() == 2
    opacities = "document.querySelector('[data-chart=pareto] .plot').data.map((trace) => [trace.meta, trace.opacity])"
    found = page.evaluate(opacities)
    assert {opacity for arm, opacity in found if arm == "max_unpool"} == {1}
    assert {opacity for arm, opacity in found if arm == "bilinear"} == {0.12}
    chip.click()
    assert page.locator(".dimmed").count() == 0


def test_a_chart_shows_another_view(page):
    page.locator("[data-chart=pareto]").get_by_text("latency").click()
    sync_api.expect(page.locator("[data-chart=pareto] .xtitle")).to_have_text("latency")


def test_without_javascript_the_numbers_are_there(browser, address):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        assert page.locator("table.arms").first.locator("tbody tr").count() == 3
        assert "max_unpool" in page.locator(".verdicts").inner_text()
