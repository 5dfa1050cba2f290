"""One pass through a network, operator by operator: which module ran it, in which stage, and what it multiplied.

A *stage* is all that runs at one step of the network: the encoder's stages, the context block, the decoder's steps and
the head. What runs belongs to the stage whose module, or part of it, runs it, whatever the order: a head may run
before the last upsamplings. The encoder's stages are told apart by when each of the features it returns was finished,
so that any encoder can be looked at, whatever it is made of; a downsampling step belongs to the stage that it leads to.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils.flop_counter import flop_registry

from segnet.compat import DispatchMode, tree_leaves

OUTSIDE = "other"
"""The stage of what runs in none: the normalisation of the image, say."""

ENCODER = "encoder"


@dataclass(frozen=True)
class Operator:
    """One operator that ran.

    Attributes:
        name: torch's name, such as ``convolution``.
        module: qualified name of the innermost module that ran it; "" for the network itself.
        macs: its multiply-accumulates.
        size: height and width of its output; None where that is no feature map.
        storages: addresses of the memory that it wrote.
    """

    name: str
    module: str
    macs: int
    size: tuple[int, int] | None
    storages: tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    """A stage as it ran.

    Attributes:
        name: "encoder 0", "context", "decoder 0", "head"; in a network of another make the name of the child module.
        stride: image pixels between two of its pixels; None where the network does not say.
        size: height and width of its output; None where that is no feature map.
        channels: channels of its output.
    """

    name: str
    stride: int | None
    size: tuple[int, int] | None
    channels: int | None


@dataclass
class Trace:
    """What was seen; filled by :func:`trace`.

    Attributes:
        operators: in the order in which they ran.
        modules: the first operator index at which each module that ran was entered, by qualified name.
        forms: the exact cheaper forms that ran, each with the index of its first operator.
    """

    operators: list[Operator] = field(default_factory=list)
    modules: dict[str, int] = field(default_factory=dict)
    forms: list[tuple[int, str]] = field(default_factory=list)
    _stage_modules: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    _running: list[tuple[str, str]] = field(default_factory=list)  # module and stage, the innermost last
    _stage_of_operator: list[str] = field(default_factory=list)
    _outputs: dict[str, Tensor] = field(default_factory=dict)
    _encoder_stages: list[tuple[Stage, Tensor, int]] = field(default_factory=list)

    @property
    def stages(self) -> list[Stage]:
        """The stages that ran, from the image to the logits."""
        return [stage for stage, _ in self._stages_and_outputs()]

    @property
    def outputs(self) -> list[Tensor]:
        """The output of each stage, beside ``stages``."""
        return [output for _, output in self._stages_and_outputs()]

    def _stages_and_outputs(self) -> list[tuple[Stage, Tensor]]:
        pairs: list[tuple[Stage, Tensor]] = []
        for name, stride in self._stage_modules.values():
            if name == ENCODER and self._encoder_stages:
                pairs.extend((stage, output) for stage, output, _ in self._encoder_stages)
            elif name in self._outputs:
                pairs.append((_stage(name, stride, self._outputs[name]), self._outputs[name]))
        return pairs

    def stage_of(self, index: int) -> str:
        """Return the name of the stage that ran the operator of this index."""
        return self._resolve(self._stage_of_operator[index], index)

    def stage_of_module(self, name: str) -> str:
        """Return the name of the stage that a module which ran is part of."""
        return self._resolve(self._find_stage(name), self.modules[name])

    def _resolve(self, stage: str, index: int) -> str:
        if stage == ENCODER:
            return next((own.name for own, _, end in self._encoder_stages if index < end), stage)
        return stage

    def _find_stage(self, module: str) -> str:
        while module not in self._stage_modules and module:
            module = module.rpartition(".")[0]
        return self._stage_modules[module][0] if module in self._stage_modules else OUTSIDE

    def written_by(self, storage: int) -> int | None:
        """Return the index of the last operator so far that wrote to this memory."""
        for index in range(len(self.operators) - 1, -1, -1):
            if storage in self.operators[index].storages:
                return index
        return None

    def add_operator(self, operator: Operator) -> None:
        """Note an operator that the innermost of the running modules ran."""
        self.operators.append(operator)
        self._stage_of_operator.append(self.running_stage)

    def add_form(self, form: str) -> None:
        """Note an exact cheaper form, which the next operator begins."""
        self.forms.append((len(self.operators), form))

    @property
    def running_module(self) -> str:
        """Qualified name of the innermost module that runs; "" where none does."""
        return self._running[-1][0] if self._running else ""

    @property
    def running_stage(self) -> str:
        """Name of the stage that runs."""
        return self._running[-1][1] if self._running else OUTSIDE

    def enter(self, name: str) -> None:
        """Note that a module begins."""
        self.modules.setdefault(name, len(self.operators))
        stage = self.running_stage
        self._running.append((name, self._find_stage(name) if stage == OUTSIDE else stage))

    def leave(self, module: nn.Module, name: str, output: Any) -> None:
        """Note that a module ends; of a stage's modules the last one has its output."""
        _, stage = self._running.pop()
        if name == ENCODER and hasattr(output, "features") and hasattr(module, "strides"):
            self._split_encoder(output.features, cast(tuple[int, ...], module.strides))
        elif stage != OUTSIDE:
            tensor = next((leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)), None)
            if tensor is not None:
                self._outputs[stage] = tensor

    def _split_encoder(self, features: list[Tensor], strides: tuple[int, ...]) -> None:
        """Split what the encoder ran at the moments when its features were finished."""
        start = self.modules[ENCODER]
        for index, (output, stride) in enumerate(zip(features, strides, strict=True)):
            written = self.written_by(output.untyped_storage().data_ptr())
            last = index == len(features) - 1
            start = len(self.operators) if last or written is None else max(start, written + 1)
            self._encoder_stages.append((_stage(f"{ENCODER} {index}", stride, output), output, start))


