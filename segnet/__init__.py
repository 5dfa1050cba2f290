"""segnet: encoder-decoder segmentation training with controlled ablations of upsamplers."""

__version__ = "0.2.0"
__all__ = ["build_network", "load"]


def __getattr__(name: str) -> object:
    # Late, so that a command's help does not wait for the packages behind them.
    if name in __all__:
        from segnet import build

        return getattr(build, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
