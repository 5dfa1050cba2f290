"""Folding batch norms into the convolutions before them, in a captured graph: the same function, fewer operators."""

import operator
from functools import reduce
from typing import cast

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

CONVOLUTION = torch.ops.aten.conv2d.default
BATCH_NORM = torch.ops.aten.batch_norm.default


def fold_batch_norms(module: torch.nn.Module) -> GraphModule:
    """Fold each batch norm whose input is a convolution's output, and nothing else's, into that convolution.

    One behind anything else, such as convolutions that are stacked, stays.

    Args:
        module: what :meth:`torch.export.ExportedProgram.module` returns, captured in evaluation mode; it is changed.
    """
    graph_module = cast(GraphModule, module)
    graph = graph_module.graph
    for place, norm in enumerate([node for node in graph.nodes if node.target is BATCH_NORM]):
        convolution = norm.args[0]
        is_foldable = (
            isinstance(convolution, Node) and convolution.target is CONVOLUTION and len(convolution.users) == 1
        )
        weight = constant(graph_module, convolution.args[1]) if is_foldable else None
        if weight is None:
            continue
        bias = constant(graph_module, convolution.args[2]) if len(convolution.args) > 2 else None
        scale, mean, shift = _affine(graph_module, norm)
        folded = {
            "weight": weight * scale[:, None, None, None],
            "bias": shift - mean * scale if bias is None else (bias - mean) * scale + shift,
        }
        with graph.inserting_before(convolution):
            nodes = []
            for name, value in folded.items():
                graph_module.register_buffer(f"folded_{place}_{name}", value.detach().clone())
                nodes.append(graph.get_attr(f"folded_{place}_{name}"))
        convolution.args = (convolution.args[0], *nodes, *convolution.args[3:])
        norm.replace_all_uses_with(convolution)
        graph.erase_node(norm)
    graph.eliminate_dead_code()
    graph_module.recompile()
    _drop_unused(graph_module)
    return graph_module


def _drop_unused(module: GraphModule) -> None:
    """Remove tensors that the graph no longer reads, which a file would keep."""
    used = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    tensors = [name for name, _ in (*module.named_parameters(), *module.named_buffers())]
    for name in tensors:
        if name not in used:
            owner, _, own = name.rpartition(".")
            delattr(module.get_submodule(owner), own)


def _affine(module: GraphModule, norm: Node) -> tuple[Tensor, Tensor, Tensor]:
    """Return scale, mean and shift of a batch norm in evaluation mode, ``(C,)`` each."""
    weight, bias, mean, variance = (constant(module, argument) for argument in norm.args[1:5])
    assert mean is not None
    assert variance is not None
    scale = (variance + cast(float, norm.args[7])).rsqrt()
    scale = scale if weight is None else scale * weight
    return scale, mean, torch.zeros_like(mean) if bias is None else bias


def constant(module: GraphModule, value: object) -> Tensor | None:
    """Return the value of a node that depends on parameters alone; None where it depends on the images."""
    if not isinstance(value, Node):
        return None
    if value.op == "get_attr":
        return cast(Tensor, reduce(getattr, str(value.target).split("."), module))
    if value.op != "call_function":
        return None
    arguments = [constant(module, part) if isinstance(part, Node) else part for part in value.args]
    known = all(found is not None for found, part in zip(arguments, value.args, strict=True) if isinstance(part, Node))
    if not known or value.kwargs or getattr(value.target, "__module__", "") == operator.__name__:
        return None
    with torch.no_grad():
        result = value.target(*arguments)  # type: ignore[operator]
    return result if isinstance(result, Tensor) else None
