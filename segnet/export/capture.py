"""Capturing a network as a graph of torch's operators, of any batch, height and width, its batch norms folded."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from segnet.compat import export_any_size
from segnet.errors import UserError
from segnet.export.folding import fold_batch_norms
from segnet.layers import use_exact_rewrites
from segnet.layers.exporting import every_step_doubles
from segnet.models.decoders import MirrorDecoder

TRACED_SIZE = (2, 72, 104)
"""Batch, height and width with which a network is captured. They stay open, and no check is made with them."""


class ExportedNetwork(nn.Module):
    """What is exported: images in 0..1 to the network's output, or to the class of each pixel.

    Args:
        network: in evaluation mode.
        result: "logits" (the network's own output, whatever it is) or "classes".
    """

    def __init__(self, network: nn.Module, result: str = "logits") -> None:
        super().__init__()
        self.network, self.result = network, result

    def forward(self, images: Tensor) -> Tensor:
        """Take images ``(N, C, H, W)``, floats in 0..1, to logits ``(N, K, H, W)`` or classes ``(N, H, W)`` uint8."""
        output: Tensor = self.network(images)
        return output if self.result == "logits" else output.argmax(1).to(torch.uint8)


def plain_copy(network: nn.Module) -> nn.Module:
    """Return a copy on the CPU, in evaluation mode, that computes the plain forms: other runtimes have their own."""
    copied = copy.deepcopy(network).cpu().eval().to(memory_format=torch.contiguous_format)
    return use_exact_rewrites(copied, False)


def capture(network: nn.Module, channels: int, result: str = "logits") -> ExportedProgram:
    """Capture a network by ``torch.export``.

    Args:
        network: any that this package builds; it is left as it is.
        channels: of an image.
        result: see :class:`ExportedNetwork`.

    Raises:
        UserError: torch cannot capture it.
    """
    module = ExportedNetwork(plain_copy(network), result).eval()
    program = _export(module, channels)
    return _export(fold_batch_norms(program.module(check_guards=False)), channels)


def _export(module: nn.Module, channels: int) -> ExportedProgram:
    batch, height, width = TRACED_SIZE
    images = torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(0))
    open_sizes = dict.fromkeys((0, 2, 3), Dim.DYNAMIC)
    # In a decoder of ours every step doubles: halving rounds up everywhere.
    steps = [part for part in module.modules() if isinstance(part, MirrorDecoder)]
    try:
        with (
            torch.no_grad(),
            quiet(),
            every_step_doubles() if steps else nullcontext(),
            export_any_size(),
        ):
            return torch.export.export(module, (images,), dynamic_shapes=(open_sizes,), strict=False)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:  # what it raises depends on the operator
        raise UserError(f"torch.export cannot capture this network: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' own warnings and lines away: what they come to is checked."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
