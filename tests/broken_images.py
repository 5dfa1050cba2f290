"""Files that are not the images that they claim to be."""

import struct
import zlib
from pathlib import Path

from PIL import Image


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG file of a few bytes that claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def write_animation(path: Path) -> None:
    """A GIF file of two frames."""
    frames = [Image.new("L", (8, 8), value) for value in (0, 255)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])
