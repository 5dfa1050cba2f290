"""Measure what loading and augmenting cost beside the training step.

    python -m scripts.benchmarks.input_pipeline                   on the CPU, about 1 minute on 2 cores
    python -m scripts.benchmarks.input_pipeline --device cuda     on a GPU, CamVid at 480x360

CamVid is found through SEGNET_DATA.
"""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transform

from scripts.benchmarks.record import check_device, describe, parser, write_record
from segnet.analysis.latency import Latency, measure_latencies
from segnet.build import data_from_config, network_from_config, task_from_config
from segnet.config import compose, instantiate
from segnet.data import Augmentation, DataModule
from segnet.data.augmentation.colour import ADJUSTMENTS
from segnet.data.batch import TrainingBatch
from segnet.data.samples import SegmentationDataset, as_float
from segnet.devices import choose_precision
from segnet.randomness import numpy_stream

RECIPES = {
    "cpu": {"CamVid, `experiment=camvid_ablation`": ["experiment=camvid_ablation"], "brain, the default": []},
    "cuda": {"CamVid at 480x360": ["data=camvid"], "CamVid at 480x360, U-Net": ["data=camvid", "model=unet"]},
}
WORKERS = {"cpu": (0, 1, 2), "cuda": (None,)}
TITLE = "Input pipeline"
ABOUT = """\
What a batch costs before the network sees it, against the training step that it is for (forward, loss, backward,
optimiser; {precision}).

- **before**: each sample is decoded from its files (brain: drawn as now) and resized, padded, flipped and recoloured by
  torchvision, one sample after another, in the training process: what segnet did until its cache and its batched
  augmentation.
- **loading**: the samples of a batch are read from the decoded cache (brain: noise is drawn), cut and joined, in the
  training process.
- **augmenting**: the pixels of the batch are transformed on the device.
- **share**: loading and augmenting, of all three together. Goal: below 10% on two CPU cores.

The second table is the loop as a training runs it, by the number of loading processes: milliseconds a batch over
{batches} batches, and **busy**, the part of it in which the network's step runs. Goal: 95% on one
GPU with 16 cores. {gpu}
"""
NOT_MEASURED = "Not measured yet on a GPU."


def per_sample(dataset: SegmentationDataset, augment: Augmentation, seed: int, scale: float) -> Callable:
    """Return what makes one sample by torchvision, with the same draws: the way that the batched one replaced."""

    def make(epoch: int, index: int) -> tuple[Tensor, Tensor]:
        random = numpy_stream(seed, "sample", epoch, index)
        image, label = dataset.load(index, random)
        draw = augment.draw(label.shape, random, scale)
        window = np.round(draw.minification * draw.size).astype(int)
        top, left = np.round(draw.matrix[:, 2] - (window - 1) / 2).astype(int)
        image = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        label = torch.from_numpy(np.ascontiguousarray(label))[None]
        before = [max(0, -left), max(0, -top)]
        after = [max(0, left + window[1] - label.shape[2]), max(0, top + window[0] - label.shape[1])]
        padding = [int(side) for side in before + after]
        if any(padding):
            image = transform.pad(image, padding, fill=augment.fill)
            label = transform.pad(label, padding, fill=augment.ignore_index)
        box = [int(side) for side in (top + before[1], left + before[0], *window)]
        image = transform.resized_crop(image, *box, list(draw.size), antialias=True)
        label = transform.resized_crop(label, *box, list(draw.size), interpolation=InterpolationMode.NEAREST_EXACT)
        if draw.flip:
            image, label = image.flip(-1), label.flip(-1)
        for name, wanted, amount in zip(ADJUSTMENTS, augment.adjusts, draw.colour.tolist(), strict=True):
            if wanted:
                image = getattr(transform, f"adjust_{name}")(image, amount)
        return image, label[0].contiguous()

    return make


