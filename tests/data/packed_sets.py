"""Small data sets, packed into several chunks."""

from pathlib import Path

from segnet.build import data_from_config
from segnet.config import compose, to_values
from segnet.data.packing import pack

AUGMENTATION = ("_target_", "ignore_index", "fill", "transforms")


def pack_set(output: Path, *overrides: str, chunk_bytes: int = 4000, progress=None, plain: bool = False) -> Path:
    """Pack what the overrides of a training choose, into chunks of a few samples."""
    config = compose(overrides)
    values = to_values(config.data)
    augmentation = {key: value for key, value in values["augmentation"].items() if key not in AUGMENTATION}
    recipe = {key: values[key] for key in ("batch_size", "eval_batch_size", "scale", "passes")}
    about = {key: values[key] for key in ("name", "mean", "std")} | {"recipe": {**recipe, "augmentation": augmentation}}
    pack(data_from_config(config), about, output, chunk_bytes, 2, progress, plain)
    return output


def packed_data(root, *overrides: str):
    """The data module of ``data=packed``."""
    return data_from_config(compose(["data=packed", f"data.root={root}", "data.num_workers=0", *overrides]))
