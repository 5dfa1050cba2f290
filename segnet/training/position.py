"""Where in its data a training is, and how a resumed one gets there."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from segnet.data.sampling import TrainingOrder


def data_position(checkpoint: Mapping[str, Any]) -> tuple[int, int]:
    """Return the epoch and the batch within it, both counted from 0, that come after a checkpoint of Lightning's."""
    loops = checkpoint["loops"]["fit_loop"]
    epochs = loops["epoch_progress"]["current"]
    if epochs["processed"] > epochs["completed"]:  # written at the end of an epoch
        return epochs["processed"], 0
    return epochs["processed"], loops["epoch_loop.batch_progress"]["current"]["ready"]


class DataPosition(pl.Callback):
    """Starts the order of the training samples where a checkpoint ended.

    Lightning makes the loader's iterator, and loading processes read ahead, before it tells a sampler the epoch. A
    callback hears of the checkpoint before that.

    Attributes:
        order: of the training loader; it is made once the trainer has said which process this is.
    """

    order: TrainingOrder

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go to the next batch; nothing is loaded again."""
        epoch, batch = data_position(checkpoint)
        self.order.start_at(*((epoch, batch) if batch < self.order.batches else (epoch + 1, 0)))
