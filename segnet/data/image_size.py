"""How large an image may be that is read."""

from pathlib import Path

from segnet.errors import UserError

MAX_PIXELS = 178_956_970
"""Largest image that is opened unless a caller allows more: 512 MiB as RGB, where Pillow draws its own line too."""


def check_size(path: Path, role: str, width: int, height: int, max_pixels: int | None) -> None:
    """Refuse a file that claims too many pixels, before they are decoded: a small file can claim any size.

    Args:
        path: the file.
        role: "image" or "mask", for the message.
        width: as the file says.
        height: as the file says.
        max_pixels: the most that is allowed; None: ``MAX_PIXELS``, which no setting moves.

    Raises:
        UserError: it claims more.
    """
    if width * height <= (MAX_PIXELS if max_pixels is None else max_pixels):
        return
    claim = f"the {role} {path} claims {width}x{height} pixels, more than"
    if max_pixels is not None:
        mend = f"set max_pixels={width * height} if it is meant to be so large"
        raise UserError(f"{claim} max_pixels={max_pixels}: {mend}")
    raise UserError(
        f"{claim} the {MAX_PIXELS} that are read: cut it into parts, or save it as a TIFF file of 8 bits without "
        f"compression, which is read in windows"
    )
