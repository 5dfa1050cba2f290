"""An exported network in ONNX Runtime: predictions without torch."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from segnet.data.images import as_bytes
from segnet.errors import UserError, require
from segnet.extras import install_command
from segnet.inference.budget import MemoryBudget
from segnet.inference.export_facts import ExportFacts
from segnet.inference.passes import FLIPS, check_flips
from segnet.inference.predictor import Predictor
from segnet.tasks.segmentation.result import SegmentationResult, check_kinds, files_of
from segnet.tasks.super_resolution.result import Enlargement
from segnet.tasks.super_resolution.result import check_kinds as check_enlarging_kinds

if TYPE_CHECKING:
    from segnet.training.task import Prediction

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxModel(Predictor):
    """A file that ``segnet-export`` wrote, opened.

    Attributes:
        session: ONNX Runtime's; it takes ``images`` ``(N, C, H, W)`` float32 in 0..1.
        exported: all that the file says of itself.
        facts: classes, colours, channels and scale.
        runner: how it is run: memory, flips.
    """

    def __init__(self, session: Any, exported: ExportFacts, memory_gib: float = 0.5, flips: str = "none") -> None:
        self.session, self.exported, self.facts = session, exported, exported.data
        if exported.result == "classes" and flips != "none":
            raise UserError(f"flips={flips} averages logits, and this file returns classes: export result=logits")
        self.runner: OnnxRunner = OnnxRunner(session, exported, memory_gib, flips)

    def predict_batch(self, images: Sequence[np.ndarray], probabilities: bool) -> "Sequence[Prediction]":
        """Predict images ``(H, W, C)`` of one size and type at once; a file of classes knows no probabilities."""
        if self.exported.task == "super_resolution":
            return self._enlarge(images)
        size = images[0].shape[:2]
        masks, found = np.empty((len(images), *size), np.uint8), None
        if probabilities and self.exported.result == "logits":
            found = np.empty((len(images), len(self.classes), *size), np.float32)
        for top, logits in _resized(self.runner(_stack(images, self.facts.scale)), size):
            rows = slice(top, top + logits.shape[-2])
            masks[:, rows] = logits[:, 0] if self.exported.result == "classes" else logits.argmax(1)
            if found is not None:
                found[:, :, rows] = softmax(logits)
        return [
            SegmentationResult(image, mask, None if found is None else found[place], self.classes, self.colours)
            for place, (image, mask) in enumerate(zip(images, masks, strict=True))
        ]

    def _enlarge(self, images: Sequence[np.ndarray]) -> list[Enlargement]:
        height, width, channels = images[0].shape
        factor = self.exported.factor
        results = [np.empty((factor * height, factor * width, channels), np.uint8) for _ in images]
        for top, band in self.runner(_stack(images, 1)):
            for result, values in zip(results, band, strict=True):
                result[top : top + band.shape[2]] = as_bytes(values.clip(0, 1).transpose(1, 2, 0))
        return [Enlargement(image, result) for image, result in zip(images, results, strict=True)]

    def kinds(self, asked: Sequence[str] | None) -> Sequence[str]:
        """Check the kinds of files that are asked for.

        Raises:
            UserError: there is no such kind, or the file does not know what it needs.
        """
        if self.exported.task == "super_resolution":
            return check_enlarging_kinds(asked)
        kinds = check_kinds(asked)
        if "probabilities" in kinds and self.exported.result == "classes":
            raise UserError("write=probabilities needs logits, and this file returns classes: export result=logits")
        return kinds

    def files(self, name: str, kinds: Sequence[str]) -> Sequence[Path]:
        """Name the files of one image."""
        return [Path(name)] if self.exported.task == "super_resolution" else list(files_of(name, kinds).values())


class OnnxRunner(MemoryBudget):
    """Runs a session, whole or in tiles, and flipped if asked for."""

    def __init__(self, session: Any, exported: ExportFacts, memory_gib: float, flips: str) -> None:
        super().__init__(memory_gib)
        self.session, self.exported, self.flips = session, exported, check_flips(flips)

    def __call__(self, images: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Run images ``(N, C, H, W)``, uint8 or floats in 0..1, and yield the output in bands of rows.

        A file of classes is not blended from tiles, and runs whole.
        """
        if self.exported.result == "classes":
            return iter([(0, self._run(images)[:, None])])
        return self.bands(self._run, images)

    @property
    def pixel_bytes(self) -> float:
        """See the file."""
        return self.exported.pixel_bytes

    @property
    def reach(self) -> int | None:
        """See the file."""
        return self.exported.reach

    @property
    def stride(self) -> int:
        """See the file."""
        return self.exported.stride

    @property
    def factor(self) -> int:
        """See the file."""
        return self.exported.factor

    @property
    def outputs(self) -> int:
        """Channels of the output."""
        return self.exported.channels if self.exported.task == "super_resolution" else len(self.exported.classes)

    def _run(self, images: np.ndarray) -> np.ndarray:
        values = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images.astype(np.float32)
        outputs = [
            np.flip(self.session.run(None, {"images": np.ascontiguousarray(np.flip(values, axes))})[0], axes)
            for axes in FLIPS[self.flips]
        ]
        mean: np.ndarray = outputs[0] if len(outputs) == 1 else np.mean(outputs, axis=0)
        return mean


