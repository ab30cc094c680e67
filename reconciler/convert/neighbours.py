"""Files of one folder that a description refers to by `$ref`, read within bounds; nothing outside of the folder is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from posixpath import dirname, join, normpath
from typing import Any
from urllib.parse import unquote

from reconciler.convert.reading import read_one
from reconciler.load.source import Source

MAX_FILES = 200
_SUFFIXES = (".json", ".yaml", ".yml")


def neighbours(source: Source) -> dict[str, Source]:
    """Return the files that an input refers to, and those that these refer to, by their paths from its folder."""
    file = FilePath(source.path)
    if not source.documents or not file.is_file():
        return {}
    folder, found = file.parent.resolve(), {file.name: source}
    waiting = [file.name]
    while waiting:
        name = waiting.pop(0)
        for reference in _references(found[name].documents[0].value):
            wanted = normpath(join(dirname(name), unquote(reference.partition("#")[0])))
            if (
                wanted in found
                or len(found) > MAX_FILES
                or not wanted.endswith(_SUFFIXES)
                or wanted.startswith(("..", "/"))
            ):
                continue
            one = _inside(folder, wanted)
            if one is not None and one.documents:
                found[wanted] = one
                waiting.append(wanted)
    del found[file.name]
    return found


def _inside(folder: FilePath, name: str) -> Source | None:
    """Return a file of the folder, read; None for one that leads out of it, or that can't be read."""
    path = (folder / name).resolve()
    return read_one(path) if path.is_relative_to(folder) and path.is_file() else None


def _references(value: Any) -> Iterator[str]:
    """Yield every `$ref` that names a file."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            reference = one.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#") and "://" not in reference:
                yield reference
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
