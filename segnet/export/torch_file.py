"""The file of ``torch.export``: a graph of torch's operators, which ``torch.export.load`` reads."""

import io
from collections.abc import Mapping

import torch
from torch.export import ExportedProgram

from segnet.export.capture import quiet


def to_bytes(program: ExportedProgram, entries: Mapping[str, str]) -> bytes:
    """Return the bytes of the file; the metadata are its extra files, one each."""
    file = io.BytesIO()
    with quiet():
        torch.export.save(program, file, extra_files=dict(entries))
    return file.getvalue()
