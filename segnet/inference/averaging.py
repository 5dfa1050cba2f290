"""Averaging a network's output over mirror images and sizes of its input."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import UserError, require

FLIPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "none": ((),),
    "horizontal": ((), (-1,)),
    "both": ((), (-1,), (-2,), (-2, -1)),
}
"""For each setting the axes that are turned round, one entry for each pass."""
SCALES = (0.125, 8.0)
"""The smallest and the largest factor by which an image may be resized."""


class Averaged(nn.Module):
    """A network whose output is the mean over mirror images and sizes of its input, at the input's own size.

    Images are resized bilinearly, antialiased where they become smaller, and the outputs back bilinearly.

    Args:
        network: its output is ``factor`` times as large as its input.
        flips: "none", "horizontal" or "both".
        scales: factors by which the input is resized.

    Raises:
        UserError: a setting has no such value, or sizes are to be averaged of a network that enlarges images.
    """

    def __init__(self, network: nn.Module, flips: str = "none", scales: Sequence[float] = (1.0,)) -> None:
        super().__init__()
        require(flips in FLIPS, "flips", flips, f"one of {', '.join(FLIPS)}")
        self.network, self.flips, self.scales = network, flips, check_scales(scales)
        if getattr(network, "factor", 1) != 1 and self.scales != (1.0,):
            raise UserError("scales= is for segmentation, and this run enlarges images: leave scales out")

    @property
    def changes(self) -> bool:
        """Whether the output is any other than the network's own."""
        return self.flips != "none" or self.scales != (1.0,)

    def forward(self, images: Tensor) -> Tensor:
        """Take ``(N, C, H, W)`` to the mean output."""
        if not self.changes:
            output: Tensor = self.network(images)
            return output
        total: Tensor | None = None
        for scale in self.scales:
            resized = resize(images, scale)
            for axes in FLIPS[self.flips]:
                output = self.network(resized.flip(axes)).float().flip(axes)
                if scale != 1:
                    output = F.interpolate(output, images.shape[-2:], mode="bilinear", align_corners=False)
                total = output if total is None else total.add_(output)
        assert total is not None
        return total.div_(len(self.scales) * len(FLIPS[self.flips]))


def check_scales(scales: Sequence[float]) -> tuple[float, ...]:
    """Check factors of resizing, and return each once.

    Raises:
        UserError: there is none, or one has no sense.
    """
    low, high = SCALES
    allowed = len(scales) > 0 and all(isinstance(scale, int | float) and low <= scale <= high for scale in scales)
    require(allowed, "scales", list(scales), f"numbers from {low:g} to {high:g}, such as [0.75,1,1.5]")
    return tuple(dict.fromkeys(map(float, scales)))


def resize(images: Tensor, scale: float) -> Tensor:
    """Resize ``(N, C, H, W)`` by a factor; 1 leaves it as it is."""
    if scale == 1:
        return images
    size = [max(1, round(side * scale)) for side in images.shape[-2:]]
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=scale < 1)


def described(flips: str, scales: Sequence[float]) -> str:
    """Say what is averaged over; empty where nothing is."""
    parts = [] if flips == "none" else [f"flips {flips}"]
    if tuple(scales) != (1.0,):
        parts.append(f"scales {', '.join(f'{scale:g}' for scale in scales)}")
    return f"averaged over {' and '.join(parts)}" if parts else ""
