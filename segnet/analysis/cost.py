"""Parameters, multiply-accumulates and the memory of a training step, by stage and by module."""

import copy
from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segnet.analysis.trace import OUTSIDE, Operator, Stage, Trace, trace


@dataclass(frozen=True)
class ModuleCost:
    """Cost of one module, what its own children do left out.

    Attributes:
        name: qualified name in the network.
        class_name: of the module.
        operators: torch's operators that multiplied there, such as ``("convolution",)``.
        size: height and width of the output of the last of them; None where nothing multiplied.
        parameters: trainable values of its own.
        macs: multiply-accumulates.
    """

    name: str
    class_name: str
    operators: tuple[str, ...]
    size: tuple[int, int] | None
    parameters: int
    macs: int


@dataclass(frozen=True)
class StageCost:
    """Cost of one stage, for the whole batch.

    Attributes:
        name: see :class:`segnet.analysis.trace.Stage`.
        stride: image pixels between two of its output pixels; None where the network does not say.
        channels: channels of its output; None for what is no stage.
        size: height and width of its output; None for what is no stage.
        parameters: trainable values.
        macs: multiply-accumulates of the operators that ran.
        activation_bytes: memory written in this stage that the backward pass needs, pool indices left out.
        index_bytes: the same of pool indices (integer tensors).
        modules: the modules that multiply or hold parameters, in the order in which they ran.
        forms: the exact cheaper forms that ran, such as "Nearest + 3x3 -> transposed 4x4".
    """

    name: str
    stride: int | None
    channels: int | None
    size: tuple[int, int] | None
    parameters: int
    macs: int
    activation_bytes: int
    index_bytes: int
    modules: tuple[ModuleCost, ...]
    forms: tuple[str, ...]


def count_parameters(module: nn.Module) -> int:
    """Count the values that training changes."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_macs(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Count the multiply-accumulates of all convolutions and matrix products for one image ``(C, H, W)``.

    The operators that really run are counted: an exact cheaper form counts as what it costs. For what counts, see
    :func:`segnet.analysis.trace.count_operator`.
    """
    parameter = next(network.parameters())
    images = torch.zeros(1, *image_shape, device=parameter.device, dtype=parameter.dtype)
    return sum(operator.macs for operator in trace_inference(network, images).operators)


def trace_inference(network: nn.Module, images: Tensor) -> Trace:
    """Trace one forward pass in evaluation mode, without gradients; images ``(N, C, H, W)``."""
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(False), torch.no_grad(), trace(network) as result:
            network(images)
    finally:
        network.train(was_training)
    return result


def stage_costs(network: nn.Module, images: Tensor) -> list[StageCost]:
    """Measure the cost of every stage for a batch of images ``(N, C, H, W)``.

    The multiply-accumulates are those of a forward pass in evaluation mode; the memory is that of a training step, see
    :func:`activation_memory`. What runs in no stage stands in an entry called "other", if it costs anything. Each
    parameter counts in the stage that first ran its module.
    """
    seen = trace_inference(network, images)
    memory = activation_memory(network, images)
    stage_of_module = _stages_of_modules(network, seen)
    operators: dict[str, list[Operator]] = defaultdict(list)
    stage_macs: dict[str, int] = defaultdict(int)
    for index, operator in enumerate(seen.operators):
        operators[operator.module].append(operator)
        stage_macs[seen.stage_of(index)] += operator.macs
    modules: dict[str, list[ModuleCost]] = defaultdict(list)
    forms: dict[str, dict[str, None]] = defaultdict(dict)
    for index, form in seen.forms:
        forms[seen.stage_of(index)][form] = None
    for name, module in _distinct_modules(network, seen):
        module_cost = _module_cost(name, module, operators[name])
        if module_cost.macs or module_cost.parameters:
            modules[stage_of_module[name]].append(module_cost)
    costs: list[StageCost] = []
    for stage in [*seen.stages, Stage(OUTSIDE, None, None, None)]:
        activation, index = memory.get(stage.name, (0, 0))
        own = tuple(modules[stage.name])
        parameters, macs = sum(module.parameters for module in own), stage_macs[stage.name]
        described = (stage.name, stage.stride, stage.channels, stage.size)
        cost = StageCost(*described, parameters, macs, activation, index, own, tuple(forms[stage.name]))
        if parameters or macs or activation or index:
            costs.append(cost)
    return costs


def activation_memory(network: nn.Module, images: Tensor) -> dict[str, tuple[int, int]]:
    """Measure what a training step's forward pass keeps for its backward pass, in bytes by stage.

    Every block of memory counts once, in the stage that wrote it, however many operators keep it; parameters and
    buffers do not count. The loss is left out: it keeps about one more map of logits. A backward pass needs
    some memory beyond this for a moment, and the optimiser its own.

    Returns:
        For each stage's name the bytes of activations and of pool indices (tensors of integers).
    """
    network = copy.deepcopy(network).train()  # a training step moves the running statistics
    own = {tensor.untyped_storage().data_ptr() for tensor in [*network.parameters(), *network.buffers()]}
    kept: dict[int, tuple[Tensor, int | None]] = {}

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own and address not in kept:
            # The tensor is held, so that its address is not given to another one.
            kept[address] = tensor, seen.written_by(address)
        return tensor

    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        trace(network) as seen,
    ):
        logits = network(images)
    totals: dict[str, tuple[int, int]] = {}
    for tensor, writer in kept.values():
        name = seen.stage_of(writer) if writer is not None else OUTSIDE
        activation, index = totals.get(name, (0, 0))
        size = tensor.untyped_storage().nbytes()
        is_index = not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
        totals[name] = (activation, index + size) if is_index else (activation + size, index)
    del logits
    return totals


def _distinct_modules(network: nn.Module, seen: Trace) -> list[tuple[str, nn.Module]]:
    """List the modules in the order in which they ran; those that were never called as such come last."""
    never = len(seen.operators) + 1
    return sorted(network.named_modules(), key=lambda item: seen.modules.get(item[0], never))


def _stages_of_modules(network: nn.Module, seen: Trace) -> dict[str, str]:
    """Find the stage of each module; one that was never called (its parent reads its weights) goes with its parent."""
    stages: dict[str, str] = {}
    for name, _ in network.named_modules():
        parent = name.rpartition(".")[0]
        stages[name] = seen.stage_of_module(name) if name in seen.modules else stages.get(parent, OUTSIDE)
    return stages


def _module_cost(name: str, module: nn.Module, operators: list[Operator]) -> ModuleCost:
    multiplying = [operator for operator in operators if operator.macs]
    return ModuleCost(
        name,
        type(module).__name__,
        tuple(dict.fromkeys(operator.name for operator in multiplying)),
        multiplying[-1].size if multiplying else None,
        sum(parameter.numel() for parameter in module.parameters(recurse=False) if parameter.requires_grad),
        sum(operator.macs for operator in multiplying),
    )
