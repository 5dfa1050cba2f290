"""Which classes the config of a run may name: a stranger's run folder is data, and none of it is executed."""

import contextlib
import functools
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from segnet.addresses import is_address
from segnet.errors import UserError

_OTHERS = {
    "torch.optim": "Adadelta Adagrad Adam AdamW Adamax NAdam RAdam RMSprop Rprop SGD ASGD",
    "torch.nn": "ReLU ReLU6 LeakyReLU PReLU ELU SELU CELU GELU SiLU Mish Hardswish Hardsigmoid Hardtanh Sigmoid Tanh "
    "Softplus Identity L1Loss MSELoss SmoothL1Loss HuberLoss CrossEntropyLoss BatchNorm2d GroupNorm InstanceNorm2d "
    "Dropout2d",
    # For data.augmentation.transforms: all of torchvision's for images, but Lambda, which takes any function.
    "torchvision.transforms.v2": "AugMix AutoAugment CenterCrop ColorJitter Compose ElasticTransform GaussianBlur "
    "GaussianNoise Grayscale Identity JPEG Normalize Pad RGB RandAugment RandomAdjustSharpness RandomAffine "
    "RandomApply RandomAutocontrast RandomChannelPermutation RandomChoice RandomCrop RandomEqualize RandomErasing "
    "RandomGrayscale RandomHorizontalFlip RandomInvert RandomOrder RandomPerspective RandomPhotometricDistort "
    "RandomPosterize RandomResize RandomResizedCrop RandomRotation RandomShortestSize RandomSolarize "
    "RandomVerticalFlip RandomZoomOut Resize ScaleJitter TrivialAugmentWide",
    "pytorch_lightning": "Trainer",
    "pytorch_lightning.strategies": "DDPStrategy",
    "pytorch_lightning.loggers": "TensorBoardLogger CSVLogger WandbLogger MLFlowLogger",
    "pytorch_lightning.callbacks": "EarlyStopping LearningRateMonitor DeviceStatsMonitor GradientAccumulationScheduler "
    "Timer",
}
OTHERS = frozenset(f"{package}.{name}" for package, names in _OTHERS.items() for name in names.split())
"""Of other packages, beside what the shipped configurations name. The models of torchvision and timm are chosen by
``encoder.name`` and built by our own encoders."""
FORMER = frozenset(["segnet.models.torchvision_encoder.TorchvisionEncoder", "segnet.models.timm_encoder.TimmEncoder"])
"""Names of our own that the configs of older runs have."""
OF_EXPERIMENTS = frozenset(["segnet.training.batch_record.BatchRecord"])
"""What an experiment adds to the recipe of its runs, and no shipped configuration names."""
TARGET = re.compile(r"""\b_target_["']?\s*:\s*["']?([\w.]+)""")
REFERENCE = re.compile(r"\$\{(?!run_dir\})[^}]*\}?")
MAX_BYTES = 4_000_000

_trusted: set[str] = set()
_of_runs: set[str] = set()
"""Where the data of runs lie that were opened in this process, as far as the user has not named the same place."""
_all_allowed: ContextVar[bool] = ContextVar("all_allowed", default=False)


@functools.cache
def named_in(folder: Path) -> frozenset[str]:
    """Return the classes that the configurations in a folder name."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.yaml")))
    return frozenset(name for text in texts for name in TARGET.findall(text))


def trust(names: Iterable[object]) -> None:
    """Trust classes, and addresses of data, in this process: those that the user's own configurations name."""
    own = set(map(str, names))
    _trusted.update(own)
    _of_runs.difference_update(own)


def check_address(address: str) -> None:
    """Refuse to fetch data from an address that a run names and the user has not named.

    Raises:
        UserError: that is so; the message says what to do.
    """
    if address in _of_runs and not _all_allowed.get():
        raise UserError(
            f"the run fetches its data from {address}: add allow_code=true if you trust it, or say where they lie as "
            f"data_root=FOLDER where the command takes that"
        )


@contextlib.contextmanager
def allow_code(allowed: bool = True) -> Iterator[None]:
    """Let the configs of runs name any class while the body runs."""
    token = _all_allowed.set(allowed or _all_allowed.get())
    try:
        yield
    finally:
        _all_allowed.reset(token)


def targets(values: Any) -> Iterator[object]:
    """Yield what each ``_target_`` in plain values names."""
    if isinstance(values, dict):
        if "_target_" in values:
            yield values["_target_"]
        for value in values.values():
            yield from targets(value)
    elif isinstance(values, list):
        for value in values:
            yield from targets(value)


def check_text(text: str, path: Path) -> None:
    """Refuse a config that is too large, or that refers to parts of itself and so may grow without end.

    Raises:
        UserError: it does.
    """
    import yaml

    if len(text) > MAX_BYTES:
        raise UserError(f"{path} is no config of a run: it has more than {MAX_BYTES:,} characters")
    if "*" not in text:
        return
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise UserError(f"{path} is no config of a run: it refers to parts of itself by aliases")
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path} is not a YAML file: {' '.join(str(error).split())}") from error


def check_contents(values: dict[str, Any], path: Path, shipped: Path) -> None:
    """Check that the config of a run names known classes only, and refers to nothing outside itself.

    Args:
        values: the config, nothing in it resolved.
        path: of its file, for messages.
        shipped: folder of the shipped configurations, whose classes are known.

    Raises:
        UserError: it does not; the message says what to do if the run is to be trusted.
    """
    found = REFERENCE.search(repr(values))
    if found:
        raise UserError(
            f"{path} holds the reference {found[0]}, which no training writes into it and which is not resolved: put "
            f"the value itself there"
        )
    if _all_allowed.get():
        return
    known = named_in(shipped) | OTHERS | FORMER | OF_EXPERIMENTS | _trusted
    unknown = sorted({str(name) for name in targets(values) if not isinstance(name, str) or name not in known})
    if unknown:
        raise UserError(
            f"the run {path.parent} names {', '.join(unknown)}, which is no part of segnet and could do anything: if "
            f"you trust whoever made the run, add allow_code=true, or name the folder of your own configs by "
            f"--config-dir"
        )
    _check_writing(values, path)


def _check_writing(values: dict[str, Any], path: Path) -> None:
    """A run writes into its own folder, and fetches nothing from a place that its config names."""
    callbacks = values.get("callbacks")
    for name, node in callbacks.items() if isinstance(callbacks, dict) else ():
        folder = node.get("run_dir", "${run_dir}") if isinstance(node, dict) else "${run_dir}"
        if folder != "${run_dir}":
            raise UserError(
                f"{path} has callbacks.{name} write into {folder}: put ${{run_dir}} there, or add allow_code=true"
            )
    dataset = values["data"].get("dataset")
    if not isinstance(dataset, dict):
        return
    if "url" in dataset:
        raise UserError(f"{path} fetches data from {dataset['url']}: remove it, or add allow_code=true if you trust it")
    place = str(dataset.get("root"))
    if is_address(place) and place not in _trusted:
        _of_runs.add(place)
