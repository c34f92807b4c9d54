"""Words inside a picture: a PNG's own text chunk, so that a picture cannot be parted from what it shows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

KEY = b"Description"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def with_words(png: bytes, words: str) -> bytes:
    """The same picture, with these words in it."""
    text = KEY + b"\0\1\0\0\0" + zlib.compress(words.encode())  # compressed, in no language, under no other keyword
    parts = [whole for kind, whole in _chunks(png) if kind != b"iTXt"]
    return b"".join([SIGNATURE, parts[0], chunk(b"iTXt", text), *parts[1:]])


def height_of(png: bytes) -> int:
    """In pixels."""
    return int(struct.unpack(">I", png[len(SIGNATURE) + 12 : len(SIGNATURE) + 16])[0])


def words_in(png: bytes) -> str:
    """The words; "" where there are none."""
    for kind, whole in _chunks(png):
        if kind == b"iTXt":
            return zlib.decompress(whole[8:-4].split(b"\0", 1)[1][4:]).decode()
    return ""


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at : at + 12 + length]
        at += 12 + length


def chunk(kind: bytes, data: bytes) -> bytes:
    """One part of a PNG as it stands in the file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
