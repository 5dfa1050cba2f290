"""Comparing an exported file with the network that it was made from, on sizes that it was not captured with."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from segnet.errors import UserError
from segnet.layers import MaxUnpool

Run = Callable[[np.ndarray], np.ndarray]
"""Runs a file: images ``(N, C, H, W)`` float32 in 0..1 to its output."""
Size = tuple[int, int, int]
"""Batch, height and width."""

SIZES: tuple[Size, ...] = ((1, 45, 61), (3, 32, 96), (2, 100, 7), (1, 17, 16), (1, 1, 1))
TOLERANCES = {"32": 1e-4, "16": 2e-2, "int8": 0.5}
"""Largest share of the largest logit by which a value may differ. In fewer bits, where a single value may be any
distance away, the mean difference counts, as a share of the logits' mean size."""
DRAWS = 4


class Parity(NamedTuple):
    """How far a file's results are from the network's.

    Attributes:
        largest_difference: between two values of the output.
        share: what is compared with the tolerance, see :data:`TOLERANCES`.
        tolerance: the largest share that is allowed.
        sizes: batch, height and width of what was compared.
        redrawn: images that were drawn again. Only max-unpool has that: two values in a window that are equal up to
            rounding may change places, and then a whole neighbourhood differs; a wrong file differs on every image.
    """

    largest_difference: float
    share: float
    tolerance: float
    sizes: tuple[Size, ...]
    redrawn: int

    def entries(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        return {**self._asdict(), "sizes": [list(size) for size in self.sizes]}

    def sentence(self) -> str:
        """Say it in one line."""
        sizes = ", ".join("x".join(map(str, size)) for size in self.sizes)
        return (
            f"largest difference {self.largest_difference:.2g}, {self.share:.1g} of the output's size "
            f"(allowed: {self.tolerance:g}) at batch x height x width {sizes}"
        )


def check_parity(
    network: nn.Module,
    run: Run,
    channels: int,
    result: str = "logits",
    precision: str = "32",
    sizes: Sequence[Size] = SIZES,
) -> Parity:
    """Compare a file with the network.

    Args:
        network: what it was made from, on the CPU.
        run: runs the file.
        channels: of an image.
        result: "logits" or "classes"; of classes, that the network gives each pixel's almost its highest logit.
        precision: "32", "16" or "int8"; it chooses the tolerance.
        sizes: batch, height and width of the images.

    Raises:
        UserError: they differ by more than the tolerance, or the file cannot be run.
    """
    tolerance, largest, worst, redrawn = TOLERANCES[precision], 0.0, 0.0, 0
    draws = DRAWS if any(isinstance(module, MaxUnpool) for module in network.modules()) else 1
    for place, (batch, height, width) in enumerate(sizes):
        difference, share = float("nan"), float("nan")
        for draw in range(draws):
            generator = torch.Generator().manual_seed(100 * place + draw)
            images = torch.rand(batch, channels, height, width, generator=generator)
            difference, share = _compare(network, run, images, result, precision)
            redrawn += draw > 0
            if share <= tolerance:
                break
        if not share <= tolerance:  # NaN is refused too
            raise UserError(
                f"the exported file differs from the network by {difference:.3g}, {share:.2g} of the output's size "
                f"where {tolerance:g} is allowed, for {batch} images of {width}x{height} pixels: it was not kept"
            )
        largest, worst = max(largest, difference), max(worst, share)
    return Parity(largest, worst, tolerance, tuple(sizes), redrawn)


def _compare(network: nn.Module, run: Run, images: Tensor, result: str, precision: str) -> tuple[float, float]:
    """Return the largest difference, and the share that counts."""
    with torch.inference_mode():
        expected = network(images).float().numpy()
    observed = run(images.numpy())
    if result == "classes":
        chosen = np.take_along_axis(expected, observed[:, None].astype(np.int64), axis=1)
        difference = expected.max(axis=1, keepdims=True) - chosen
    elif observed.shape != expected.shape:
        raise UserError(
            f"the exported file returns {observed.shape} where the network returns {expected.shape}: it was not kept"
        )
    else:
        difference = np.abs(observed.astype(np.float32) - expected)
    largest = float(difference.max())
    if precision == "32":
        return largest, largest / max(1.0, float(np.abs(expected).max()))
    return largest, float(difference.mean()) / max(1e-6, float(np.abs(expected).mean()))
