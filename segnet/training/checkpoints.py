"""How Lightning keeps the checkpoints of a run folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import CheckpointIO

from segnet.checkpoint_file import read_checkpoint, write_checkpoint

PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class CheckpointFiles(CheckpointIO):
    """Has Lightning write and read checkpoints by :mod:`segnet.checkpoint_file`.

    Its own way leads through the system's temporary folder, and is not atomic where that is another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint whole or not at all."""
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint onto the CPU, if it is whole; nothing in it is executed, whatever ``weights_only`` says."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


class RunCheckpoint(ModelCheckpoint):
    """Lightning's callback, whose state names files without their folder: a run folder can be copied and moved."""

    @property
    def state_key(self) -> str:
        """The key of Lightning's own class, under which older checkpoints have the state."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def state_dict(self) -> dict[str, Any]:
        """Leave the folder out."""
        return {**_renamed(super().state_dict(), lambda path: Path(path).name), "dirpath": None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state in this callback's folder, wherever it was written."""
        assert self.dirpath is not None
        folder = Path(self.dirpath)
        super().load_state_dict(
            {**_renamed(state_dict, lambda path: str(folder / Path(path).name)), "dirpath": self.dirpath}
        )


def _renamed(state: dict[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    names = {key: rename(state[key]) if state[key] else "" for key in PATHS}
    return {**state, **names, "best_k_models": {rename(path): score for path, score in state["best_k_models"].items()}}
