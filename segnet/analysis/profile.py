"""All that is known of a network's cost and sight, put together."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.analysis.checkerboard import checkerboard
from segnet.analysis.cost import StageCost, stage_costs, trace_inference
from segnet.analysis.effective_field import EffectiveField, effective_field
from segnet.analysis.latency import Latency
from segnet.analysis.receptive_field import ReceptiveField, receptive_fields
from segnet.errors import UserError


@dataclass(frozen=True)
class Profile:
    """One network's profile; all costs are for the whole batch.

    Attributes:
        name: what tells it from others in a comparison.
        stages: cost by stage.
        fields: theoretical receptive field by stage; the last one is the network's.
        effective: effective receptive field.
        checkerboard: see :func:`segnet.analysis.checkerboard.checkerboard`.
        plain_macs: multiply-accumulates of the same function in its plain form, where one was given.
        latencies: times by workload ("inference", "training step").
    """

    name: str
    stages: list[StageCost]
    fields: list[ReceptiveField]
    effective: EffectiveField
    checkerboard: dict[str, float]
    plain_macs: int | None
    latencies: dict[str, Latency]

    @property
    def totals(self) -> dict[str, int]:
        """Sums over the stages."""
        keys = ("parameters", "macs", "activation_bytes", "index_bytes")
        return {key: sum(getattr(stage, key) for stage in self.stages) for key in keys}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the map of the effective field is left out."""
        effective = asdict(self.effective)
        del effective["energy"]
        return {
            "name": self.name,
            "totals": self.totals | ({"plain_macs": self.plain_macs} if self.plain_macs is not None else {}),
            "latency_ms": {name: asdict(latency) for name, latency in self.latencies.items()},
            "stages": [asdict(stage) for stage in self.stages],
            "receptive_fields": [asdict(field) for field in self.fields],
            "effective_field": effective,
            "checkerboard": self.checkerboard,
        }


def profile_network(
    name: str,
    network: nn.Module,
    images: Tensor,
    probes: Tensor,
    precision: str = "32-true",
    plain: nn.Module | None = None,
) -> Profile:
    """Take a network's profile, times left out.

    Args:
        name: of the profile.
        network: on the device of ``images``.
        images: the batch ``(N, C, H, W)`` whose cost is taken.
        probes: images ``(M, C, H', W')`` for the effective field and the checkerboards, which run in float32.
        precision: see :func:`precision_context`.
        plain: a network of the same function that multiplies in the plain form, to be set beside.
    """
    with precision_context(precision, images.device.type):
        stages = stage_costs(network, images)
        plain_macs = None
        if plain is not None:
            plain_macs = sum(operator.macs for operator in trace_inference(plain, images).operators)
    fields = receptive_fields(network, images.shape[1])
    effective, patterns = effective_field(network, probes), checkerboard(network, probes)
    return Profile(name, stages, fields, effective, patterns, plain_macs, {})


def precision_context(precision: str, device_type: str) -> AbstractContextManager[object]:
    """Return the context in which Lightning would run a precision.

    Raises:
        UserError: it is none of 32-true, bf16-mixed and 16-mixed.
    """
    if precision in ("32-true", "32"):
        return nullcontext()
    dtypes = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    if precision not in dtypes:
        raise UserError(f"precision={precision} cannot be profiled: choose auto, 32-true, bf16-mixed or 16-mixed")
    return torch.autocast(device_type, dtype=dtypes[precision])


def inference_workload(network: nn.Module, images: Tensor, precision: str) -> Callable[[], None]:
    """Return a call that runs a copy of the network forward, in evaluation mode without gradients."""
    network = copy.deepcopy(network).eval()

    def run() -> None:
        with torch.no_grad(), precision_context(precision, images.device.type):
            network(images)

    return run


def training_workload(network: nn.Module, images: Tensor, precision: str) -> Callable[[], None]:
    """Return a call that runs forward, cross-entropy and backward on a copy; the optimiser's step is left out."""
    network = copy.deepcopy(network).train()
    with torch.no_grad():
        logits = network(images)
    labels = torch.randint(logits.shape[1], (len(logits), *logits.shape[2:]), device=images.device)

    def run() -> None:
        with precision_context(precision, images.device.type):
            loss = F.cross_entropy(network(images), labels)
        network.zero_grad(set_to_none=True)
        loss.backward()

    return run
