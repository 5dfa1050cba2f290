"""The Lightning module: what happens with a batch."""

from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from segnet.data.dataset import Sample
from segnet.errors import UserError
from segnet.inference import as_float, resize_logits
from segnet.metrics import confusion_matrix, scores


class SegmentationTask(pl.LightningModule):
    """Trains a network on pixel labels and scores it after each epoch.

    Args:
        network: takes images in 0..1, ``(N, C, H, W)``, to logits ``(N, K, H, W)``.
        loss: takes logits and labels to a scalar.
        optimizer: factory of the optimiser, called with parameter groups.
        scheduler: factory of the schedule, called with the optimiser and the number of steps.
        classes: names of the classes 0..K-1.
        ignore_index: label that does not count.
        sample_ids: names of the training samples, for messages.
        channels_last: feed the network in the channels-last memory layout.
        compile_network: run the training forward pass through ``torch.compile``.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler],
        classes: list[str],
        ignore_index: int,
        sample_ids: list[str],
        channels_last: bool = True,
        compile_network: bool = False,
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.memory_format)
        if compile_network:
            self.network.compile()  # in place, so that the state dict keeps its names
        self.loss = loss
        self._optimizer, self._scheduler = optimizer, scheduler
        self.classes, self.ignore_index, self.sample_ids = classes, ignore_index, sample_ids
        self.confusion: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Take uint8 images ``(N, C, H, W)`` to logits."""
        return self.network(as_float(images).contiguous(memory_format=self.memory_format))

    def training_step(self, batch: Sample, batch_index: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            UserError: the loss is not finite.
        """
        loss = self.loss(self(batch["image"]), batch["label"])
        if not torch.isfinite(loss):
            self._refuse_non_finite(loss, batch)
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True, batch_size=len(batch["image"]))
        return loss

    def _refuse_non_finite(self, loss: Tensor, batch: Sample) -> None:
        names = ", ".join(self.sample_ids[index] for index in batch["index"].tolist())
        raise UserError(
            f"the loss became {loss.item()} in step {self.global_step} (epoch {self.current_epoch}), on the samples "
            f"{names}: lower optimizer.lr, or set trainer.precision=32-true; the checkpoints of earlier epochs are kept"
        )

    def on_validation_epoch_start(self) -> None:
        """Start the count; under several processes all score the same network, the first one's running statistics."""
        self.confusion = torch.zeros(len(self.classes), len(self.classes), dtype=torch.int64, device=self.device)
        if _distributed():
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def validation_step(self, batch: Sample, batch_index: int) -> None:
        """Add a batch to the confusion matrix."""
        labels = batch["label"]
        logits = resize_logits(self(batch["image"]), labels.shape[-2:])
        loss = self.loss(logits, labels)
        self.log("val/loss", loss, on_epoch=True, batch_size=len(labels), sync_dist=True)
        self.confusion += confusion_matrix(logits.argmax(1), labels, len(self.classes), self.ignore_index)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole split, summed over all processes."""
        if _distributed():
            torch.distributed.all_reduce(self.confusion)
        result = scores(self.confusion)
        self.log("val/miou", result.miou, prog_bar=True)
        self.log("val/pixel_accuracy", result.pixel_accuracy)
        self.log_dict({f"val/iou/{name}": value for name, value in zip(self.classes, result.iou, strict=True)})

    def configure_optimizers(self) -> dict:
        """Build optimiser and schedule; weight decay acts on kernels, not on norms and biases."""
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        kernels = [parameter for parameter in parameters if parameter.ndim > 1]
        others = [parameter for parameter in parameters if parameter.ndim <= 1]
        optimizer = self._optimizer([{"params": kernels}, {"params": others, "weight_decay": 0.0}])
        scheduler = self._scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
