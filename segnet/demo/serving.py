"""Serves the page to this machine alone. Nothing is fetched from or sent to anywhere else."""

import logging
import math
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from segnet.errors import UserError, require
from segnet.extras import install_command

if TYPE_CHECKING:
    import gradio

    from segnet.inference.predictor import Predictor

HOST = "127.0.0.1"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:"
)
"""What the browser may load: the page's own, since Gradio's page names other hosts too."""


class OwnOnly:
    """Tells the browser to load nothing from any other host; ASGI middleware."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Add the policy to each response."""

        async def with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY.encode())]
            await send(message)

        await self.app(scope, receive, with_policy)


def check_gradio() -> None:
    """Import Gradio, its telemetry and its search for newer releases off.

    Raises:
        UserError: it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read where Gradio is imported
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise UserError(f"the page needs gradio: {install_command('demo')}") from error


@contextmanager
def serve(
    models: "Mapping[str, Predictor]",
    max_pixels: int,
    max_upload_mib: float,
    port: int | None = None,
    open_browser: bool = False,
) -> "Iterator[gradio.Blocks]":
    """Serve the page as long as the context lasts; its address is ``local_url``.

    Uploads lie in a folder that goes with it.

    Args:
        models: by the names that the page gives them.
        max_pixels: refuse an image with more.
        max_upload_mib: refuse larger files.
        port: None for the first free one from 7860.
        open_browser: whether to open the page in a browser.

    Raises:
        UserError: a setting has no such value, or the port is taken.
    """
    import gradio
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from segnet.demo.page import STYLE, build_page

    require(port is None or 1 <= port <= 65535, "port", port, "a number from 1 to 65535")
    require(max_pixels > 0, "max_pixels", max_pixels, "a number above 0")
    require(0 < max_upload_mib < math.inf, "max_upload_mib", max_upload_mib, "a number above 0")
    # Other sites that a browser has open may send requests to this machine too, under names of their own.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio asks its own page whether it is there
    fonts = ["system-ui", "sans-serif"]
    with tempfile.TemporaryDirectory() as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # read where components are made
        page = build_page(models, max_pixels)
        try:
            page.launch(
                server_name=HOST,
                server_port=port,
                share=False,
                inbrowser=open_browser,
                prevent_thread_lock=True,
                quiet=True,
                ssr_mode=False,
                enable_monitoring=False,
                footer_links=[],
                max_file_size=round(max_upload_mib * 2**20),
                app_kwargs={"middleware": [hosts, Middleware(OwnOnly)]},
                theme=gradio.themes.Default(font=fonts, font_mono=["ui-monospace", "monospace"]),
                css_paths=STYLE,
            )
        except OSError as error:
            raise UserError(f"port={port} is taken: choose another one, or leave it out") from error
        try:
            yield page
        finally:
            page.close(verbose=False)
