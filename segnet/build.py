"""From a configuration to objects: the only place outside the commands that knows Hydra."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from segnet.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from segnet.data import DataModule
    from segnet.tasks import Task


def config_dir() -> Path:
    """Return the folder of the shipped configurations: inside the package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def compose(overrides: Sequence[str] = (), config_name: str = "train") -> DictConfig:
    """Compose the shipped configurations with Hydra overrides such as ``"upsampler=nearest"``.

    Inside a command, what its ``--config-dir`` adds can be named too; inside a Hydra program of somebody else's, that
    program's own configurations stay out of it.

    Raises:
        UserError: an override names what does not exist; the message is Hydra's.
    """
    from hydra import compose as hydra_compose
    from hydra.errors import HydraException

    register_resolvers()
    try:
        with _hydra_of_shipped_configs():
            return hydra_compose(config_name, overrides=list(overrides))
    except HydraException as error:
        raise UserError(str(error)) from error


@contextmanager
def _hydra_of_shipped_configs() -> Iterator[None]:
    """Have Hydra look in the shipped configurations; a Hydra that runs already is set aside meanwhile."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    running = GlobalHydra.instance().hydra
    if running is not None:
        search_path = running.config_loader.get_search_path().get_path()
        if str(config_dir()) in {entry.path.removeprefix("file://") for entry in search_path if entry.path}:
            yield
            return
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = running


def register_resolvers() -> None:
    """Make the resolvers known that the configurations use."""
    OmegaConf.register_new_resolver("length", len, replace=True)
    OmegaConf.register_new_resolver("first", lambda *values: next(v for v in values if v is not None), replace=True)


def instantiate(config: DictConfig, *args: Any, **kwargs: Any) -> Any:
    """Build what a config node names, nested nodes included; containers become plain lists and dicts.

    Raises:
        UserError: raised inside a constructor, with its own message.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as hydra_instantiate

    try:
        return hydra_instantiate(config, *args, _convert_="all", **kwargs)
    except InstantiationException as error:
        cause = find_user_error(error)
        if cause is None:
            raise
        raise cause from error


def find_user_error(error: BaseException | None) -> UserError | None:
    """Return the user's error behind an exception, if there is one."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error


def network_from_config(config: DictConfig, seed: int | None = None) -> "nn.Module":
    """Build the network of a composed or stored config, its parameters drawn from ``seed`` (the config's own)."""
    from segnet.models import initialise

    network = _assemble(config)
    initialise(network, config.seed if seed is None else seed)
    return network


def _assemble(config: DictConfig) -> "nn.Module":
    return task_from_config(config).wrap(instantiate(config.model))


def task_from_config(config: DictConfig) -> "Task":
    """Build the task of a composed or stored config."""
    return instantiate(config.task.definition)


def data_from_config(config: DictConfig) -> "DataModule":
    """Build the data module of a composed or stored config."""
    return instantiate(config.data.module)


def build_network(overrides: Sequence[str] = ()) -> "nn.Module":
    """Build a network from the shipped configurations and Hydra overrides.

    Example:
        ``segnet.build_network(["data=camvid", "upsampler=max_unpool"])``

    Args:
        overrides: as on the command line of ``segnet-train``.

    Returns:
        A module that takes images ``(N, C, H, W)``, floats in 0..1, to logits ``(N, K, H, W)``, or with
        ``task=super_resolution`` to larger images ``(N, C, factor * H, factor * W)``.

    Raises:
        UserError: an override names what does not exist, or the parts cannot work together.
    """
    return network_from_config(compose(overrides))


def load(run_dir: str | Path, checkpoint: str = "best") -> "nn.Module":
    """Load a trained network from a run folder.

    Args:
        run_dir: what ``segnet-train`` wrote.
        checkpoint: "best" (by the task's validation score) or "last".

    Returns:
        The network in evaluation mode, on the CPU; it takes images ``(N, C, H, W)``, floats in 0..1, to
        what :func:`build_network` says.

    Raises:
        UserError: the folder is not a run, or has no such checkpoint.
    """
    import torch

    config = load_config(run_dir)
    network = _assemble(without_pretrained_weights(config))
    load_weights(network, run_dir, checkpoint)
    if config.channels_last:
        network.to(memory_format=torch.channels_last)
    return network.eval()


def without_pretrained_weights(config: DictConfig) -> DictConfig:
    """Return the config of a run whose checkpoint has all weights; the file that they began with may be gone."""
    config = config.copy()
    if "weights" in config.model.encoder:
        config.model.encoder.weights = None
    return config


def load_config(run_dir: str | Path) -> DictConfig:
    """Read the resolved config of a run folder.

    Raises:
        UserError: there is none.
    """
    register_resolvers()
    path = Path(run_dir) / "config.yaml"
    if not path.is_file():
        raise UserError(f"{Path(run_dir).absolute()} is not a run folder: it has no config.yaml")
    return OmegaConf.load(path)


def load_weights(network: "nn.Module", run_dir: str | Path, checkpoint: str = "best") -> None:
    """Put the weights of a run's checkpoint into ``network``.

    Raises:
        UserError: the checkpoint does not exist.
    """
    import torch

    path = Path(run_dir) / "checkpoints" / f"{checkpoint}.ckpt"
    if not path.is_file():
        raise UserError(f"the run {Path(run_dir).absolute()} has no checkpoint {path.name}: it did not finish an epoch")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    network.load_state_dict({name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)})
