"""A second head on the encoder, for training alone (Szegedy et al. 2015; Zhao et al. 2017, PSPNet, section 3.3)."""

from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.layers import ConvNormAct, RegularConvolution
from segnet.losses import Mean, loss_means
from segnet.models import EncoderOutput, initialise


class AuxiliaryLoss(nn.Module):
    """Lets a stage of the encoder predict the classes by itself, so that gradients reach it not by the decoder alone.

    It listens to the encoder and is no part of the network, which keeps its parameters, its cost and its exact forms.

    Args:
        encoder: see :mod:`segnet.models.encoders`; in training its stage is kept until :meth:`means` asks for it.
        num_classes: number of classes K.
        loss: takes logits ``(N, K, h, w)`` and labels ``(N, h, w)`` to a scalar.
        seed: the run's, for the head's start.
        stride: of the stage; where several have it, the last.
        weight: of the loss beside the network's own.
        width: channels between the two convolutions of the head.

    Raises:
        UserError: the encoder has no stage of that stride.
    """

    def __init__(
        self,
        encoder: nn.Module,
        num_classes: int,
        loss: Callable[[Tensor, Tensor], Tensor],
        seed: int,
        stride: int = 8,
        weight: float = 0.4,
        width: int = 64,
    ) -> None:
        super().__init__()
        strides, channels = cast("Sequence[int]", encoder.strides), cast("Sequence[int]", encoder.channels)
        if stride not in strides:
            raise UserError(
                f"task.auxiliary.stride={stride} is no stride of {type(encoder).__name__}: choose among "
                f"{sorted(set(strides))}"
            )
        stages = [stage for stage, its_stride in enumerate(strides) if its_stride == stride]
        self.stage, self.loss, self.weight = stages[-1], loss, weight
        self.head = nn.Sequential(
            ConvNormAct(channels[self.stage], width, RegularConvolution), nn.Conv2d(width, num_classes, 1)
        )
        initialise(nn.ModuleDict({"auxiliary": self}), seed)
        self._features: Tensor | None = None
        encoder.register_forward_hook(self._keep)

    def _keep(self, encoder: nn.Module, images: tuple[Tensor], encoded: EncoderOutput) -> None:
        if self.training:
            self._features = encoded.features[self.stage]

    def means(self, labels: Tensor) -> list[Mean]:
        """Return the terms of the weighted loss of the last images that the encoder saw; none in evaluation.

        Args:
            labels: ``(N, H, W)``, of the images' size; each place of the stage learns the label nearest to it.
        """
        features, self._features = self._features, None
        if features is None:
            return []
        logits = self.head(features)
        nearest = F.interpolate(labels[:, None], logits.shape[-2:], mode="nearest-exact")[:, 0]
        return [Mean(self.weight * mean.value, mean.weight) for mean in loss_means(self.loss, logits, nearest)]
