"""Initial values, each parameter from a random stream of its own.

A stream is keyed by the run's seed and the parameter's place in the network, so that two arms with one seed start
with the same bits in all that they share, and an arm with parameters of its own does not shift the others'.
"""

import inspect
from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from segnet.layers.convolution import initialise_convolution
from segnet.randomness import torch_stream


def initialise(network: nn.Module, seed: int) -> None:
    """Draw all parameters of ``network`` again.

    Convolutions follow :func:`segnet.layers.convolution.initialise_convolution`; a module whose
    ``reset_parameters`` takes a generator draws its own; norms start at scale one and shift zero. A module that has
    a method ``initialise(generator)`` does it for all that it holds (a pretrained one leaves everything as it is).

    Raises:
        TypeError: a module has parameters of its own that none of these rules covers.
    """
    _initialise(network, "", seed)


def _initialise(module: nn.Module, name: str, seed: int) -> None:
    generator = torch_stream(seed, "parameters", name)
    if hasattr(module, "initialise"):
        cast(Callable[[torch.Generator], None], module.initialise)(generator)
        return
    if next(module.parameters(recurse=False), None) is not None:
        reset_parameters: Callable[..., None] = getattr(module, "reset_parameters", lambda: None)
        if isinstance(module, nn.Conv2d):
            initialise_convolution(module, generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif "generator" in inspect.signature(reset_parameters).parameters:
            reset_parameters(generator=generator)
        else:
            raise TypeError(f"{type(module).__name__} at {name!r} needs a reset_parameters(generator) of its own")
    for child_name, child in module.named_children():
        _initialise(child, f"{name}.{child_name}" if name else child_name, seed)
