"""Fine-tuning: parts of a network that stay as they are, and parts that learn at a rate of their own."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from segnet.errors import UserError, require


def freeze(network: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Take parts of a network out of the training: their parameters get no gradient.

    Their running statistics stay too where they are kept in evaluation mode, which
    :class:`segnet.training.module.TrainingModule` sees to; nor has a frozen part any dropout then.

    Args:
        network: the network.
        names: of modules in it, such as "encoder" or "encoder.stages.0"; all that is inside them is frozen.

    Returns:
        The modules.

    Raises:
        UserError: there is no such part, it has no parameters, or nothing is left to be trained.
    """
    parts = [_find(network, name, "freeze") for name in names]
    for part in parts:
        part.requires_grad_(False)
    if parts and not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError(f"freeze=[{','.join(names)}] leaves nothing to be trained: name fewer parts")
    return parts


def rate_factors(network: nn.Module, lr_of: Mapping[str, float]) -> dict[nn.Parameter, float]:
    """Return the factor of the learning rate of each parameter that has one of its own.

    Args:
        network: the network, frozen parts being frozen already.
        lr_of: factors by the names of modules; of two that hold a parameter, the inner one counts.

    Raises:
        UserError: there is no such part, it has no parameters or frozen ones alone, or a factor is not above 0.
    """
    factors: dict[nn.Parameter, float] = {}
    for name in sorted(lr_of, key=len):  # a part comes before what is inside it
        factor = lr_of[name]
        require(0 < factor < math.inf, f"lr_of.{name}", factor, "a number above 0; freeze keeps a part as it is")
        trained = [parameter for parameter in _find(network, name, "lr_of").parameters() if parameter.requires_grad]
        if not trained:
            raise UserError(f"lr_of.{name}={factor} is of no use, since freeze holds all of {name}: leave out one")
        factors.update(dict.fromkeys(trained, factor))
    return factors


def parameter_groups(
    parameters: Iterable[nn.Parameter], factors: Mapping[nn.Parameter, float]
) -> list[tuple[float, dict[str, Any]]]:
    """Sort parameters into an optimiser's groups: weight decay acts on kernels, not on norms and biases.

    Args:
        parameters: to be trained.
        factors: of the learning rate, where it is not 1.

    Returns:
        For each group the factor of its learning rate, and the group. The two of factor 1 come first, empty or not,
        so that the first group always has the optimiser's own rate.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, True): [], (1.0, False): []}
    for parameter in parameters:
        groups.setdefault((factors.get(parameter, 1.0), parameter.ndim > 1), []).append(parameter)
    return [
        (factor, {"params": members} if are_kernels else {"params": members, "weight_decay": 0.0})
        for (factor, are_kernels), members in groups.items()
    ]


def _find(network: nn.Module, name: str, setting: str) -> nn.Module:
    """Return the module of a name.

    Raises:
        UserError: there is none, or it has no parameters.
    """
    known = [path for path, module in network.named_modules() if path and any(True for _ in module.parameters())]
    if name in known:
        return network.get_submodule(name)
    inside = name
    while inside and inside not in known:  # say what the innermost part has that is there
        inside = inside.rpartition(".")[0]
    depth = inside.count(".") + 1 if inside else 0
    there = [path for path in known if path.count(".") == depth and (not inside or path.startswith(f"{inside}."))]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise UserError(
        f"{setting} names {name}, and the network has no such part with parameters{hint}: "
        f"{inside or 'it'} has {', '.join(there) or 'no parts'}"
    )