def training_step(config: DictConfig, data: DataModule, device: torch.device) -> tuple[Callable, str]:
    """Return a training step on a batch on the device, and its precision."""
    network = network_from_config(config).to(device).to(memory_format=torch.channels_last).train()
    weights = instantiate(config.class_weights)
    loss_function = task_from_config(config).make_loss(instantiate(config.loss), weights, data).to(device)
    optimizer = instantiate(config.optimizer)([{"params": list(network.parameters())}])
    precision = choose_precision("auto", device.type)
    autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16-mixed")

    def step(batch: dict[str, Tensor]) -> None:
        images = as_float(batch["image"]).contiguous(memory_format=torch.channels_last)
        with autocast:
            loss = loss_function(network(images), batch["label"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step, precision


def endless(data: DataModule, pinned: bool) -> Iterator[TrainingBatch]:
    """Yield training batches, epoch after epoch."""
    loader = data.train_loader(pin_memory=pinned)
    for epoch in itertools.count():
        loader.sampler.set_epoch(epoch)
        yield from loader


def time_loop(data: DataModule, step: Callable, device: torch.device, batches: int) -> tuple[float, float]:
    """Return milliseconds a batch of a training loop and of its steps, the first batches left out."""
    stream = endless(data, device.type == "cuda")
    for batch in itertools.islice(stream, 4):
        step(batch.to(device).augment())
    clock = _Clock(device)
    started = clock.now()
    marks = []
    for batch in itertools.islice(stream, batches):
        augmented = batch.to(device).augment()
        before = clock.now()
        step(augmented)
        marks.append((before, clock.now()))
    elapsed = clock.between(started, marks[-1][1])
    stepping = sum(clock.between(*pair) for pair in marks)
    stream.close()
    return elapsed / batches, stepping / batches


class _Clock:
    """Marks of time on the device: on a GPU in its stream, so that marking does not make anybody wait."""

    def __init__(self, device: torch.device) -> None:
        self.on_gpu = device.type == "cuda"

    def now(self) -> float | torch.cuda.Event:
        if not self.on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, first: float | torch.cuda.Event, last: float | torch.cuda.Event) -> float:
        """Return milliseconds."""
        if not self.on_gpu:
            return 1000 * (last - first)
        last.synchronize()
        return first.elapsed_time(last)


def measure(name: str, overrides: Sequence[str], device: torch.device, repeats: int, batches: int) -> tuple[list, str]:
    """Measure one recipe: the rows of both tables, and the precision."""
    with tempfile.TemporaryDirectory() as folder:

        def build(workers: int | None) -> tuple[DictConfig, DataModule]:
            setting = "null" if workers is None else workers
            config = compose([*overrides, f"data.cache_dir={folder}", f"data.num_workers={setting}"])
            return config, data_from_config(config)

        config, data = build(0)
        step, precision = training_step(config, data, device)
        stream = endless(data, device.type == "cuda")
        loaded = next(stream).to(device)
        augmented = loaded.augment()
        split = data.split("train")
        old = per_sample(getattr(split, "dataset", split), data.augmentation, data.seed, data.scale)
        keys = itertools.cycle(data.train_loader().sampler)

        def before() -> None:
            pairs = [old(*next(keys)) for _ in range(data.batch_size)]
            for parts in zip(*pairs, strict=True):
                torch.stack(parts).to(device)

        workloads = {
            "before": before,
            "loading": lambda: next(stream),
            "augmenting": loaded.augment,
            "step": lambda: step(augmented),
        }
        times = measure_latencies(workloads, device, repeats)
        loops = []
        for workers in WORKERS[device.type]:
            data = build(workers)[1]
            loops.append((data.num_workers, *time_loop(data, step, device, batches)))
    return _rows(name, times, loops, data.batch_size), precision


def _rows(name: str, times: dict[str, Latency], loops: list[tuple[int, float, float]], batch_size: int) -> list[dict]:
    spreads = {
        f"{key}, ms": {"median": time.median, "low": time.low, "high": time.high, "repeats": time.repeats}
        for key, time in times.items()
    }
    step = times["step"].median
    now, old = times["loading"].median + times["augmenting"].median, times["before"].median
    shares = {"share before": f"{old / (old + step):.1%}", "share": f"{now / (now + step):.1%}", "ratio": old / now}
    rows = [{"table": "A batch", "recipe": name, "batch": batch_size, **spreads, **shares}]
    for workers, loop, stepping in loops:
        rows.append(
            {
                "table": "The loop",
                "recipe": name,
                "loading processes": workers,
                "a batch, ms": loop,
                "its step, ms": stepping,
                "images/s": 1000 * batch_size / loop,
                "busy": f"{stepping / loop:.1%}",
            }
        )
    return rows


def main() -> None:
    """Measure, and write the record."""
    arguments = parser(__doc__)
    arguments.add_argument("--repeats", type=int, default=12, help="measured turns (default: %(default)s)")
    arguments.add_argument("--batches", type=int, default=12, help="batches of a loop (default: %(default)s)")
    options = arguments.parse_args()
    check_device(arguments, options.device)
    rows, precision = [], ""
    for name, overrides in RECIPES[options.device].items():
        found, precision = measure(name, overrides, torch.device(options.device), options.repeats, options.batches)
        rows += found
        for row in found:
            print(row, flush=True)
    about = ABOUT.format(
        precision=precision, batches=options.batches, gpu=NOT_MEASURED if options.device == "cpu" else ""
    )
    print(write_record(options.out, "input", describe(options.device), TITLE, about, rows))


if __name__ == "__main__":
    main()
