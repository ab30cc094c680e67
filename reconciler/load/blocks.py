"""Read the documents of a chunk, where what stands below a name is read once for all equal texts.

Tenants mostly have the same resources with other names, and reading YAML is a good part of what loading costs. A chunk is
cut at the lines that begin an entry. Unknown texts are read, in one piece, by the reader of whole files, and remembered
if the cut proves right: exactly the names that it found come back. Where one line may change the meaning of another
(anchors, merges, an open quote), the cut is given up. docs/decisions/0034 says what it saves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from msgspec import Struct, field

from reconciler.kinds.accept import BodyText, written
from reconciler.load.documents import Document, read_documents
from reconciler.load.secret_values import is_suspect
from reconciler.model.secret_text import SHORTEST_KEY, secrets_in
from reconciler.remembered import LARGEST

MOST = 8192
"""Texts that are remembered: equal ones mostly stand near each other."""
TRIED = 1000
"""Entries after which it shows whether tenants are alike; where fewer than a quarter were known, cutting costs more."""
_BINDING = (b"&", b"<<", b"\t", b"\r", b"\n%", b"\n...")
"""Signs by which one line may change the meaning of another, or end in another way."""
_INDENT = re.compile(rb"\n( {1,8})[^ \n#]")
_NO_VALUE = re.compile(rb" *(?:#[^\n]*)?(?:\n *(?:#[^\n]*)?)*")
_COMMENTS = re.compile(rb"(?:\n *(?:#[^\n]*)?)*")
_MARKER = re.compile(rb"\n--- *(?:\n *(?:#[^\n]*)?)*")


class _Meaning(NamedTuple):
    """A value, its size as ``Document.size`` counts it, whether it holds variables, and whether something in it may be a secret.

    ``text`` is the value as ``accept`` knows it.
    """

    value: Any
    size: int
    varies: bool
    is_suspect: bool = False
    text: BodyText | None = None


class _Entry(Struct):
    """``start`` is where its line begins, ``text`` what stands behind its name."""

    name: str
    line: int
    start: int
    text: bytes
    meaning: _Meaning | None


class _Section(Struct):
    """A key of the first level: with entries, or with a value that begins on its line."""

    key: str
    whole: bytes
    has_value: bool
    entries: dict[str, _Entry] = field(default_factory=dict)


class Alike:
    """The texts that one load has read, by their indent."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], _Meaning] = {}
        self._met = self._entries = 0

    def read(self, data: bytes, file: str) -> list[Document] | None:
        """Return what ``read_documents`` gives where it reports nothing; None where the text has to be read as a whole."""
        if self._entries > TRIED and self._met * 4 < self._entries:
            return None
        if (
            not data.isascii()
            or not data.endswith(b"\n")
            or data[:1] in b"%."
            or any(sign in data for sign in _BINDING)
        ):
            return None
        found = _INDENT.search(data)
        if found is None:
            return None
        indent = len(found[1])
        cut = _cut(data, indent, self._known)
        if cut is None:
            return None
        read, problems = read_documents(b"".join(_unknown(b"\n" + data, cut)), file)
        if problems or len(read) != len(cut):
            return None
        entries = [entry for sections in cut for section in sections for entry in section.entries.values()]
        self._entries += len(entries)
        self._met += sum(entry.meaning is not None for entry in entries)
        if not all(self._learn(sections, document.value, indent) for sections, document in zip(cut, read, strict=True)):
            return None
        return [_document(sections, document, indent) for sections, document in zip(cut, read, strict=True)]

    def _learn(self, sections: list[_Section], value: Any, indent: int) -> bool:
        """Return whether the sections and entries of the cut are those that were read; if so, remember their meanings."""
        unknown = {
            section.key: None if section.has_value else [e for e in section.entries.values() if e.meaning is None]
            for section in sections
            if section.has_value or any(entry.meaning is None for entry in section.entries.values())
        }
        if type(value) is not dict or [*value] != [*unknown]:
            return False
        for key, entries in unknown.items():
            if entries is None and type(value[key]) is dict:
                return False  # entries on one line
            if entries is not None and (type(value[key]) is not dict or [*value[key]] != [e.name for e in entries]):
                return False
        for key, entries in unknown.items():
            for entry in entries or ():
                entry.meaning = _whole_meaning(entry.name, value[key][entry.name])
                if len(entry.text) <= LARGEST:
                    if len(self._known) >= MOST:
                        self._known.clear()
                    self._known[indent, entry.text] = entry.meaning
        return True


