"""Networks of timm as encoders; timm is an optional extra."""

import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from segnet.errors import UserError
from segnet.extras import install_command
from segnet.models.backbones.backbone import BackboneEncoder

try:
    import timm
except ModuleNotFoundError:  # said in the constructor, to the one who asked for it
    timm = cast(Any, None)


class TimmEncoder(BackboneEncoder):
    """A network of timm without its classifier, all stages that timm gives.

    Args:
        name: timm's name of it, such as "resnet18" or, with the tag of published weights, "resnet18.a1_in1k".
        in_channels: channels of the image; timm makes the first convolution fit, and pretrained RGB kernels too
            (summed for one channel, else repeated in turn and scaled).
        weights: None, "DEFAULT" (those that timm publishes under ``name``), or the path of a local file with a state
            dict (.pth or .safetensors).
        output_stride: stride of the last stage; None is the backbone's own. A smaller one trades the last strides for
            dilation (Chen et al. 2017).
        pool_indices: see :class:`segnet.models.backbones.backbone.BackboneEncoder`.
        full_resolution_width: the same.

    Raises:
        UserError: timm is not installed, there is no such backbone, output stride or weights, or they do not fit.
    """

    def __init__(
        self,
        name: str,
        in_channels: int = 3,
        weights: str | None = None,
        output_stride: int | None = None,
        pool_indices: bool = False,
        full_resolution_width: int | None = None,
    ) -> None:
        if timm is None:
            raise UserError(f"encoder=timm needs a package that is not installed: {install_command('timm')}")
        if not timm.is_model(name):
            raise UserError(f"encoder.name={name} is no network of timm: choose one such as resnet18")
        options: dict[str, Any] = {} if output_stride is None else {"output_stride": output_stride}
        build = partial(build_backbone, name, in_channels, options)
        super().__init__(build, in_channels, weights is not None, pool_indices, full_resolution_width)
        if weights is not None:
            self.backbone.load_state_dict(build_pretrained(name, in_channels, options, weights).state_dict())


def build_backbone(name: str, in_channels: int, options: Mapping[str, Any]) -> nn.Module:
    """Build what takes images to the list of timm's features.

    Raises:
        UserError: the network gives no features, or not at the output stride.
    """
    try:
        backbone = timm.create_model(name, features_only=True, in_chans=in_channels, **options)
    except (RuntimeError, AssertionError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        given = "".join(f" encoder.{option}={value}" for option, value in options.items())
        raise UserError(
            f"timm cannot make an encoder of encoder.name={name}{given} ({str(error) or type(error).__name__}): leave "
            f"encoder.output_stride null, or choose another network"
        ) from error
    from segnet.models.backbones.timm_norms import replace_norms_with_activation  # timm is there

    replace_norms_with_activation(backbone)
    return backbone


def build_pretrained(name: str, in_channels: int, options: Mapping[str, Any], weights: str) -> nn.Module:
    """Build the backbone with ``weights``, read by timm: plain tensors only.

    Raises:
        UserError: they cannot be read or downloaded, or do not fit.
    """
    if Path(weights).is_file():
        check_local_weights(name, weights)
        options = {**options, "pretrained_cfg_overlay": {"file": weights}}
    elif weights != "DEFAULT":
        raise UserError(f"encoder.weights={weights} is no file: give the path of one, DEFAULT for timm's own, or null")
    try:
        return timm.create_model(name, pretrained=True, features_only=True, in_chans=in_channels, **options)
    except OSError as error:
        raise UserError(
            f"encoder.weights={weights} could not be downloaded for {name}: fetch the model.safetensors of timm/{name} "
            f"where there is a network and set encoder.weights to the file's path"
        ) from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"encoder.weights={weights} does not fit encoder.name={name}: {reason}") from error


def check_local_weights(name: str, weights: str) -> None:
    """Refuse a file that lacks parameters of the network: timm itself would leave those at their random start.

    Raises:
        UserError: it does, or cannot be read.
    """
    try:
        state = timm.models.load_state_dict(weights, device="cpu", weights_only=True)
    except pickle.UnpicklingError:  # torch's own words say how to execute what is in it
        raise UserError(f"encoder.weights={weights} is no file of plain tensors, and is not loaded") from None
    except Exception as error:  # every reader of weights raises its own kinds for what is not its file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"encoder.weights={weights} is no file of plain tensors: {reason}") from error
    with torch.device("meta"):
        wanted = timm.create_model(name, num_classes=0).state_dict()
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    if missing:
        raise UserError(
            f"encoder.weights={weights} does not fit encoder.name={name}: {len(missing)} of {len(wanted)} tensors are "
            f"missing, first {missing[0]}; give the weights of this very network, with timm's names"
        )
