"""Parameters and multiplications."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Count the values that training changes."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_macs(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Count the multiply-accumulates of all convolutions and matrix products for one image ``(C, H, W)``.

    They are counted by torch from the operators that really run. A transposed convolution multiplies once for
    each input pixel and tap, whatever its stride.
    """
    parameter = next(network.parameters())
    was_training = network.training
    network.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *image_shape, device=parameter.device, dtype=parameter.dtype))
    network.train(was_training)
    return counter.get_total_flops() // 2
