"""One pass through a network, operator by operator: which module ran it, in which stage, and what it multiplied.

A *stage* is all that runs at one step of the network: the encoder's stages, the context block, the decoder's steps and
the head. The encoder's stages are told apart by when each of the features it returns was finished, so that any
encoder can be looked at, whatever it is made of; a downsampling step belongs to the stage that it leads to.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from segnet.layers.rewrites.deferred import Enlarged, Stacked
from segnet.layers.rewrites.rules import listen

OUTSIDE = "other"
"""The stage of what runs in none: the normalisation of the image, say."""


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
        end: index of the first operator that ran after it.
    """

    name: str
    stride: int | None
    size: tuple[int, int] | None
    channels: int | None
    end: int


@dataclass
class Trace:
    """What was seen; filled by :func:`trace`.

    Attributes:
        operators: in the order in which they ran.
        stages: in the order in which they ended.
        outputs: the output of each stage, beside ``stages``; deferred where another one computes it.
        modules: the first operator index at which each module that ran was entered, by qualified name.
        forms: the exact cheaper forms that ran, each with the index of its first operator.
    """

    operators: list[Operator] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    outputs: list[Tensor | Enlarged | Stacked] = field(default_factory=list)
    modules: dict[str, int] = field(default_factory=dict)
    forms: list[tuple[int, str]] = field(default_factory=list)
    _starts: dict[str, int] = field(default_factory=dict)

    def stage_of(self, index: int) -> str:
        """Return the name of the stage that ran the operator of this index."""
        for stage in self.stages:
            if self._starts[stage.name] <= index < stage.end:
                return stage.name
        return OUTSIDE

    def written_by(self, storage: int) -> int | None:
        """Return the index of the last operator so far that wrote to this memory."""
        for index in range(len(self.operators) - 1, -1, -1):
            if storage in self.operators[index].storages:
                return index
        return None

    def add_stage(self, name: str, stride: int | None, output: Any, start: int, end: int) -> None:
        """Note that a stage ran from operator ``start`` up to ``end``."""
        # A deferred map has its shape before it is computed, which another stage may do.
        tensor = next((leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor | Enlarged | Stacked)), None)
        if tensor is None or name in self._starts:
            return
        size = tuple(tensor.shape[-2:]) if len(tensor.shape) == 4 else None
        self._starts[name] = start
        self.stages.append(Stage(name, stride, size, tensor.shape[1] if len(tensor.shape) > 1 else None, end))
        self.outputs.append(tensor)

    def add_encoder(self, output: Any, strides: Any, start: int) -> None:
        """Split what the encoder ran at the moments when its features were finished."""
        for index, features in enumerate(output.features):
            written = self.written_by(features.untyped_storage().data_ptr())
            last = index == len(output.features) - 1
            end = len(self.operators) if last or written is None else max(start, written + 1)
            self.add_stage(f"encoder {index}", strides[index], features, start, end)
            start = end


class _Watcher(TorchDispatchMode):
    """Notes every operator, with the innermost of the modules that are running."""

    def __init__(self, result: Trace, running: list[str]) -> None:
        super().__init__()
        self.result, self.running = result, running

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch's own switch: otherwise the first operator imports the compiler, which takes seconds.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        output = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        self.result.operators.append(
            Operator(
                name=func.overloadpacket.__name__,
                module=self.running[-1] if self.running else "",
                macs=count_operator(func.overloadpacket, args, kwargs or {}, output),
                size=tuple(tensors[0].shape[-2:]) if tensors and tensors[0].dim() == 4 else None,
                # A view writes nothing; an operator that works in place does.
                storages=() if func.is_view else tuple(tensor.untyped_storage().data_ptr() for tensor in tensors),
            )
        )
        return output


def count_operator(operator: Any, args: tuple, kwargs: dict, output: Any) -> int:
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
def trace(network: nn.Module, watch_operators: bool = True) -> Iterator[Trace]:
    """Watch all that ``network`` runs inside the ``with``; the caller calls it once.

    Backward passes and other modules that run there are watched too, so leave them out.

    Args:
        network: what to watch.
        watch_operators: whether to note the operators; without them the stages' outputs alone are right.
    """
    result, running = Trace(), []
    handles = []
    stages = _stage_modules(network)
    for name, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(_enter(result, running, name)))
        handles.append(module.register_forward_hook(_leave(result, running, name, stages.get(name))))
    try:
        with (
            listen(lambda form: result.forms.append((len(result.operators), form))),
            _Watcher(result, running) if watch_operators else nullcontext(),
        ):
            yield result
    finally:
        for handle in handles:
            handle.remove()


def _enter(result: Trace, running: list[str], name: str) -> Callable:
    def hook(module: nn.Module, args: Any) -> None:
        running.append(name)
        result.modules.setdefault(name, len(result.operators))

    hook.sees_deferred = True  # so that what is watched is what runs without it
    return hook


def _leave(result: Trace, running: list[str], name: str, stage: tuple[str, int | None] | None) -> Callable:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        running.pop()
        if name == "encoder" and hasattr(output, "features") and hasattr(module, "strides"):
            result.add_encoder(output, module.strides, result.modules[name])
        elif stage is not None:
            result.add_stage(*stage, output, result.modules[name], len(result.operators))

    hook.sees_deferred = True
    return hook


def _stage_modules(network: nn.Module) -> dict[str, tuple[str, int | None]]:
    """Return name and stride of the stages that are modules, by the module's qualified name."""
    stages: dict[str, tuple[str, int | None]] = {name: (name, None) for name, _ in network.named_children()}
    strides = getattr(getattr(network, "encoder", None), "strides", None)
    if strides is None:
        return stages
    decoder = getattr(network, "decoder", None)
    steps, modules = getattr(decoder, "steps", None), getattr(decoder, "stages", None)
    if steps is not None and modules is not None:
        del stages["decoder"]
        for index, step in enumerate(steps):
            stages[f"decoder.stages.{index}"] = (f"decoder {index}", step.stride)
    for name, stride in (("context", strides[-1]), ("head", 1)):
        if name in stages:
            stages[name] = (name, stride)
    return stages
