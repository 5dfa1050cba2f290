"""segnet: encoder-decoder segmentation training with controlled ablations of upsamplers.

Example:
    >>> import segnet
    >>> network = segnet.build_network(["model=unet", "upsampler=max_unpool"])  # doctest: +SKIP
    >>> model = segnet.load("runs/brain/2026-01-31_12-00-00")  # doctest: +SKIP
    >>> model.predict("scan.png").mask  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segnet.build import build_network
    from segnet.inference.load import load

__version__ = "0.2.0"
__all__ = ["build_network", "load"]


def __getattr__(name: str) -> object:
    # Late, so that a command's help does not wait for the packages behind them.
    if name == "build_network":
        from segnet.build import build_network

        return build_network
    if name == "load":
        from segnet.inference.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
