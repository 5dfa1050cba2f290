"""Measure how fast samples come from a packed set, in any order, against the original files and the decoded cache.

    python -m scripts.benchmarks.packed                           about 2 minutes on 2 cores

CamVid is found through SEGNET_DATA; the photos are drawn. Nothing here needs a GPU.
"""

import functools
import http.server
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.benchmarks.record import describe, parser, write_record
from segnet.analysis.latency import measure_latencies
from segnet.build import data_from_config
from segnet.config import compose, to_values
from segnet.data import DataModule, Packed, SegmentationDataset
from segnet.data.datasets.shapes import draw_scene, render
from segnet.data.packing import pack
from segnet.data.sampling import windowed_permutation
from segnet.randomness import numpy_stream

SHARD_MB = 2
PHOTOS = {"train": 48, "val": 1, "test": 1}
PHOTO_SIZE = (768, 1024)
TITLE = "Packed data sets"
ABOUT = """\
Samples a second in one process without a network: a sample is read, checked against its checksum where there is one,
and decoded, to an image and a label of bytes. All of it lies in the system's page cache, so that these are costs of the
processor; a disk or a network adds its own.

- **files**: the original set, decoded each time (`data.cache_budget_gib=0`): CamVid as PNG, the photos as JPEG.
- **decoded cache**: the same set behind its cache; a sample is a mapped array, of which every byte is read.
- **packed**: `segnet-data pack` with chunks of {shard} MB, in a random order over all chunks.
- **packed as pixels**: likewise, with `store=pixels`.
- **packed, window of 2**: in the order of `data.window=2`.
- **packed, from an address**: in that order too, after every chunk has been fetched from a server on the same machine.

**ratio** is images a second against those of the files. The second table is the first pass over the training split from
an address with room for three chunks, by the order: how often a chunk is fetched.
"""


def write_photos(root: Path) -> Path:
    """Draw a set of JPEG photos in CamVid's layout."""
    for split, count in PHOTOS.items():
        for folder in (split, f"{split}annot"):
            (root / folder).mkdir(parents=True)
        for number in range(count):
            stream = numpy_stream("photo", split, number)
            image, label = render(draw_scene(stream, PHOTO_SIZE[1] / PHOTO_SIZE[0], 12), PHOTO_SIZE, supersampling=1)
            noisy = np.clip(image + stream.normal(scale=0.03, size=image.shape), 0, 1)
            Image.fromarray(np.rint(255 * noisy).astype(np.uint8)).save(root / split / f"{number}.jpg", quality=90)
            Image.fromarray(label).save(root / f"{split}annot" / f"{number}.png")
        lines = [f"{split}/{number}.jpg {split}annot/{number}.png\n" for number in range(count)]
        (root / f"{split}.txt").write_text("".join(lines))
    return root


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine while the body runs."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def reader(dataset: SegmentationDataset, order: np.ndarray, count: int) -> Callable[[], None]:
    """Return what reads the next samples of an order, again and again, and looks at every byte."""
    places = iter(np.tile(order, 1000))

    def read() -> None:
        for _ in range(count):
            image, label = dataset.load(int(next(places)), np.random.default_rng(0))
            image.max(), label.max()

    return read


def packed_copy(data: DataModule, values: dict, folder: Path, plain: bool = False) -> Path:
    """Pack a set; nothing is trained on it, so that its recipe does not count."""
    about = {key: values[key] for key in ("name", "mean", "std")} | {"recipe": {}}
    pack(data, about, folder, SHARD_MB * 10**6, plain=plain)
    return folder


def measure(name: str, overrides: list[str], folder: Path, repeats: int, count: int) -> list[dict]:
    """Measure one set: its rows of both tables."""
    cached = data_from_config(config := compose([*overrides, f"data.cache_dir={folder / 'cache'}"]))
    root = packed_copy(cached, to_values(config.data), folder / "packed")
    plain = Packed("train", packed_copy(cached, to_values(config.data), folder / "plain", plain=True))
    packed, random = Packed("train", root), np.random.default_rng(0)
    anywhere = random.permutation(len(packed.ids))
    window = windowed_permutation(random, packed.chunk_sizes, 2)
    with serving(folder) as url:
        fetched = Packed("train", f"{url}/packed", folder / "fetched")
        for start in fetched.chunks.starts[:-1]:
            fetched.load(start, random)
        sources = {
            "files": reader(cached.source("train"), anywhere, count),
            "decoded cache": reader(cached.split("train"), anywhere, count),
            "packed": reader(packed, anywhere, count),
            "packed as pixels": reader(plain, anywhere, count),
            "packed, window of 2": reader(packed, window, count),
            "packed, from an address": reader(fetched, window, count),
        }
        times = measure_latencies(sources, torch.device("cpu"), repeats)
        rows = [
            _row(name, source, 1000 * count / time.median, 1000 * count / times["files"].median)
            for source, time in times.items()
        ]
        room = 3.01 * max(packed.chunks.bytes) / 2**30
        orders = {"anywhere": anywhere, "window of 2": window}
        for place, (order_name, order) in enumerate(orders.items()):
            read = Packed("train", f"{url}/packed", folder / f"fetched{place}", room)
            rows.append(_first_pass(name, order_name, read, order))
    return rows


def _row(name: str, source: str, rate: float, of_files: float) -> dict:
    return {"table": "Reading", "set": name, "from": source, "images/s": rate, "ratio": rate / of_files}


def _first_pass(name: str, order_name: str, read: Packed, order: np.ndarray) -> dict:
    fetches = 0
    need = read.folder.need

    def counted(chunk: str, size: int) -> None:
        nonlocal fetches
        fetches += not (read.folder.path / chunk).exists()
        need(chunk, size)

    read.folder.need = counted
    started = time.perf_counter()
    for index in order:
        read.load(int(index), np.random.default_rng(0))
    seconds = time.perf_counter() - started
    return {
        "table": "First pass from an address, room for three chunks",
        "set": name,
        "order": order_name,
        "chunks": len(read.chunk_sizes),
        "fetches": fetches,
        "images/s": len(order) / seconds,
    }


def main() -> None:
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--repeats", type=int, default=8, help="turns that are measured")
    arguments_parser.add_argument("--count", type=int, default=24, help="samples of a turn")
    arguments = arguments_parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(folder / "photos")
        sets = {
            "CamVid, PNG of 480x360": ["data=camvid"],
            f"photos, JPEG of {PHOTO_SIZE[1]}x{PHOTO_SIZE[0]}": ["data=camvid", f"data.root={photos}"],
        }
        for number, (title, overrides) in enumerate(sets.items()):
            rows += measure(title, overrides, folder / str(number), arguments.repeats, arguments.count)
    device = describe(arguments.device, ["litdata", "pillow"])
    print(write_record(arguments.out, "packed", device, TITLE, ABOUT.format(shard=SHARD_MB), rows))


if __name__ == "__main__":
    main()
