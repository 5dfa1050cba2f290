"""Composes and reads configurations: the only file outside the commands that knows Hydra."""

import inspect
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segnet.errors import UserError, find_user_error
from segnet.extras import install_command
from segnet.older_configs import to_present_form
from segnet.run_config import RUN_DIR, check_keys, read_text, signed, with_texts
from segnet.run_folder import CONFIG
from segnet.trusted_classes import check_contents, check_text, targets, trust

Config: TypeAlias = DictConfig
"""A composed or stored configuration; its values are read as attributes."""
Values: TypeAlias = dict[str, Any]
"""A configuration as plain dicts, lists and values."""
_FOLDER = "::the folder of this run::"


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
            config = hydra_compose(config_name, overrides=list(overrides))
    except HydraException as error:
        raise UserError(str(error)) from error
    trust(targets(OmegaConf.to_container(config, resolve=False)))
    trust_own_data(config)
    return config


def trust_own_data(config: DictConfig) -> None:
    """Let data be fetched from the address that a user's own config names."""
    data = config.get("data")
    if isinstance(data, DictConfig) and "root" in data:
        trust([OmegaConf.to_container(data, resolve=False)["root"]])  # type: ignore[index,call-overload]


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


def quote(text: str) -> str:
    """Quote a text in Hydra's grammar, in which a backslash is one except before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + found[2].replace("'", "\\'"), text) + "'"


def add_resolver(name: str, function: Callable[..., Any]) -> None:
    """Make ``${name:...}`` known to configurations; it is called when the value is read, and each time again."""
    OmegaConf.register_new_resolver(name, function, replace=True)


def register_resolvers() -> None:
    """Make the resolvers known that the configurations use, but for ``folder``, which :mod:`segnet.build` adds."""
    add_resolver(
        "folder_name", lambda path: "folder" if path is None else Path(path).resolve().name.removesuffix(".yaml")
    )
    add_resolver("length", len)
    add_resolver("first", lambda *values: next(value for value in values if value is not None))


def instantiate(config: DictConfig, *args: Any, **kwargs: Any) -> Any:
    """Build what a config node names, nested nodes included; containers become plain lists and dicts.

    Raises:
        UserError: raised inside a constructor, with its own message.
    """
    from hydra.utils import instantiate as hydra_instantiate

    with _own_errors():
        return hydra_instantiate(config, *args, _convert_="all", **kwargs)


@contextmanager
def _own_errors() -> Iterator[None]:
    """Raise the user's error that Hydra or OmegaConf has wrapped in one of its own."""
    from hydra.errors import InstantiationException

    try:
        yield
    except (InstantiationException, OmegaConfBaseException) as error:
        cause = find_user_error(error) or _refused_elsewhere(error)
        if cause is None:
            raise
        raise cause from error


def _refused_elsewhere(error: Exception) -> UserError | None:
    """Return a sentence about settings that a class of another package does not take."""
    called = re.search(r"Error in call to target '((?!segnet\.)[\w.]+)'", str(error))
    if called is None or not isinstance(error.__cause__, (TypeError, ValueError)):
        return None
    said = " ".join(str(error.__cause__).split())
    return UserError(f"{called[1]} cannot be built from its settings ({said}): change them")


def instantiate_from_own_keys(config: DictConfig) -> Any:
    """Build what a config node names from those of its keys that are its arguments; the others are for other readers.

    Raises:
        UserError: see :func:`instantiate`.
    """
    from hydra.utils import get_object

    values = to_values(config)
    arguments = inspect.signature(get_object(values["_target_"])).parameters
    return instantiate(from_values({key: values[key] for key in ("_target_", *arguments) if key in values}))


def instantiate_group(group: str, config: Config | None) -> list[Any]:
    """Build the entries of a config group of which several may be chosen, such as callbacks or loggers.

    Args:
        group: its name, for messages.
        config: the entries by name; null switches one off.

    Raises:
        UserError: an entry needs a package that is not installed.
    """
    from hydra.errors import InstantiationException

    parts = []
    for name, node in (config or {}).items():
        name = str(name)
        try:
            parts.append(instantiate(node))
        except InstantiationException as error:
            if not isinstance(error.__cause__, ModuleNotFoundError):
                raise
            raise UserError(f"{group}={name} needs a package that is not installed: {install_command(name)}") from error
    return [part for part in parts if part is not None]


def in_sweep() -> bool:
    """Say whether a command runs as one of several jobs of Hydra's ``--multirun``."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def to_run_yaml(config: Config) -> str:
    """Write the config of a run as YAML: resolved, but for the run's own folder, which stays ``${run_dir}``.

    So a run folder can be copied, renamed and moved: it holds no path of its own. The first line has a checksum.
    """
    placed = config.copy()
    placed.run_dir = _FOLDER
    values = with_texts(OmegaConf.to_container(placed, resolve=True), lambda text: text.replace(_FOLDER, RUN_DIR))
    return signed(OmegaConf.to_yaml(from_values({**values, "run_dir": "."})))


def to_values(config: Config, resolve: bool = True) -> Any:
    """Return a config as plain dicts, lists and values, its interpolations resolved or as they were written.

    Raises:
        UserError: raised where a value is resolved, with its own message.
    """
    with _own_errors():
        return OmegaConf.to_container(config, resolve=resolve)


def from_values(values: Mapping[str, Any]) -> Config:
    """Make a config of plain values."""
    config: Config = OmegaConf.create(dict(values))
    return config


def get_value(config: Config, path: str) -> Any:
    """Return the value at a dotted path; None where there is none."""
    return OmegaConf.select(config, path)


def read_yaml(path: Path) -> Any:
    """Read a YAML file as plain dicts, lists and values, interpolations as they are written.

    Raises:
        UserError: the file is not there, or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a YAML file: {error}") from error
    return _parse_yaml(text, path)


def _parse_yaml(text: str, path: Path) -> Any:
    import yaml

    try:
        return OmegaConf.to_container(OmegaConf.load(io.StringIO(text)), resolve=False)
    except OSError as error:  # how OmegaConf calls a single value
        raise UserError(f"{path} is not a YAML file of names and values: {error}") from error
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is not a YAML file: {' '.join(str(error).split())}") from error


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return a copy with other values at dotted paths; a path that is new is added."""
    config = config.copy()
    for path, value in values.items():
        OmegaConf.update(config, path, value, merge=False, force_add=True)
    return config


def values_to_yaml(values: Mapping[str, Any]) -> str:
    """Write plain values as YAML, as they are."""
    return OmegaConf.to_yaml(from_values(values))


def load_config(run_dir: str | Path) -> Config:
    """Read the config of a run folder; ``run_dir``, and all that refers to it, is the folder given here.

    It may name the classes that the shipped configurations name, a few of other packages, and those that the user's own
    configurations name; others inside :func:`segnet.trusted_classes.allow_code`.

    Raises:
        UserError: there is none, it is damaged, or it names other classes.
    """
    register_resolvers()
    path = Path(run_dir) / CONFIG
    if not path.is_file():
        raise UserError(f"{Path(run_dir).absolute()} is not a run folder: it has no {CONFIG}")
    text = read_text(path)
    check_text(text, path)
    values = _parse_yaml(text, path)
    check_keys(values, path)
    values = to_present_form(values)
    check_contents(values, path, config_dir())
    return from_values({**values, "run_dir": str(run_dir)})
