"""What the Lightning modules of all tasks share."""

import logging
import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.utilities.enums import GradClipAlgorithmType
from pytorch_lightning.utilities.types import LRSchedulerConfigType, OptimizerLRSchedulerConfig
from torch import Tensor

from segnet.data.batch import TrainingBatch
from segnet.data.samples import Batch
from segnet.errors import UserError, require
from segnet.layers import fusion_weights
from segnet.losses import Mean, loss_means
from segnet.randomness import stream_seed
from segnet.training.collectives import distributed, gather_values, sum_values
from segnet.training.epoch_mean import EpochMean
from segnet.training.fine_tuning import parameter_groups
from segnet.training.loss_check import LossCheck, NonFiniteLoss, non_finite_tensors
from segnet.training.loss_shares import LossShares
from segnet.training.schedules import follow
from segnet.training.setup import TrainingSetup

log = logging.getLogger(__name__)

ADVICE = (
    "lower optimizer.lr, set trainer.precision=32-true, or leave out such steps with skip_steps=10; the checkpoints of "
    "earlier steps are kept"
)


class TrainingModule(pl.LightningModule):
    """Trains a network, and logs its scores after each epoch; a subclass says what happens with a batch.

    Args:
        setup: network, loss, optimiser and schedule.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if setup.channels_last else torch.contiguous_format
        self.network = setup.network.to(memory_format=self.memory_format)
        if setup.compile_network:
            self.network.compile()  # in place, so that the state dict keeps its names
        self.loss = setup.loss
        self.frozen, self._rate_factors = setup.frozen, setup.rate_factors
        self._optimizer, self._scheduler = setup.optimizer, setup.scheduler
        self.sample_ids, self.seed = setup.sample_ids, setup.seed
        self.epoch_loss, self.validation_loss = EpochMean(), EpochMean()
        self._shares = LossShares()
        self._loss_check, self._gradient_check = LossCheck(), LossCheck()
        self.skip_steps, self.skipped_steps = setup.skip_steps, 0
        self.float32_after_skip, self.computes_in_float32 = setup.float32_after_skip, False
        self._samples: list[Tensor] = []  # of the step that is being accumulated
        self._statistics: list[Tensor] = []  # running statistics before that step, where it may be left out

    def train(self, mode: bool = True) -> Self:
        """Leave frozen parts in evaluation mode, so that their running statistics stay."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def batch_loss(self, batch: Batch) -> list[Mean]:
        """Return the training loss of a batch: terms that add up, each with what it is a mean over."""
        raise NotImplementedError

    def start_scores(self) -> None:
        """Forget the scores of the last validation."""
        raise NotImplementedError

    def finish_scores(self) -> dict[str, float | Tensor]:
        """Return the scores of the whole validation split, over all processes, by name, the foremost first."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Feed the network images ``(N, C, H, W)``, floats in 0..1."""
        with self._own_precision():
            output: Tensor = self.network(images.contiguous(memory_format=self.memory_format))
        return output

    def _own_precision(self) -> AbstractContextManager[object]:
        """Leave the trainer's mixed precision, once a step in it had to be left out."""
        return torch.autocast(self.device.type, enabled=False) if self.computes_in_float32 else nullcontext()

    def on_after_batch_transfer(self, batch: TrainingBatch | Batch, dataloader_idx: int) -> Batch:
        """Augment training batches on the device that the network is on."""
        return batch.augment() if isinstance(batch, TrainingBatch) else batch

    def on_train_start(self) -> None:
        """Follow the schedule of a length that was changed when the run was resumed; hold what is frozen."""
        self.train(self.training)  # what has looked at the network meanwhile may have put it back as a whole
        for config in self.trainer.lr_scheduler_configs:
            follow(config.scheduler)

    def on_train_epoch_start(self) -> None:
        """Start the mean of the loss; an epoch resumed in its middle has it from the checkpoint."""
        self.epoch_loss.reset()

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Give what is random in the network, such as dropout, a stream of this batch's own."""
        torch.manual_seed(stream_seed(self.seed, "network", self.current_epoch, batch_index, self.global_rank))
        if self.skip_steps and not self._samples:
            self._statistics = [buffer.clone() for buffer in self.network.buffers()]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the mean of the loss so far; refuse to replace a good checkpoint by weights that are not finite.

        Raises:
            UserError: a weight or a running statistic is infinite or NaN.
        """
        self._refuse_all()
        for part in ("state_dict", "current_model_state"):
            if broken := non_finite_tensors(checkpoint.get(part, {})):
                raise UserError(
                    f"{broken[0]} and {len(broken) - 1} more of the network became infinite or NaN before step "
                    f"{self.global_step} (epoch {self.current_epoch}): {ADVICE}"
                )
        checkpoint["skipped_steps"], checkpoint["float32"] = self.skipped_steps, self.computes_in_float32
        checkpoint["epoch_loss"] = self.epoch_loss.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue the mean of the loss; checkpoints of older versions were written between two epochs."""
        self.skipped_steps = checkpoint.get("skipped_steps", 0)
        self.computes_in_float32 = checkpoint.get("float32", False)
        if "epoch_loss" in checkpoint and checkpoint["epoch_loss"].ndim == 3:
            self.epoch_loss.load(checkpoint["epoch_loss"], self.global_rank, self.trainer.world_size)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            UserError: the loss is not finite, and such steps are not left out; on a GPU it is found some steps later,
                see :class:`LossCheck`.
        """
        with self._own_precision():  # an auxiliary head calls the network's parts beside forward
            means = self.batch_loss(batch)
        values, weights = torch.stack([mean.value for mean in means]), torch.stack([mean.weight for mean in means])
        loss, whole = self._shares.share(values, weights, self.trainer.accumulate_grad_batches)
        self._samples.append(batch["index"])
        if not self.skip_steps:
            self._refuse("loss", self._loss_check.record(whole, batch["index"]), self.global_step)
        self.epoch_loss.add(values.nan_to_num(0, 0, 0), weights * values.isfinite())
        self.log("train/loss_step", whole, on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def add_validation_loss(self, output: Tensor, target: Tensor) -> None:
        """Add the loss of each image by itself, so that it does not matter which images are in a batch together."""
        for one, its_target in zip(output.split(1), target.split(1), strict=True):
            means = loss_means(self.loss, one, its_target)
            self.validation_loss.add(
                torch.stack([mean.value for mean in means]), torch.stack([mean.weight for mean in means])
            )

    def on_train_epoch_end(self) -> None:
        """Check the last losses, before the epoch's checkpoint is written, and log their mean."""
        self._refuse_all()
        self.log("train/loss_epoch", self.epoch_loss.compute())

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Look at the gradient, after all processes have added theirs: end the training, or leave out the step.

        Raises:
            UserError: it is not finite, and too many steps have been left out; on a GPU it may be found later.
        """
        samples, self._samples = torch.cat(self._samples), []
        gradients = [value.grad for value in self.parameters() if value.grad is not None]
        self._shares.finish_step(gradients)
        if self._scales_gradients():
            return  # the scaler of fp16 leaves out such steps, and finds its scale by them
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.skipped_steps >= self.skip_steps:
            self._refuse("gradient", self._gradient_check.record(norm, samples), self.global_step)
        elif not norm.isfinite():
            self._leave_out_step(norm, samples)

    def _leave_out_step(self, norm: Tensor, samples: Tensor) -> None:
        self.skipped_steps += 1
        log.warning(
            "step %d (epoch %d) is left out, its gradient is %s, on the samples %s",
            *(self.global_step, self.current_epoch, norm.item(), self._names(samples.tolist())),
        )
        for value in self.parameters():
            value.grad = None  # an optimiser passes by what has none
        for buffer, before in zip(self.network.buffers(), self._statistics, strict=True):
            buffer.copy_(before)
        if self.float32_after_skip and not self.computes_in_float32:
            self.computes_in_float32 = True
            log.warning("from step %d on the network computes in float32", self.global_step + 1)

    def _refuse_all(self) -> None:
        self._refuse("loss", self._loss_check.check(), self.global_step - 1)
        self._refuse("gradient", self._gradient_check.check(), self.global_step - 1)

    def _refuse(self, what: str, found: NonFiniteLoss | None, last_step: int) -> None:
        if found is None:
            return
        left_out = f" after {self.skipped_steps} steps were left out" if self.skipped_steps else ""
        raise UserError(
            f"the {what} became {found.value} in step {last_step - found.steps_ago} (epoch {self.current_epoch})"
            f"{left_out}, on the samples {self._names(found.samples)}: {ADVICE}"
        )

    def _names(self, samples: list[int]) -> str:
        """Name the samples of all processes, which all find what is wrong with a step at the same point."""
        of_all = gather_values(torch.tensor(samples, device=self.device)).flatten().tolist()
        return ", ".join(self.sample_ids[index] for index in of_all)

    def on_validation_epoch_start(self) -> None:
        """Start the count; under several processes all score the same network, the first one's running statistics."""
        self.start_scores()
        self.validation_loss.reset()
        if distributed():
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def on_validation_epoch_end(self) -> None:
        """Log the scores, and the weights that the network has learned for its branches."""
        self.log("val/loss", self.validation_loss.compute())
        for place, (name, value) in enumerate(self.finish_scores().items()):
            self.log(f"val/{name}", value, prog_bar=place == 0)
        self.log_dict({f"fusion/{name}": weight for name, weight in fusion_weights(self.network).items()})

    def sum_over_processes(self, values: Tensor) -> Tensor:
        """Add up what each process counted."""
        return sum_values(values, self.device)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Build optimiser and schedule; weight decay acts on kernels, not on norms and biases."""
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        factors, groups = zip(*parameter_groups(parameters, self._rate_factors), strict=True)
        try:
            optimizer = self._optimizer(list(groups))
        except ValueError as error:  # torch checks the ranges of its arguments, each in words of its own
            raise UserError(f"the settings of optimizer do not work: {error}; see --help optimizer") from error
        for factor, group in zip(factors, optimizer.param_groups, strict=True):
            require(0 < group["lr"] < math.inf, "optimizer.lr", group["lr"], "a number above 0")
            group["lr"] *= factor
        self._refuse_clipping_of_fused(optimizer)
        scheduler = self._scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": LRSchedulerConfigType(scheduler=scheduler, interval="step")}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip, also under a fused optimiser: Lightning refuses that in bf16 too, where no gradient is scaled."""
        if gradient_clip_val and not self._scales_gradients():
            algorithm = GradClipAlgorithmType(gradient_clip_algorithm or GradClipAlgorithmType.NORM)
            Precision.clip_gradients(self.trainer.precision_plugin, optimizer, gradient_clip_val, algorithm)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def _scales_gradients(self) -> bool:
        """Whether a scaler keeps small gradients from vanishing, as in 16-mixed."""
        return getattr(self.trainer.precision_plugin, "scaler", None) is not None

    def _refuse_clipping_of_fused(self, optimizer: torch.optim.Optimizer) -> None:
        """A fused optimiser takes the scale of fp16 off by itself, after clipping; Lightning says so in other words."""
        if self.trainer.gradient_clip_val and optimizer.defaults.get("fused") and self._scales_gradients():
            raise UserError(
                f"trainer.gradient_clip_val={self.trainer.gradient_clip_val} cannot clip under a fused optimiser in "
                f"precision {self.trainer.precision}: set optimizer.fused=false"
            )
