"""Which mirror images and sizes of an image a prediction is averaged over. Without torch."""

from collections.abc import Sequence

from segnet.errors import require

FLIPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "none": ((),),
    "horizontal": ((), (-1,)),
    "both": ((), (-1,), (-2,), (-2, -1)),
}
"""For each setting the axes that are turned round, one entry for each pass."""
SCALES = (0.125, 8.0)
"""The smallest and the largest factor by which an image may be resized."""


def check_flips(flips: str) -> str:
    """Return the setting.

    Raises:
        UserError: there is no such one.
    """
    require(flips in FLIPS, "flips", flips, f"one of {', '.join(FLIPS)}")
    return flips


def check_scales(scales: Sequence[float]) -> tuple[float, ...]:
    """Check factors of resizing, and return each once.

    Raises:
        UserError: there is none, or one has no sense.
    """
    low, high = SCALES
    allowed = len(scales) > 0 and all(isinstance(scale, int | float) and low <= scale <= high for scale in scales)
    require(allowed, "scales", list(scales), f"numbers from {low:g} to {high:g}, such as [0.75,1,1.5]")
    return tuple(dict.fromkeys(map(float, scales)))


def described(flips: str, scales: Sequence[float]) -> str:
    """Say what is averaged over; empty where nothing is."""
    parts = [] if flips == "none" else [f"flips {flips}"]
    if tuple(scales) != (1.0,):
        parts.append(f"scales {', '.join(f'{scale:g}' for scale in scales)}")
    return f"averaged over {' and '.join(parts)}" if parts else ""
