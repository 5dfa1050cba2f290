"""Each private name that is used does what it is used for."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segnet.compat import DispatchMode, conv_forward, has_hooks, has_own_conv_forward, tree_leaves

HOOKS = [
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
]


@pytest.mark.parametrize("register", HOOKS)
def test_every_kind_of_hook_is_found_until_it_is_removed(register):
    module = nn.Linear(2, 3)
    assert not has_hooks(module)
    handle = getattr(module, register)(lambda *arguments: None)
    assert has_hooks(module)
    assert not has_hooks(nn.Sequential(module))
    handle.remove()
    assert not has_hooks(module)


def test_convolving_with_other_weights_keeps_padding_mode_and_bias():
    module = nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect")
    features = torch.rand(1, 2, 5, 6)
    padded = F.pad(features, (1, 1, 1, 1), mode="reflect")
    expected = F.conv2d(padded, 2 * module.weight, module.bias)
    assert torch.equal(conv_forward(module, features, 2 * module.weight), expected)


class Own(nn.Conv2d):
    def _conv_forward(self, features, weight, bias):
        return super()._conv_forward(features, weight, bias)


def test_a_replaced_conv_forward_is_found():
    module = nn.Conv2d(2, 3, 3)
    assert not has_own_conv_forward(module)
    assert has_own_conv_forward(Own(2, 3, 3))
    module._conv_forward = lambda features, weight, bias: features
    assert has_own_conv_forward(module)


def test_the_mode_sees_operators_without_importing_the_compiler():
    program = """
import sys, torch
from segnet.compat import DispatchMode
class Seen(DispatchMode):
    names = []
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))
with Seen():
    torch.ones(2).add(1)
assert Seen.names == ["ones", "add"], Seen.names
assert "torch._dynamo" not in sys.modules
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert issubclass(DispatchMode, torch.utils._python_dispatch.TorchDispatchMode)


def test_leaves_of_nested_values():
    assert tree_leaves({"a": [1, (2, None)], "b": 3}) == [1, 2, None, 3]
