"""A simulated MR acquisition of a slice, as BrainWeb describes its settings.

Sources: Kwan et al. 1999 and the BrainWeb simulator's parameters (noise in percent of the brightest tissue,
intensity non-uniformity as the range of a smooth multiplicative field).
"""

import numpy as np

from segnet.errors import require


class Acquisition:
    """Gamma, intensity non-uniformity and Rician noise, in this order.

    Args:
        noise: standard deviation of the noise in each of the two channels, in units of the brightest tissue.
        non_uniformity: full range of the multiplicative field; 0.4 lets it run from 0.8 to 1.2 over the slice.
        gamma: smallest and largest exponent of the intensities, drawn log-uniformly.

    Raises:
        segnet.errors.UserError: a value is out of its range.
    """

    def __init__(self, noise: float, non_uniformity: float, gamma: tuple[float, float]) -> None:
        prefix = "data.dataset.acquisition"
        require(noise >= 0, f"{prefix}.noise", noise, "a number from 0 up")
        require(0 <= non_uniformity < 2, f"{prefix}.non_uniformity", non_uniformity, "a number from 0 to below 2")
        require(
            0 < gamma[0] <= gamma[1], f"{prefix}.gamma", gamma, "[LOW,HIGH], two numbers above 0, the smaller first"
        )
        self.noise, self.non_uniformity, self.gamma = noise, non_uniformity, gamma

    def __call__(self, intensities: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Take clean intensities ``(H, W)``, 1 the brightest tissue, to a noisy slice ``(H, W)`` float32."""
        exponent = np.exp(random.uniform(*np.log(self.gamma)))
        with np.errstate(divide="ignore"):  # the logarithm of 0 is minus infinity, which gives 0 again
            signal = np.exp(np.float32(exponent) * np.log(intensities.astype(np.float32)))  # a third of a power's time
        signal *= 1 + self.non_uniformity / 2 * smooth_field(intensities.shape, random)
        real, imaginary = random.standard_normal((2, *intensities.shape), dtype=np.float32) * np.float32(self.noise)
        signal += real
        # The care that hypot takes for huge numbers costs five times as much.
        magnitude: np.ndarray = np.sqrt(signal * signal + imaginary * imaginary)
        return magnitude


def smooth_field(shape: tuple[int, int], random: np.random.Generator, order: int = 3) -> np.ndarray:
    """Draw a smooth field ``(H, W)`` float32 that runs from exactly -1 to 1: cosines of the lowest frequencies."""
    bases = []
    for side in shape:
        position = (np.arange(side, dtype=np.float32) + 0.5) / side
        bases.append(np.cos(np.pi * position[:, None] * np.arange(order, dtype=np.float32)))
    coefficients = random.standard_normal((order, order)).astype(np.float32)
    coefficients[0, 0] = 0
    field = bases[0] @ coefficients @ bases[1].T
    low, high = field.min(), field.max()
    stretched: np.ndarray = 2 * (field - low) / (high - low) - 1
    return stretched
