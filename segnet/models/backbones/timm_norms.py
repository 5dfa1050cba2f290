"""Timm's batch norm with an activation inside, made to train on a single value a channel. It needs timm."""

from typing import Any

from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from segnet.compat import has_hooks
from segnet.layers.convolution import is_single, normalise_by_running
from segnet.layers.replacement import NORM_TENSORS, take_over


class BatchNormAct(BatchNormAct2d):
    """What :class:`segnet.layers.BatchNorm` is to torch's: the running statistics stand in for a single value's."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise ``(N, C, H, W)``, then activate."""
        if self.training and is_single(features):
            activated: Tensor = self.act(self.drop(normalise_by_running(self, features)))
        else:
            activated = super().forward(features)  # type: ignore[no-untyped-call]  # timm gives it no types
        return activated


def replace_norms_with_activation(network: nn.Module) -> None:
    """Put a :class:`BatchNormAct` in place of each of timm's; parameters, buffers and names stay."""
    for name, module in list(network.named_modules()):
        if type(module) is BatchNormAct2d and not has_hooks(module):
            setting: tuple[Any, Any, Any, Any] = module.eps, module.momentum, module.affine, module.track_running_stats
            norm = BatchNormAct(module.num_features, *setting, apply_act=False, device="meta")
            norm.drop, norm.act = module.drop, module.act
            network.set_submodule(name, take_over(module, norm, NORM_TENSORS))
