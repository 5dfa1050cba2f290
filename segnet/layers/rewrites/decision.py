"""The switch of the exact cheaper forms, and the check that the modules are still those that they were chosen for.

A module that can run in a cheaper form has ``rewrite(rules)``, which decides; None chooses the plain form. It decides
when it is built, and again when :func:`use_exact_rewrites` asks.
"""

from collections.abc import Callable, Iterable
from typing import cast

from torch import nn

from segnet.compat import has_hooks
from segnet.layers.rewrites.rules import Rules


def use_exact_rewrites(network: nn.Module, enabled: bool, rules: Rules | None = None) -> nn.Module:
    """Have all modules in ``network`` decide again on their exact cheaper forms; return it.

    Args:
        network: what to rewrite, in place.
        enabled: False chooses the plain forms.
        rules: when a form pays; None: the measured ones.
    """
    for module in reversed(list(network.modules())):  # a parent decides by what its children have decided
        if hasattr(module, "rewrite"):
            rewrite = cast(Callable[[Rules | None], None], module.rewrite)
            rewrite((rules or Rules()) if enabled else None)
    return network


class Chosen:
    """The modules that a cheaper form was chosen for, as they were then.

    A cheaper form does not call each of them, or not with the tensors of the plain form. So the plain form runs when
    one has got a hook (the old kinds of weight norm, spectral norm and pruning are hooks) or a parametrisation, which
    changes its class, or another ``forward``, or when another module stands in its place.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self.modules = tuple(modules)
        self.classes = tuple(type(module) for module in self.modules)

    def are_unchanged(self, present: Iterable[nn.Module]) -> bool:
        """Say whether the modules that now stand in the network are those, as they were."""
        present = tuple(present)
        return len(present) == len(self.modules) and all(
            now is then and type(now) is kind and not has_hooks(now) and "forward" not in now.__dict__
            for now, then, kind in zip(present, self.modules, self.classes, strict=True)
        )
