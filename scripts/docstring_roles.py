"""Extension of griffe, which reads docstrings for the docs site: shows ``:class:`x` `` and the like as plain code."""

import re

import griffe

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?([^`]+)`")


class DocstringRoles(griffe.Extension):
    """Replaces the roles in the docstring of every object."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rewrite one docstring; griffe calls this for each object with further arguments."""
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
