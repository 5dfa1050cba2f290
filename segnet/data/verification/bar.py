"""The bar that is shown while samples are read."""

import logging
import sys
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


def reading_bar(samples: Iterable[T], total: int) -> Iterable[T]:
    """Pass on the samples; show how many of them have been read, in the log where there is no terminal."""
    if sys.stdout.isatty():
        from rich.progress import track

        yield from track(samples, "reading", total, transient=True)
        return
    step = max(1000, total // 10)
    for count, sample in enumerate(samples, start=1):
        if count % step == 0 and count < total:
            log.info("read %d of %d samples", count, total)
        yield sample
