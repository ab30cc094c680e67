"""Cut the bytes of a YAML file between its documents into chunks, which are read and cached apart from each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b

from msgspec import Struct

SMALL = 64 * 1024
"""A file of fewer bytes stays whole."""
LEAST = 16 * 1024
"""Documents are put together until they have so many bytes: each chunk has its price too."""
_CUT = re.compile(rb"\n(?=---(?:[ \t\r\n]|\Z))")
_BOUND = re.compile(rb"[&]|\n(?:%|\.\.\.)|\A(?:\xef\xbb\xbf)?%|\r(?!\n)")
"""What keeps a file whole: anchors, directives, ends of documents, and lines that no line feed ends."""


class Chunk(Struct, frozen=True, dict=True):
    """Whole documents of one file, the ``before`` lines above them, and whether more documents follow.

    ``locks`` is the digest of the locks that its connectors may take definitions from.
    """

    file: str
    data: bytes
    before: int = 0
    is_followed: bool = False
    locks: bytes = b""

    @cached_property
    def key(self) -> str:
        """Equal for equal bytes and equal locks, wherever they stand."""
        return blake2b(self.data, digest_size=20, key=self.locks).hexdigest()

    @property
    def in_place(self) -> bytes:
        """The bytes with empty lines for those above, so that positions and problems are those of the whole file."""
        return b"\n" * self.before + self.data + (b"---\n" if self.is_followed else b"")


def chunks(file: str, data: bytes, locks: bytes = b"") -> Iterator[Chunk]:
    """Cut a file between its documents; yield at least one chunk, together they are the file.

    A marker of a document at the beginning of a line ends every scalar, so a cut before it changes no meaning: in a
    quoted text it is an error either way.
    """
    if len(data) < SMALL or _BOUND.search(data):
        yield Chunk(file, data, locks=locks)
        return
    start = lines = 0
    for cut in _CUT.finditer(data):
        if cut.end() - start < LEAST:
            continue
        part = data[start : cut.end()]
        yield Chunk(file, part, lines, True, locks)
        lines += part.count(b"\n")
        start = cut.end()
    yield Chunk(file, data[start:], lines, locks=locks)