def load_onnx(
    path: Path,
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    memory_gib: float = 0.5,
    flips: str = "none",
) -> OnnxModel:
    """Open a file that ``segnet-export`` wrote; see :func:`segnet.load`.

    Raises:
        UserError: ONNX Runtime is not installed, the file is not there, damaged or not ours, or a setting has no such
            value or means nothing here.
    """
    if not path.is_file():
        raise UserError(f"run={path} does not exist")
    if checkpoint != "best" or precision != "auto":
        name, value = ("checkpoint", checkpoint) if checkpoint != "best" else ("precision", precision)
        raise UserError(f"{name}={value} was settled when {path} was exported: leave it out, or export again")
    require(device in ("auto", *PROVIDERS), "device", device, f"one of auto, {', '.join(PROVIDERS)}")
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"{path} needs the package onnxruntime, which is not installed: {install_command('export')}"
        ) from error
    available = onnxruntime.get_available_providers()
    wanted = [name for kind, name in reversed(PROVIDERS.items()) if device in ("auto", kind) and name in available]
    if not wanted:
        raise UserError(f"device={device} is not offered by the onnxruntime that is installed: set device=cpu")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    try:
        session = onnxruntime.InferenceSession(path, options, providers=wanted)
    except Exception as error:  # the runtime's own kinds are private
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} cannot be read as ONNX ({reason}): export it again") from error
    exported = ExportFacts.from_metadata(session.get_modelmeta().custom_metadata_map, path)
    return OnnxModel(session, exported, memory_gib, flips)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Take logits ``(N, K, H, W)`` to probabilities."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(1, keepdims=True)
    return shares


def _stack(images: Sequence[np.ndarray], scale: float) -> np.ndarray:
    """See images ``(H, W, C)`` of one size as ``(N, C, h, w)``, resized by ``scale``, antialiased."""
    if scale != 1:
        height, width = (max(1, round(side * scale)) for side in images[0].shape[:2])
        images = [_shrink(as_bytes(image), (width, height)) for image in images]
    stacked = images[0][None] if len(images) == 1 else np.stack(images)
    return stacked.transpose(0, 3, 1, 2)


def _shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(image[..., channel])).resize(size, Image.Resampling.BILINEAR))
        for channel in range(image.shape[-1])
    ]
    return np.stack(planes, axis=-1)


def _resized(bands: Iterable[tuple[int, np.ndarray]], size: tuple[int, ...]) -> Iterator[tuple[int, np.ndarray]]:
    """Bring an output that arrives in bands of rows to ``size``, where the network saw resized images."""
    parts = iter(bands)
    top, first = next(parts)
    if first.shape[-1] == size[1]:
        yield top, first
        yield from parts
        return
    whole = np.concatenate([first, *(band for _, band in parts)], axis=2)
    yield 0, resize(whole, size)


def resize(maps: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Resize ``(N, K, h, w)`` to ``(N, K, *size)``: floats bilinearly between pixel centres, bytes by the nearest."""
    for axis, after in ((2, size[0]), (3, size[1])):
        before = maps.shape[axis]
        places = ((np.arange(after) + 0.5) * (before / after) - 0.5).clip(0, before - 1)
        if maps.dtype == np.uint8:
            maps = maps.take(np.rint(places).astype(int), axis)
            continue
        lower = np.floor(places).astype(int)
        share = (places - lower).astype(np.float32).reshape([-1 if place == axis else 1 for place in range(4)])
        upper = np.minimum(lower + 1, before - 1)
        maps = maps.take(lower, axis) * (1 - share) + maps.take(upper, axis) * share
    return maps
