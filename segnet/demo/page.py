"""The page itself: an upload, two views with a divider, and the probabilities of a pixel."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from segnet.data.images import SUFFIXES, read_image
from segnet.demo.comparison import Comparison, compare, first_views, marked, views
from segnet.errors import UserError

if TYPE_CHECKING:
    from segnet.inference.predictor import Predictor

STYLE = Path(__file__).with_name("page.css")
HINT = "Click a pixel of the picture to see the probability of each class there."


def build_page(models: "Mapping[str, Predictor]", max_pixels: int) -> gr.Blocks:
    """Build the page for runs by the names that it gives them; it is served by :mod:`segnet.demo.serving`."""
    blocks: gr.Blocks = _Page(models, max_pixels).blocks
    return blocks


class _Page:
    """Components, and what happens on an upload, a choice and a click."""

    def __init__(self, models: "Mapping[str, Predictor]", max_pixels: int) -> None:
        self.models, self.max_pixels = models, max_pixels
        ranges = {model.facts.value_range for model in models.values()}
        self.value_range = ranges.pop() if len(ranges) == 1 else None
        shown, (left, right) = views(list(models)), first_views(list(models))
        hidden_api: dict[str, Any] = {"api_visibility": "private"}
        with gr.Blocks(title="segnet", analytics_enabled=False) as self.blocks:
            gr.HTML(_heading(list(models)))
            self.file = gr.File(
                label="Image: drop a file here, or click to choose one", file_types=list(SUFFIXES), elem_id="upload"
            )
            self.notice = gr.HTML(elem_id="notice")
            self.comparison = gr.State(None, time_to_live=3600)
            with gr.Column(visible=False) as self.found:
                with gr.Row():
                    self.left = gr.Dropdown(shown, value=left, label="Left of the divider", elem_id="left")
                    self.right = gr.Dropdown(shown, value=right, label="Right of the divider", elem_id="right")
                    self.opacity = gr.Slider(0, 1, 0.5, step=0.05, label="Opacity of the classes", elem_id="opacity")
                self.slider = gr.ImageSlider(
                    label="Drag the divider", interactive=False, format="png", max_height=700, elem_id="slider"
                )
                with gr.Row():
                    with gr.Column(min_width=300):
                        self.picture = gr.Image(
                            label="Probabilities: click a pixel",
                            interactive=False,
                            format="png",
                            buttons=["fullscreen"],
                            alt_text="the view right of the divider; a click shows the classes of a pixel",
                            elem_id="pixel-picture",
                        )
                        self.pixel = gr.HTML(elem_id="pixel")
                    with gr.Column(min_width=300):
                        self.shares = gr.HTML(elem_id="shares")
            shown_now = [self.slider, self.picture]
            chosen = [self.comparison, self.left, self.right, self.opacity]
            self.file.change(
                self.look,
                [self.file, self.left, self.right, self.opacity],
                [self.notice, self.comparison, self.found, *shown_now, self.shares, self.pixel],
                **hidden_api,
            )
            for choice in (self.left.input, self.right.input, self.opacity.release):
                choice(self.show, chosen, shown_now, **hidden_api)
            self.picture.select(
                self.probe, [self.comparison, self.right, self.opacity], [self.picture, self.pixel], **hidden_api
            )

    def look(self, file: str | None, left: str, right: str, opacity: float) -> list[Any]:
        """Predict an uploaded file; what is wrong with it is said on the page."""
        if file is None:
            return ["", None, gr.Column(visible=False), None, None, "", ""]
        try:
            seen = compare(read_image(Path(file), 3, self.value_range, self.max_pixels), self.models)
        except UserError as error:
            text = str(error).replace(file, Path(file).name)
            return [f'<p role="alert">{html.escape(text)}</p>', None, gr.Column(visible=False), None, None, "", ""]
        shares = f'<div class="scroll">{seen.table(seen.shares())}</div>'
        height, width = seen.image.shape[:2]
        heading = f"<h2>Share of the {width}x{height} pixels</h2>"
        pictures = self.show(seen, left, right, opacity)
        return ["", seen, gr.Column(visible=True), *pictures, heading + shares, f"<p>{HINT}</p>"]

    def show(self, seen: Comparison | None, left: str, right: str, opacity: float) -> list[Any]:
        """Show the two views that are chosen."""
        if seen is None:
            return [None, None]
        pictures = [seen.picture(view, opacity) for view in (left, right)]
        return [tuple(pictures), pictures[1]]

    def probe(
        self, seen: Comparison | None, right: str, opacity: float, event: gr.SelectData
    ) -> tuple[np.ndarray | None, str]:
        """Show the probabilities at the pixel that was clicked."""
        if seen is None:
            return None, ""
        picture = seen.picture(right, opacity)
        column, row = (
            min(max(0, int(at)), side - 1) for at, side in zip(event.index, picture.shape[1::-1], strict=True)
        )
        x, y = column * seen.step, row * seen.step
        table = seen.table(seen.probabilities_at(x, y))
        text = f"<h2>Probabilities at column {x}, row {y}</h2>"
        return marked(picture, column, row), f'{text}<div class="scroll">{table}</div>'


def _heading(runs: Sequence[str]) -> str:
    names = ", ".join(map(html.escape, runs))
    return (
        f'<div class="facts"><h1>{names}</h1><p>The image stays on this machine: it is predicted here, and kept until '
        "the command ends.</p></div>"
    )
