"""Predicting a video: frame by frame from the file into new ones, in order, with a few frames in memory."""

import importlib.util
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from segnet.data.image_size import MAX_PIXELS
from segnet.data.images import as_rgb, from_pillow
from segnet.errors import UserError
from segnet.extras import install_command
from segnet.inference.files import prepare_folder, refuse_overwriting
from segnet.inference.predictor import Predictor
from segnet.run_folder import beside, move_into_place

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

    from segnet.training.task import Prediction

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".ogv", ".ts")
KINDS = ("overlay", "colour", "index")
LOSSLESS = ("index",)
"""Kinds whose numbers have to come back as they are."""


class Frame(NamedTuple):
    """A decoded frame: ``(H, W, 3)`` uint8, as it is to be looked at, and when."""

    pixels: np.ndarray
    pts: int


def is_video(path: Path) -> bool:
    """Say whether a path is named like a video."""
    return path.suffix.lower() in SUFFIXES


def check_av() -> None:
    """Raise a sentence where PyAV is not installed.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("av") is None:
        raise UserError(f"videos need PyAV: {install_command('video')}")


def video_files(source: Path, output: Path, write: Sequence[str] | None, enlarges: bool) -> dict[str, Path]:
    """Name the file of each kind: ``overlay/NAME.mp4``, ``index/NAME.mkv`` (lossless), or ``NAME.mp4`` enlarged.

    Raises:
        UserError: a kind is asked for that no video can hold.
    """
    if enlarges:
        if write is not None:
            raise UserError(f"write=[{','.join(write)}] is for segmentation, and this run enlarges: leave write out")
        return {"enlarged": output / f"{source.stem}.mp4"}
    for kind in write or ():
        if kind not in KINDS:
            raise UserError(f"write={kind} is not written for a video: choose from {', '.join(KINDS)}")
    endings = {kind: "mkv" if kind in LOSSLESS else "mp4" for kind in write or ("overlay",)}
    return {kind: output / kind / f"{source.stem}.{ending}" for kind, ending in endings.items()}


def predict_video(
    model: Predictor,
    source: Path,
    output: Path,
    write: Sequence[str] | None = None,
    opacity: float = 0.5,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[int]:
    """Predict each frame of a video, and write the results as videos of the same size, times and order, without sound.

    At most a batch of frames is in memory. The files appear when the last frame is written, or not at all.

    Args:
        model: what predicts.
        source: the video.
        output: the folder of the results, see :func:`video_files`.
        write: of ``KINDS``; None: the overlay.
        opacity: of what is laid over a frame, 0..1.
        max_pixels: refuse a video with larger frames.

    Yields:
        How many frames are done.

    Raises:
        UserError: the file is no video, is damaged or has no frames, or the results cannot be written.
    """
    check_av()
    files = video_files(source, output, write, "overlay" not in model.kinds(None))
    refuse_overwriting([source], files.values())
    prepare_folder(output)
    with _opened(source) as container:
        stream = _video_stream(container, source, max_pixels)
        with closing(_frames(container, stream, source)) as frames, _Writers(files, stream) as writers:
            done = 0
            for batch in _batches(model, frames):
                pixels = [from_pillow(Image.fromarray(frame.pixels), model.facts.channels) for frame in batch]
                for frame, prediction in zip(batch, model.predict_batch(pixels, False), strict=True):
                    writers.add(prediction, frame.pts, opacity)
                    done += 1
                yield done
            if not done:
                raise UserError(f"the video {source} holds no frames")
            writers.finish()


def frame_count(source: Path) -> int | None:
    """Return how many frames a video says it has, or as many as its length and rate make; None if it does not say.

    Raises:
        UserError: the file is no video.
    """
    with _opened(source) as container:
        stream = _video_stream(container, source, None)
        if stream.frames:
            return int(stream.frames)
        if container.duration is None or stream.average_rate is None:
            return None
        return max(1, round(container.duration / 1_000_000 * stream.average_rate))


@contextmanager
def _opened(source: Path) -> "Iterator[InputContainer]":
    import av

    try:
        container = av.open(str(source))
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"cannot read the video {source}: {_reason(error)}") from error
    with container:
        yield container


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _video_stream(container: "InputContainer", source: Path, max_pixels: int | None) -> "VideoStream":
    if not container.streams.video:
        raise UserError(f"the video {source} has no pictures, only {_streams(container)}")
    stream = container.streams.video[0]
    pixels = stream.width * stream.height
    if max_pixels is not None and pixels > max_pixels:
        raise UserError(
            f"the video {source} claims frames of {stream.width}x{stream.height} pixels, more than "
            f"max_pixels={max_pixels}: set max_pixels={pixels} if they are meant to be so large"
        )
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"err_detect": "crccheck+explode"}  # or damaged parts are painted over in silence
    return stream


def _streams(container: "InputContainer") -> str:
    return " and ".join(sorted({stream.type for stream in container.streams})) or "an empty file"


def _frames(container: "InputContainer", stream: "VideoStream", source: Path) -> Generator[Frame, None, None]:
    """Decode frames, of the first one's size, turned as their camera was held, each later than the one before."""
    import av

    last, number, size = -1, 0, None
    try:
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise UserError(f"the video {source} is damaged at frame {number}: encode it again from its source")
            size = size or (frame.width, frame.height)
            pixels = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
            turned = np.rot90(pixels, round(frame.rotation / 90) % 4)
            last = max(last + 1, last + 1 if frame.pts is None else frame.pts)
            yield Frame(np.ascontiguousarray(turned), last)
            number += 1
    except (av.FFmpegError, OSError) as error:
        raise UserError(
            f"the video {source} is damaged at frame {number} ({_reason(error)}): encode it again from its source"
        ) from error


