"""Networks of torchvision as encoders."""

import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models

from segnet.errors import UserError
from segnet.layers.convolution import initialise_convolution
from segnet.models.backbones.backbone import BackboneEncoder, adapt_rgb_kernels


class TorchvisionEncoder(BackboneEncoder):
    """A classification network of torchvision without its classifier.

    Args:
        name: torchvision's name of it, such as "resnet18".
        stages: names of the trunk's children whose output is taken, one a stage, from high to low resolution.
        trunk: name of the network's part whose children run in a row, such as "features"; None: the network itself.
        in_channels: channels of the image; the first convolution is made to fit, see
            :func:`segnet.models.backbones.backbone.adapt_rgb_kernels`.
        weights: None, "DEFAULT" or another name of published weights, or the path of a local file with a state dict.
        output_stride: stride of the last stage; None is the backbone's own. A smaller one trades the last strides for
            dilation (Chen et al. 2017).
        dilated: arguments of the backbone's constructor for each output stride that it can have instead of its own.
        pool_indices: see :class:`segnet.models.backbones.backbone.BackboneEncoder`.
        full_resolution_width: the same.

    Raises:
        UserError: there is no such backbone, output stride or weights, or the weights do not fit.
    """

    def __init__(
        self,
        name: str,
        stages: Sequence[str | int],
        trunk: str | None = None,
        in_channels: int = 3,
        weights: str | None = None,
        output_stride: int | None = None,
        dilated: Mapping[int, Mapping[str, Any]] | None = None,
        pool_indices: bool = False,
        full_resolution_width: int | None = None,
    ) -> None:
        if name not in list_models():
            raise UserError(f"encoder.name={name} is no network of torchvision: choose one such as resnet18")
        dilated = dilated or {}
        if output_stride is not None and output_stride not in dilated:
            raise UserError(
                f"encoder.output_stride={output_stride} is not offered for {name}: leave it null, or choose "
                f"{f'among {sorted(dilated)}' if dilated else 'another encoder, such as resnet50'}"
            )
        arguments = {} if output_stride is None else dilated[output_stride]
        build = partial(build_backbone, name, [str(stage) for stage in stages], trunk, in_channels, arguments)
        super().__init__(build, in_channels, weights is not None, pool_indices, full_resolution_width)
        if weights is not None:
            prefix = "" if trunk is None else f"{trunk}."
            load_weights(self.backbone, read_weights(name, weights), weights, prefix, in_channels)


class StageFeatures(nn.Sequential):
    """Modules that run in a row; takes images to the outputs of those named in ``stages``, as a list.

    Args:
        children: the modules under their names; those after the last stage are left out.
        stages: names among them, in their order.
    """

    def __init__(self, children: Mapping[str, nn.Module], stages: Sequence[str]) -> None:
        names = list(children)
        last = max(names.index(stage) for stage in stages)
        super().__init__(OrderedDict((name, children[name]) for name in names[: last + 1]))
        self.stage_names = frozenset(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run the row."""
        features, outputs = images, []
        for name, child in self.named_children():
            features = child(features)
            if name in self.stage_names:
                outputs.append(features)
        return outputs


def build_backbone(
    name: str, stages: Sequence[str], trunk: str | None, in_channels: int, arguments: Mapping[str, Any]
) -> StageFeatures:
    """Build what takes images to the outputs of ``stages``; parameters keep their names in the trunk.

    Raises:
        UserError: the network has no such parts.
    """
    network = get_model(name, weights=None, **arguments)
    if in_channels != 3:
        conv_name, conv = first_convolution(network)
        # By torch's types these may be longer than pairs.
        geometry: tuple[Any, Any, Any, Any] = conv.kernel_size, conv.stride, conv.padding, conv.dilation
        adapted = nn.Conv2d(in_channels, conv.out_channels, *geometry, bias=conv.bias is not None)
        initialise_convolution(adapted, torch.default_generator)
        network.set_submodule(conv_name, adapted)
    children = dict((network if trunk is None else getattr(network, trunk, nn.Module())).named_children())
    if not stages or not set(stages) <= set(children):
        raise UserError(
            f"encoder.stages={list(stages)} names parts that {f'{trunk} of ' if trunk else ''}{name} does not have: "
            f"choose among {', '.join(children)} (encoder.trunk says whose parts)"
        )
    return StageFeatures(children, stages)


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return the convolution that sees the image, and its name."""
    return next((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d))


def read_weights(name: str, weights: str) -> dict[str, Tensor]:
    """Read the state dict that ``weights`` names: a local file, or one that torchvision publishes.

    Raises:
        UserError: it is neither, cannot be read, or cannot be downloaded.
    """
    path = Path(weights)
    if path.is_file():
        return read_local_weights(path)
    published = get_model_weights(name)
    if weights not in published.__members__:
        raise UserError(
            f"encoder.weights={weights} is neither a file nor weights that torchvision publishes for {name}: give a "
            f"path, null, or one of {', '.join(published.__members__)}"
        )
    try:
        state: dict[str, Tensor] = published[weights].get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise UserError(
            f"encoder.weights={weights} could not be downloaded ({error}): fetch {published[weights].url} where there "
            f"is a network and set encoder.weights to the file's path"
        ) from error
    return state


def read_local_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a file, plain tensors only; one inside a checkpoint's "state_dict" is found.

    Raises:
        UserError: the file holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # torch's own words say how to execute what is in it
        raise UserError(f"encoder.weights={path} is no file of plain tensors, and is not loaded") from None
    except Exception as error:  # torch raises many kinds for what is not its file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"encoder.weights={path} is no file of plain tensors: {reason}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"encoder.weights={path} holds no state dict: save one with torch.save(network.state_dict())")
    return state


def load_weights(backbone: nn.Module, state: Mapping[str, Tensor], source: str, prefix: str, in_channels: int) -> None:
    """Put ``state`` of the full RGB network into ``backbone``, its trunk under ``prefix``; the rest is left out.

    Raises:
        UserError: a parameter is missing or has another shape.
    """
    wanted = backbone.state_dict()
    state = {name: state[prefix + name] for name in wanted if prefix + name in state}
    first = f"{first_convolution(backbone)[0]}.weight"
    if first in state and state[first].shape[1] == 3:
        state[first] = adapt_rgb_kernels(state[first], in_channels)
    # Files from before torch 0.4 lack these counters, and nothing depends on them.
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    if missing:
        raise UserError(
            f"encoder.weights={source} does not fit encoder.name: {len(missing)} of {len(wanted)} tensors are missing, "
            f"first {prefix}{missing[0]}; give the weights of this very network"
        )
    for name, value in state.items():
        if value.shape != wanted[name].shape:
            raise UserError(
                f"encoder.weights={source} does not fit encoder.name: {prefix}{name} is {tuple(value.shape)} there and "
                f"{tuple(wanted[name].shape)} in the network; give the weights of this very network"
            )
    backbone.load_state_dict(state, strict=False)
