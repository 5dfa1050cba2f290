"""Files that are not the images that they claim to be."""

import struct
import zlib
from pathlib import Path

from PIL import Image


def png_file(header: bytes, rows: bytes) -> bytes:
    """A PNG file, from the content of its header and its rows as they are before compression."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG file of a few bytes that claims a size."""
    return png_file(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), bytes(9))


def grey_png(width: int, height: int, bits: int, rows: bytes) -> bytes:
    """A grey PNG file of 1, 2, 4, 8 or 16 bits a pixel."""
    return png_file(struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0), rows)


def write_animation(path: Path) -> None:
    """A GIF file of two frames."""
    frames = [Image.new("L", (8, 8), value) for value in (0, 255)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])