def _whole_meaning(name: str, value: Any) -> _Meaning:
    found = _meaning(value)
    text = None if found.varies else written(value)
    return found._replace(is_suspect=is_suspect({name: value}), text=text)


@cache
def _lines(indent: int) -> re.Pattern[bytes]:
    """Return the beginnings of lines with so many spaces or fewer; those of comments end nothing."""
    return re.compile(rb"\n( {0,%d})(?=[^ \n#])(?:([a-z0-9][a-z0-9_-]*):(?=[ \n]))?" % indent)


def _cut(data: bytes, indent: int, known: Mapping[tuple[int, bytes], _Meaning]) -> list[list[_Section]] | None:
    """Return the sections of each document; None for what is not made of names and what stands below them."""
    data = b"\n" + data
    lines = [*_lines(indent).finditer(data)]
    if not lines or not _COMMENTS.fullmatch(data, 0, lines[0].start()):
        return None
    ends = [*(line.start() for line in lines[1:]), len(data) - 1]
    documents: list[list[_Section]] = [[]]
    section: _Section | None = None
    number = at = 0
    for line, end in zip(lines, ends, strict=True):
        start, name = line.start(), line[2]
        number += data.count(b"\n", at, start + 1)
        at = start + 1
        if name is None:
            if not _MARKER.fullmatch(data, start, end):
                return None
            if line is not lines[0]:
                documents.append([])
            section = None
        elif not line[1]:
            section = _Section(name.decode(), data[start:end], not _NO_VALUE.fullmatch(data, line.end(), end))
            documents[-1].append(section)
        elif section is None or section.has_value or len(line[1]) != indent:
            return None
        else:
            text, key = data[line.end() : end], name.decode()
            if key in section.entries:
                return None
            section.entries[key] = _Entry(key, number, start, text, known.get((indent, text)))
    return documents if all(map(_is_whole, documents)) else None


def _is_whole(sections: list[_Section]) -> bool:
    """Whether each has a name of its own, and something to say."""
    return len({one.key for one in sections}) == len(sections) and all(s.has_value or s.entries for s in sections)


def _unknown(data: bytes, cut: list[list[_Section]]) -> Iterator[bytes]:
    """Yield the text without what is known; where nothing is, all of it but for comments at its beginning."""
    for sections in cut:
        yield b"\n---"
        for section in sections:
            unknown = [entry for entry in section.entries.values() if entry.meaning is None]
            if section.has_value or unknown:
                yield section.whole
            for entry in unknown:
                yield data[entry.start : data.index(b":", entry.start) + 1] + entry.text
    yield b"\n"


def _meaning(value: Any) -> _Meaning:
    parts: list[Any] = []
    if type(value) is dict:
        parts = [*value, *value.values()]
    elif type(value) is list:
        parts = value
    elif type(value) is str:
        return _Meaning(value, 1, "${" in value)
    found = [_meaning(part) for part in parts]
    return _Meaning(value, 1 + sum(one.size for one in found), any(one.varies for one in found))


def _document(sections: list[_Section], read: Document, indent: int) -> Document:
    value: dict[str, Any] = {}
    places: dict[tuple[str, str], tuple[int, int]] = {}
    plain: dict[tuple[str, str], BodyText | None] = {}
    size, varies, suspect = 1, read.has_variables, False
    for section in sections:
        if section.has_value:
            value[section.key] = read.value[section.key]
            size += 1 + _meaning(value[section.key]).size
            suspect = suspect or is_suspect({section.key: value[section.key]})
            continue
        value[section.key] = below = {}
        size += 2
        for entry in section.entries.values():
            assert entry.meaning is not None
            below[entry.name], more, variable, is_suspected, text = entry.meaning
            suspect = suspect or is_suspected or (len(entry.name) >= SHORTEST_KEY and bool(secrets_in(entry.name)))
            places[section.key, entry.name] = (entry.line, indent + 1)
            size += 1 + more
            if variable:
                varies = True
            else:
                plain[section.key, entry.name] = text
    return Document(read.file, read.index, value, places, varies, size, plain, not suspect)