def _batches(model: Predictor, frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    batch: list[Frame] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) >= model.batch_size(frame.pixels):
            yield batch
            batch = []
    if batch:
        yield batch


class _Writers:
    """Encodes results as they come; the files get their names together at the end, or are removed."""

    def __init__(self, files: Mapping[str, Path], stream: "VideoStream") -> None:
        self.files = files
        self.rate = stream.average_rate or Fraction(25)
        self.time_base = stream.time_base or 1 / self.rate
        self.stack = ExitStack()
        self.open: dict[str, tuple[OutputContainer, VideoStream]] = {}

    def __enter__(self) -> "_Writers":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()
        for path in self.files.values():
            beside(path).unlink(missing_ok=True)

    def add(self, prediction: "Prediction", pts: int, opacity: float) -> None:
        """Encode what one frame was predicted as."""
        import av

        for kind, path in self.files.items():
            pixels = _picture(prediction, kind, opacity)
            with _writing(path):
                if kind not in self.open:
                    self.open[kind] = self._start(kind, path, pixels)
                container, stream = self.open[kind]
                frame = av.VideoFrame.from_ndarray(_even(pixels, kind), "gray" if pixels.ndim == 2 else "rgb24")
                frame.pts, frame.time_base = pts, self.time_base
                container.mux(stream.encode(frame))

    def finish(self) -> None:
        """Give the files their names."""
        for kind, path in self.files.items():
            with _writing(path):
                container, stream = self.open[kind]
                container.mux(stream.encode(None))
                container.close()
        for path in self.files.values():
            with _writing(path):
                move_into_place(beside(path), path)

    def _start(self, kind: str, path: Path, pixels: np.ndarray) -> Any:
        import av

        path.parent.mkdir(parents=True, exist_ok=True)
        form = "matroska" if kind in LOSSLESS else "mp4"
        container = self.stack.enter_context(av.open(str(beside(path)), "w", format=form))
        stream: Any = container.add_stream("ffv1" if kind in LOSSLESS else "libx264", rate=self.rate)
        stream.height, stream.width = _even(pixels, kind).shape[:2]
        stream.pix_fmt = "gray" if kind in LOSSLESS else "yuv420p"
        if kind not in LOSSLESS:
            stream.options = {"crf": "18", "preset": "veryfast"}
        stream.time_base = stream.codec_context.time_base = self.time_base
        return container, stream


def _picture(prediction: Any, kind: str, opacity: float) -> np.ndarray:
    if kind == "enlarged":
        return as_rgb(prediction.enlarged)
    picture = {
        "index": lambda: prediction.mask,
        "colour": prediction.colour,
        "overlay": lambda: prediction.overlay(opacity),
    }
    pixels: np.ndarray = picture[kind]()
    return pixels


def _even(pixels: np.ndarray, kind: str) -> np.ndarray:
    """Repeat the last row and column where they are odd in number, which the usual pixel format cannot hold."""
    if kind in LOSSLESS:
        return np.ascontiguousarray(pixels)
    odd = [(0, side % 2) for side in pixels.shape[:2]]
    return np.pad(pixels, [*odd, (0, 0)], mode="edge")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{path} could not be written: {_reason(error)}") from error
