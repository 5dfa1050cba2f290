"""Averaging a network's output over mirror images and sizes of its input."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.inference.passes import FLIPS, check_flips, check_scales


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
        self.network, self.flips, self.scales = network, check_flips(flips), check_scales(scales)
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


def resize(images: Tensor, scale: float) -> Tensor:
    """Resize ``(N, C, H, W)`` by a factor; 1 leaves it as it is."""
    if scale == 1:
        return images
    size = [max(1, round(side * scale)) for side in images.shape[-2:]]
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=scale < 1)
