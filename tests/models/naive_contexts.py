"""Context blocks by their definition, over numpy arrays; the weights are read from the module under test."""

import numpy as np
from torch import nn

# The references of the operators lie beside their tests; pytest adds that folder only when it runs those too.
from tests.layers import naive_convolutions as naive


def convolve(x: np.ndarray, convolution: nn.Module, dilation: int = 1) -> np.ndarray:
    if hasattr(convolution, "depthwise"):
        space = convolution.depthwise.weight.detach().numpy()[:, 0]
        x, convolution, dilation = naive.depthwise(x, space, dilation=dilation), convolution.pointwise, 1
    return naive.convolve(x, convolution.weight.detach().numpy(), dilation=dilation)


def norm_silu(x: np.ndarray, norm: nn.BatchNorm2d) -> np.ndarray:
    mean, variance = (value.numpy()[:, None, None] for value in (norm.running_mean, norm.running_var))
    x = (x - mean) / np.sqrt(variance + norm.eps)
    return x / (1 + np.exp(-x))


def aspp(x: np.ndarray, context: nn.Module, rates: tuple[int, ...]) -> np.ndarray:
    """Chen et al. 2017, figure 5, with SiLU."""
    maps = [norm_silu(convolve(x, context.pointwise.convolution), context.pointwise.norm)]
    for rate, branch in zip(rates, context.atrous, strict=True):
        maps.append(norm_silu(convolve(x, branch.convolution, rate), branch.norm))
    means = np.zeros((*x.shape[:2], 1, 1))
    for n, c in np.ndindex(*x.shape[:2]):
        means[n, c, 0, 0] = x[n, c].sum() / x[n, c].size
    pooled = norm_silu(convolve(means, context.image_pooling.convolution), context.image_pooling.norm)
    maps.append(pooled * np.ones((1, 1, *x.shape[2:])))
    return norm_silu(convolve(np.concatenate(maps, axis=1), context.project.convolution), context.project.norm)


def atrous_regular(x: np.ndarray, context: nn.Module, dilation: int) -> np.ndarray:
    """Both branches, the sum of them (a linear fusion starts as the sum), norm and SiLU."""
    both = convolve(x, context.convolution.regular) + convolve(x, context.convolution.atrous, dilation)
    return norm_silu(both, context.norm)
