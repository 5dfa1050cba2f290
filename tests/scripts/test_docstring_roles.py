"""The docs site shows the roles of docstrings as plain code."""

import griffe

from scripts.docstring_roles import DocstringRoles


def test_roles_become_code():
    docstring = griffe.Docstring("See :func:`segnet.load`, :class:`~torch.nn.Module` and ``x``; :mode:`y` is no role.")
    function = griffe.Function("f", docstring=docstring)
    DocstringRoles().on_object(obj=function)
    assert docstring.value == "See `segnet.load`, `torch.nn.Module` and ``x``; :mode:`y` is no role."
    DocstringRoles().on_object(obj=griffe.Function("without_docstring"))
