"""Sums of losses."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from segnet.errors import UserError, require
from segnet.losses.means import Mean, loss_means


class WeightedSum(nn.Module):
    """Adds up losses, each times its weight.

    Args:
        ignore_index: label that does not count, for every term.
        terms: by name the factory of a loss, called with ``ignore_index`` and ``class_weights``; None leaves one out.
        weights: by the same names the factors; a term that has none counts once.
        class_weights: one weight a class for every term, or None for equal weights.

    Raises:
        UserError: there is no term, a weight names none, or a weight is negative.
    """

    def __init__(
        self,
        ignore_index: int,
        terms: Mapping[str, Callable[..., nn.Module] | None],
        weights: Mapping[str, float] | None = None,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        given = dict(weights or {})
        chosen = {name: term for name, term in terms.items() if term is not None}
        if not chosen:
            raise UserError("loss.terms names no loss: give one at least, or choose loss=cross_entropy")
        if strange := sorted(set(given) - set(terms)):
            raise UserError(f"loss.weights names {', '.join(strange)}, and loss.terms has {', '.join(terms)}")
        for name, weight in given.items():
            require(0 <= weight < math.inf, f"loss.weights.{name}", weight, "a number from 0 up")
        self.terms = nn.ModuleDict(
            {name: term(ignore_index=ignore_index, class_weights=class_weights) for name, term in chosen.items()}
        )
        self.weights = {name: float(given.get(name, 1.0)) for name in self.terms}

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Take ``(N, K, H, W)`` logits and ``(N, H, W)`` labels to a scalar."""
        return torch.stack([mean.value for mean in self.means(logits, labels)]).sum()

    def means(self, logits: Tensor, labels: Tensor) -> list[Mean]:
        """Return the weighted terms, each with what it is a mean over."""
        found = []
        for name, term in self.terms.items():
            means = loss_means(term, logits, labels)
            found += [Mean(self.weights[name] * mean.value, mean.weight) for mean in means]
        return found