def _stage(name: str, stride: int | None, output: Tensor) -> Stage:
    return Stage(name, stride, _map_size(output), output.shape[1] if output.dim() > 1 else None)


def _map_size(output: Tensor) -> tuple[int, int] | None:
    return (output.shape[-2], output.shape[-1]) if output.dim() == 4 else None


class _OperatorListener(DispatchMode):
    """Notes every operator, with the innermost of the modules that are running."""

    def __init__(self, result: Trace) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.result = result

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        self.result.add_operator(
            Operator(
                name=func.overloadpacket.__name__,
                module=self.result.running_module,
                macs=count_operator(func.overloadpacket, args, kwargs or {}, output),
                size=_map_size(tensors[0]) if tensors else None,
                # A view writes nothing; an operator that works in place does.
                storages=() if func.is_view else tuple(tensor.untyped_storage().data_ptr() for tensor in tensors),
            )
        )
        return output


def count_operator(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    """Count the multiply-accumulates of one operator: torch's formulas, and the matrix products that they leave out.

    A convolution multiplies once for each output pixel, tap, and pair of channels in a group, taps on the padding
    included (they are multiplied too); a transposed one once for each *input* pixel, tap and pair, whatever its
    stride; a matrix product ``(m, k) @ (k, n)`` m k n times. All else (interpolation, norms, activations) counts 0.
    """
    if operator in flop_registry:
        return int(flop_registry[operator](*args, **kwargs, out_val=output)) // 2
    if operator in (torch.ops.aten.mv, torch.ops.aten.dot):
        return prod(args[0].shape)
    if operator is torch.ops.aten.addmv:
        return prod(args[1].shape)
    return 0


@contextmanager
def trace(network: nn.Module, notes_operators: bool = True) -> Iterator[Trace]:
    """Note all that ``network`` runs inside the ``with``; the caller calls it once.

    Backward passes that run there are noted too, so leave them out. Torch's global hooks are what sees the modules: a
    hook on a module would bring back its plain form.

    Args:
        network: what to look at.
        notes_operators: whether to note the operators; without them the stages' outputs alone are right.
    """
    result = Trace(_stage_modules=_stage_modules(network))
    names = {module: name for name, module in network.named_modules()}

    def enter(module: nn.Module, args: Any) -> None:
        if module in names:
            result.enter(names[module])

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        if module in names:
            result.leave(module, names[module], output)

    with ExitStack() as stack:
        for handle in (register_module_forward_pre_hook(enter), register_module_forward_hook(leave)):
            stack.callback(handle.remove)
        for module in names:
            if getattr(module, "rules", None) is not None:
                stack.callback(setattr, module, "rules", module.rules)
                module.rules = replace(module.rules, listener=result.add_form)
        if notes_operators:
            stack.enter_context(_OperatorListener(result))
        yield result


def _stage_modules(network: nn.Module) -> dict[str, tuple[str, int | None]]:
    """Return name and stride of the stages that are modules, by the module's qualified name."""
    children = [name for name, _ in network.named_children()]
    strides = getattr(getattr(network, "encoder", None), "strides", None)
    if strides is None:
        return {name: (name, None) for name in children}
    steps, modules = (getattr(getattr(network, "decoder", None), name, None) for name in ("steps", "stages"))
    known = {"context": strides[-1], "head": 1}
    stages: dict[str, tuple[str, int | None]] = {}
    for name in children:
        if name == "decoder" and steps is not None and modules is not None:
            for index, step in enumerate(steps):
                stages[f"decoder.stages.{index}"] = (f"decoder {index}", step.stride)
        else:
            stages[name] = (name, known.get(name))
    return stages
