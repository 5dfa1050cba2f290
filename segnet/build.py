"""From a configuration to objects, and from a run folder to a trained network."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segnet.checkpoint_file import read_checkpoint
from segnet.config import Config, add_resolver, compose, get_value, instantiate, instantiate_from_own_keys, load_config
from segnet.errors import UserError
from segnet.pretrained import WEIGHTS, locate
from segnet.run_folder import CONFIG, checkpoint_file
from segnet.trusted_classes import allow_code as code_allowed
from segnet.trusted_classes import check_address

if TYPE_CHECKING:
    from torch import Tensor, nn

    from segnet.data import DataModule
    from segnet.data.facts import DataFacts
    from segnet.training.task import Task


def _folder_setting(*arguments: Any) -> Any:
    from segnet.data.datasets.folder import folder_setting

    return folder_setting(*arguments)


def _packed_setting(*arguments: Any) -> Any:
    from segnet.data.packed_facts import packed_setting

    return packed_setting(*arguments)


def _label_count(classes: Iterable[str]) -> int:
    from segnet.data.labels import label_count

    return label_count(classes)


add_resolver("folder", _folder_setting)  # here, where data may be imported
add_resolver("packed", _packed_setting)
add_resolver("label_count", _label_count)


def network_from_config(config: Config, seed: int | None = None) -> "nn.Module":
    """Build the network of a composed or stored config, its parameters drawn from ``seed`` (the config's own)."""
    from segnet.models import initialise

    network = _assemble(config)
    initialise(network, config.seed if seed is None else seed)
    return network


def _assemble(config: Config) -> "nn.Module":
    return task_from_config(config).wrap(instantiate(config.model))


def task_from_config(config: Config) -> "Task":
    """Build the task of a composed or stored config."""
    task: Task = instantiate(config.task.definition)
    return task


def data_from_config(config: Config) -> "DataModule":
    """Build the data module of a composed or stored config.

    Raises:
        UserError: a value is out of its range; or see :func:`segnet.trusted_classes.check_address`.
    """
    check_address(str(get_value(config, "data.dataset.root")))
    data: DataModule = instantiate_from_own_keys(config.data)
    return data


def set_data_root(config: Config, data_root: str | None) -> None:
    """Let the data set of a stored config be read from where it lies now.

    Args:
        config: of a run.
        data_root: its folder; None: as the config says, but below SEGNET_DATA where that says ``data/NAME`` and there
            is none.

    Raises:
        UserError: the data set has no folder.
    """
    stated = get_value(config, "data.dataset.root")
    if data_root is not None and stated is None:
        raise UserError(f"data_root={data_root} is of no use: data={config.data.name} has no folder; leave it out")
    place = Path(stated or "")
    if data_root is None and place.parts[:1] == ("data",) and not place.exists():
        data_root = str(Path(os.environ.get("SEGNET_DATA", "data"), *place.parts[1:]))
    if data_root is not None:
        config.data.dataset.root = data_root


def facts_from_config(config: Config) -> "DataFacts":
    """Read what prediction needs to know of the data of a stored config; the data set is neither imported nor opened.

    A run whose ``data`` node does not state all of it, as one with a data module of its own may not, is asked through
    that module.
    """
    from segnet.data.facts import DataFacts
    from segnet.data.value_range import as_range

    stated = [get_value(config, f"data.{key}") for key in ("classes", "ignore_index", "channels")]
    if None in stated:
        return DataFacts.of_module(data_from_config(config))
    classes, ignore_index, channels = stated
    colours = tuple(tuple(colour) for colour in classes.values())
    scale = get_value(config, "data.scale")
    value_range = as_range(get_value(config, "data.value_range"))
    names = tuple(map(str, classes))
    return DataFacts(names, colours, ignore_index, channels, 1.0 if scale is None else scale, value_range)


def build_network(overrides: Sequence[str] = ()) -> "nn.Module":
    """Build a network from the shipped configurations and Hydra overrides.

    Example:
        >>> import torch, segnet
        >>> network = segnet.build_network(["data=camvid", "upsampler=max_unpool", "skip=none"])
        >>> network(torch.rand(1, 3, 45, 60)).shape
        torch.Size([1, 11, 45, 60])

    Args:
        overrides: as on the command line of ``segnet-train``.

    Returns:
        A module that takes images ``(N, C, H, W)``, floats in 0..1, to logits ``(N, K, H, W)``, or with
        ``task=super_resolution`` to larger images ``(N, C, factor * H, factor * W)``.

    Raises:
        UserError: an override names what does not exist, or the parts cannot work together.
    """
    return network_from_config(compose(overrides))


def load_network(run_dir: str | Path, checkpoint: str = "best", allow_code: bool = False) -> "nn.Module":
    """Load the bare network of a run folder; :func:`segnet.load` gives it with all that prediction needs.

    Args:
        run_dir: what ``segnet-train`` wrote.
        checkpoint: "best" (by the task's validation score) or "last".
        allow_code: whether the run may name classes that are no part of segnet; for runs that you trust.

    Returns:
        The network in evaluation mode, on the CPU; it takes images ``(N, C, H, W)``, floats in 0..1, to
        what :func:`build_network` says.

    Raises:
        UserError: the folder is not a run, has no such checkpoint, is damaged, or names other classes.
    """
    import torch

    with code_allowed(allow_code):
        config = load_config(run_dir)
    network = _assemble(without_pretrained_weights(config))
    load_weights(network, run_dir, checkpoint)
    if config.channels_last:
        network.to(memory_format=torch.channels_last)
    return network.eval()


def without_pretrained_weights(config: Config) -> Config:
    """Return the config of a run whose checkpoint has all weights; the file that they began with may be gone."""
    config = config.copy()
    if "weights" in config.model.encoder:
        config.model.encoder.weights = None
    return config


def load_weights(network: "nn.Module", run_dir: str | Path, checkpoint: str = "best") -> None:
    """Put the weights of a run's checkpoint into ``network``.

    Raises:
        UserError: the checkpoint does not exist, is damaged, or is of another network.
    """
    path = _weights_of(run_dir, checkpoint)
    try:
        network.load_state_dict(_read_weights(path))
    except RuntimeError as error:
        raise UserError(
            f"{path} is of another network than {Path(run_dir) / CONFIG} says: copy both from one run"
        ) from error


def start_from(network: "nn.Module", source: str | Path) -> list[str]:
    """Put the weights of another training into ``network``, as far as names and shapes fit.

    Args:
        network: with values of its own already; they stay where nothing fits.
        source: a run folder, whose best checkpoint is taken, or a file of weights that ``torch.load`` reads.

    Returns:
        The names of the tensors of ``network`` that were not loaded, such as those of a head with other classes.

    Raises:
        UserError: there are no weights, or none of them fits.
    """
    path = locate(source)
    if not path.exists():
        raise UserError(f"init={source} does not exist: give a run folder or a file of weights")
    weights = _read_weights(_weights_of(path, "best")) if path.is_dir() else _tensors_in(_read_file(path))
    own = network.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and value.shape == own[name].shape}
    # Counters of batches alone would be no start.
    if not any(value.is_floating_point() for value in fitting.values()):
        raise UserError(f"init={source} has no weights that fit this network: choose the model that they are of")
    network.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def _weights_of(run_dir: str | Path, checkpoint: str) -> Path:
    """Return the file of a run's weights: a checkpoint, or in a folder for sharing the best one's tensors."""
    path, shared = Path(run_dir) / checkpoint_file(checkpoint), Path(run_dir) / WEIGHTS
    if not path.is_file() and shared.is_file():
        if checkpoint != "best":
            raise UserError(f"checkpoint={checkpoint} is not in {run_dir}, which has the best one alone: leave it out")
        return shared
    if not path.is_file():
        raise UserError(f"the run {Path(run_dir).absolute()} has no checkpoint {path.name}: it did not finish an epoch")
    return path


def _read_weights(path: Path) -> "dict[str, Tensor]":
    """Read a network's tensors, from a checkpoint or from safetensors.

    Raises:
        UserError: the file is damaged.
    """
    if path.name != WEIGHTS:
        return _tensors_in(read_checkpoint(path))
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): copy it again") from error
    return tensors


def _read_file(path: Path) -> Any:
    import pickle

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"{path} holds no weights that torch.load(weights_only=True) reads") from error


def _tensors_in(values: Any) -> "dict[str, Tensor]":
    """Take the network's tensors out of a checkpoint of a training, or out of a plain dict of tensors by name."""
    import torch

    state = values.get("state_dict", values) if isinstance(values, dict) else {}
    tensors = {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}
    prefix = "network."
    inside = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return inside or tensors
