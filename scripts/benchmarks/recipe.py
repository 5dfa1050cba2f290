"""The other side of against_smp.py: segmentation_models.pytorch trained as its own CamVid example does it.

The example is examples/camvid_segmentation_multiclass.ipynb of that project, written again here. It has Lightning,
float32, Adam, Dice loss, IoU counts in every step, albumentations with noise, blur, perspective and CLAHE, and four
loading processes. What differs: the void label is ignored instead of learned as a class, so that the networks have as
many classes as ours; the images' own mean and spread stand in for ImageNet's; nothing is pretrained.
"""

from pathlib import Path
from typing import Any, NamedTuple

import albumentations as A
import cv2
import pytorch_lightning as pl
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from scripts.benchmarks.camvid_subset import CLASSES, IGNORE, MEAN, STD

EVALUATION_SIZE = (384, 480)  # CamVid's, padded to multiples of 32


class Options(NamedTuple):
    """What the user of the other side chooses; the defaults are those of its example.

    Attributes:
        precision: of Lightning's trainer.
        channels_last: memory layout of network and images.
        light: our loss and our augmentation, and IoU counts in validation only.
        workers: loading processes.
    """

    precision: str = "32-true"
    channels_last: bool = False
    light: bool = False
    workers: int = 4


class Images(Dataset):
    """Pairs of image and label of a folder of CamVid.

    Args:
        root: the data set.
        split: "train" or "val".
        augmentation: of albumentations.
    """

    def __init__(self, root: Path, split: str, augmentation: A.Compose) -> None:
        self.folders = root / split, root / f"{split}annot"
        self.names = sorted(path.name for path in self.folders[0].iterdir())
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = cv2.cvtColor(cv2.imread(str(self.folders[0] / self.names[index])), cv2.COLOR_BGR2RGB)
        label = cv2.imread(str(self.folders[1] / self.names[index]), cv2.IMREAD_GRAYSCALE)
        sample = self.augmentation(image=image, mask=label)
        return sample["image"].transpose(2, 0, 1), sample["mask"]


def example_augmentation(crop: tuple[int, int]) -> A.Compose:
    """Augment as the example does, but for the crop's size, which is 320 x 320 there."""
    height, width = crop
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.ShiftScaleRotate(scale_limit=0.5, rotate_limit=0, shift_limit=0.1, p=1, border_mode=0),
            A.PadIfNeeded(min_height=height, min_width=width),
            A.RandomCrop(height=height, width=width),
            A.GaussNoise(p=0.2),
            A.Perspective(p=0.5),
            A.OneOf([A.CLAHE(p=1), A.RandomBrightnessContrast(p=1), A.RandomGamma(p=1)], p=0.9),
            A.OneOf([A.Sharpen(p=1), A.Blur(blur_limit=3, p=1), A.MotionBlur(blur_limit=3, p=1)], p=0.9),
            A.OneOf([A.RandomBrightnessContrast(p=1), A.HueSaturationValue(p=1)], p=0.9),
        ]
    )


def light_augmentation(crop: tuple[int, int], image_height: int = 360) -> A.Compose:
    """Augment as configs/data/camvid.yaml does: one window at 0.75x to 1.5x, a flip, three changes of colour."""
    height, width = crop
    heights = (round(height / 1.5), min(image_height, round(height / 0.75)))
    change = (0.7, 1.3)
    return A.Compose(
        [
            A.RandomSizedCrop(min_max_height=heights, size=crop, w2h_ratio=width / height),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(brightness=change, contrast=change, saturation=change, hue=(0, 0), p=1),
        ]
    )


class Example(pl.LightningModule):
    """The example's Lightning module.

    Args:
        network: takes normalised images to logits.
        options: see :class:`Options`.
    """

    def __init__(self, network: nn.Module, options: Options) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if options.channels_last else torch.contiguous_format
        self.network, self.light = network.to(memory_format=self.memory_format), options.light
        self.register_buffer("mean", 255 * torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(STD).reshape(1, 3, 1, 1))
        self.dice = smp.losses.DiceLoss(smp.losses.MULTICLASS_MODE, from_logits=True, ignore_index=IGNORE)
        self.counts: dict[str, list[tuple[Tensor, ...]]] = {"train": [], "val": []}

    def forward(self, images: Tensor) -> Tensor:
        """Take images ``(N, 3, H, W)``, 0..255, to logits."""
        images = (images - self.mean) / self.std
        return self.network(images.contiguous(memory_format=self.memory_format))

    def loss_of(self, batch: tuple[Tensor, Tensor], split: str) -> Tensor:
        """Return the loss of a batch, and keep its counts for the IoU."""
        images, labels = batch[0], batch[1].long()
        logits = self(images).contiguous(memory_format=self.memory_format)
        loss = F.cross_entropy(logits.float(), labels, ignore_index=IGNORE) if self.light else self.dice(logits, labels)
        if not self.light or split == "val":
            predictions = logits.softmax(1).argmax(1)
            counts = smp.metrics.get_stats(
                predictions, labels, mode="multiclass", num_classes=CLASSES, ignore_index=IGNORE
            )
            self.counts[split].append(counts)
        return loss

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the loss."""
        return self.loss_of(batch, "train")

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the loss."""
        return self.loss_of(batch, "val")

    def _log_iou(self, split: str) -> None:
        if not self.counts[split]:
            return
        counts = [torch.cat(parts) for parts in zip(*self.counts[split], strict=True)]
        for reduction in ("micro", "micro-imagewise"):
            self.log(f"{split}_iou_{reduction}", smp.metrics.iou_score(*counts, reduction=reduction))
        self.counts[split].clear()

    def on_train_epoch_end(self) -> None:
        """Log the IoU."""
        self._log_iou("train")

    def on_validation_epoch_end(self) -> None:
        """Log the IoU."""
        self._log_iou("val")

    def configure_optimizers(self) -> dict[str, Any]:
        """Adam with a cosine schedule, a step a batch."""
        optimizer = torch.optim.Adam(self.parameters(), lr=2e-4)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1000, eta_min=1e-5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def loaders(root: Path, crop: tuple[int, int], batch: int, options: Options) -> tuple[DataLoader, DataLoader]:
    """Return the example's loaders of training and validation."""
    augmentation = light_augmentation(crop) if options.light else example_augmentation(crop)
    padding = A.Compose([A.PadIfNeeded(*EVALUATION_SIZE, border_mode=0, fill_mask=IGNORE)])
    train, val = Images(root, "train", augmentation), Images(root, "val", padding)
    return (
        DataLoader(train, batch, shuffle=True, num_workers=options.workers),
        DataLoader(val, batch, shuffle=False, num_workers=options.workers),
    )


def fit(module: Example, data: tuple[DataLoader, DataLoader], options: Options, folder: Path, **settings: Any) -> None:
    """Train until a callback ends it.

    Args:
        module: see :class:`Example`.
        data: loaders of training and validation.
        options: see :class:`Options`.
        folder: for logs and checkpoints.
        settings: of Lightning's trainer.
    """
    trainer = pl.Trainer(
        precision=options.precision,
        max_epochs=1000,
        log_every_n_steps=1,
        default_root_dir=folder,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        **settings,
    )
    trainer.fit(module, *data)
