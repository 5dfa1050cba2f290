"""What an exported file scores on a split, beside the network that it was made from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.build import data_from_config, set_data_root, task_from_config
from segnet.config import load_config
from segnet.errors import UserError
from segnet.export.run import Export
from segnet.inference.load import load_predictor
from segnet.inference.onnx_model import OnnxModel
from segnet.training.score_table import ScoreTable
from segnet.trusted_classes import allow_code as code_allowed


class FileNetwork(nn.Module):
    """A file in the place of a network, for what scores networks.

    Args:
        run: takes images ``(N, C, H, W)`` float32 to the file's output.
        classes: number of classes where the output is the class of each pixel; None: it is logits.
    """

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], classes: int | None = None) -> None:
        super().__init__()
        self.run, self.classes = run, classes
        self.device_marker = nn.Parameter(torch.empty(0))  # where the images are wanted

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, or of a file of classes 1 for the class and 0 for the others."""
        output = torch.from_numpy(self.run(images.numpy()))
        if self.classes is None:
            return output
        return F.one_hot(output.long(), self.classes).movedim(-1, 1).float()


@dataclass(frozen=True)
class Cost:
    """What a file scores, and what the network does.

    Attributes:
        split: that was scored.
        network: scores by the names of ``metrics.json``.
        file: the same of the file.
    """

    split: str
    network: Mapping[str, float]
    file: Mapping[str, float]

    def table(self, name: str) -> ScoreTable:
        """Set the main scores side by side; the file is called ``name``."""
        rows = [
            (key.removeprefix(f"{self.split}/"), [f"{value:.4f}", f"{self.file[key]:.4f}", f"{self.change(key):+.4f}"])
            for key, value in self.network.items()
            if key.count("/") == 1 and key in self.file
        ]
        return ScoreTable(
            f"{self.split} split", ["network", name, "difference"], rows, "both in float32 outside the file, on the CPU"
        )

    def change(self, key: str) -> float:
        """Return by how much the file scores more."""
        return self.file[key] - self.network[key]


def score_export(
    export: Export, run: str | Path, split: str, data_root: str | None = None, allow_code: bool = False
) -> Cost:
    """Score an ONNX file and its network on a split of the run's data set, on the CPU.

    Args:
        export: what was written.
        run: the run folder that it was made from.
        split: "train", "val" or "test".
        data_root: folder of the data set; None: as the run's config says.
        allow_code: whether the run may name classes that are no part of segnet.

    Raises:
        UserError: the file is not ONNX, or something is wrong with the data.
    """
    if export.path.suffix != ".onnx":
        raise UserError("check_split=... scores ONNX files, and format=torch gives the network itself: leave it out")
    with code_allowed(allow_code):
        config = load_config(run)
        set_data_root(config, data_root)
        task, data = task_from_config(config), data_from_config(config)
    task.check_split(data, split)
    model = load_predictor(export.path)
    assert isinstance(model, OnnxModel)
    classes = len(model.classes) if export.facts.result == "classes" else None
    file = FileNetwork(lambda images: model.session.run(None, {"images": images})[0], classes)
    return Cost(split, task.score(export.network, data, split).scores, task.score(file, data, split).scores)
