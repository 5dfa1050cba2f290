"""A data set in chunks, as ``segnet-data pack`` writes it."""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segnet.addresses import is_address
from segnet.data.chunks import Chunks, require_litdata
from segnet.data.fetching import ChunkFolder, FetchedFolder, LocalFolder
from segnet.data.integrity import SplitFacts
from segnet.data.packed_facts import ARRAYS, INDEX, NAMES, read_facts
from segnet.data.sample_bytes import decode_sample
from segnet.errors import UserError, require


class Packed:
    """One split of a packed set; any sample can be asked for at any time, so that a sampler decides the order.

    Chunks at an address are fetched as a whole, when a sample of theirs is asked for. They are kept in a folder of
    limited size that all processes of a machine share.

    Args:
        split: "train", "val" or "test".
        root: the folder of the set, or its address, see :func:`segnet.data.fetching.fetch_file`.
        cache_dir: where fetched chunks are kept; None takes the user's cache folder (``XDG_CACHE_HOME``, or
            ``~/.cache``).
        chunk_cache_gib: most that they take there.

    Raises:
        UserError: there is no packed set, it has no such split, it is damaged, or litdata is not installed.
    """

    def __init__(
        self,
        split: str,
        root: str | Path | None,
        cache_dir: str | Path | None = None,
        chunk_cache_gib: float = 50.0,
    ) -> None:
        require_litdata()
        require(chunk_cache_gib > 0, "data.chunk_cache_gib", chunk_cache_gib, "a number above 0")
        facts = read_facts(root)
        if split not in facts["splits"]:
            raise UserError(f"the packed set {root} has no split {split}: it has {', '.join(facts['splits'])}")
        self.split, self.root, self.channels = split, str(root), int(facts["channels"])
        self._about = list(facts["classes"]), facts["ignore_index"], facts["channels"]
        self.folder = _folder(self.root, split, facts, cache_dir, int(chunk_cache_gib * 2**30))
        digests = facts["splits"][split]["checksums"]
        names = json.loads(self.folder.content(NAMES, digests[NAMES]))
        with np.load(io.BytesIO(self.folder.content(ARRAYS, digests[ARRAYS])), allow_pickle=False) as arrays:
            self._sizes, self._pixels, checksums = arrays["sizes"], arrays["pixels"], arrays["checksums"]
        self.ids: Sequence[str] = names["ids"]
        self.groups: list[str] = names["groups"] or list(self.ids)
        self.chunks = Chunks(self.folder, self.folder.content(INDEX, digests[INDEX]), checksums)

    @property
    def chunk_sizes(self) -> list[int]:
        """Samples of each chunk, in the order of the samples."""
        return self.chunks.sizes

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Read image ``(H, W, C)`` and label ``(H, W)``, both uint8.

        Raises:
            UserError: the chunk is missing or damaged, or could not be fetched.
        """
        item = self.chunks.read(index)
        try:
            return decode_sample(item, self.channels)
        except Exception as error:  # of Pillow, by what the file holds; its bytes are those that were packed
            raise UserError(
                f"{self.ids[index]} in {self.folder.path} cannot be decoded ({error}): pack the data set again"
            ) from error

    def known_facts(self, classes: Sequence[str], ignore_index: int, channels: int) -> SplitFacts | None:
        """Return what was found when the set was packed, see :class:`segnet.data.integrity.KnownDataset`."""
        if self._about != (list(classes), ignore_index, channels):
            return None
        sizes = [(int(height), int(width)) for height, width in self._sizes]
        return SplitFacts(torch.from_numpy(self._pixels.astype(np.int64)), sizes)


def _folder(root: str, split: str, facts: dict[str, Any], cache_dir: str | Path | None, budget: int) -> ChunkFolder:
    if not is_address(root):
        return LocalFolder(Path(root).absolute() / split)
    url = root.rstrip("/")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segnet"
    # Another folder where the set is packed again: no chunk of two versions is mixed up.
    version = hashlib.blake2b(json.dumps([url, facts]).encode(), digest_size=8).hexdigest()
    kept = Path(cache_dir or users).absolute() / f"packed-{version}"
    return FetchedFolder(f"{url}/{split}", kept / split, budget)
