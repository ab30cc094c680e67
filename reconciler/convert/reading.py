"""A file of another tool turned into plain values within bounds; YAML by the project's own reader, JSON by a strict one."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

from reconciler.codes import Code
from reconciler.errors import ConfigurationInvalid, Place, Problem, Problems
from reconciler.load.documents import MAX_DEPTH, Document
from reconciler.load.source import Source, parse_source, read_stdin, shown_name

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 300_000


def read_inputs(names: tuple[str, ...]) -> list[Source]:
    """Read the files to convert; ``-`` is stdin. Raises ConfigurationInvalid with every problem of every file."""
    problems = Problems()
    sources = [_read(name, problems) for name in names]
    problems.raise_if_any()
    return [source for source in sources if source is not None]


def _read(name: str, problems: Problems) -> Source | None:
    before = len(problems.found)
    if name == "-":
        source: Source | None = read_stdin(problems)
    else:
        path = FilePath(name)
        shown = shown_name(path)
        data = _bytes(path, shown, problems)
        source = None if data is None else _parse(shown, data, problems, str(path))
    if source is None or len(problems.found) > before:
        return None
    if sum(map(_size, (document.value for document in source.documents))) > MAX_NODES:
        message = f"{source.name} holds more than {MAX_NODES} values, aliases included"
        problems.add(Problem("too-many-nodes", message, place=Place(source.name), hint="split it"))
        return None
    return source


def read_one(path: FilePath) -> Source | None:
    """Read a file that another one refers to; None if it can't be read."""
    source = _read(str(path), Problems())
    return source if source is not None and source.documents else None


def _bytes(path: FilePath, shown: str, problems: Problems) -> bytes | None:
    def refuse(code: Code, message: str) -> bytes | None:
        problems.add(Problem(code, message, place=Place(shown)))
        return None

    try:
        if not path.exists():
            return refuse("no-such-path", f"{shown} does not exist")
        if not path.is_file():  # a pipe may wait for ever, a device may never end
            return refuse("file-unreadable", f"{shown} is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return refuse("file-unreadable", f"can't read {shown}: {error.strerror}")
    if len(data) > MAX_BYTES:
        return refuse("file-too-large", f"{shown} is larger than {MAX_BYTES // 2**20} MiB")
    return data


def _parse(name: str, data: bytes, problems: Problems, path: str) -> Source | None:
    if not name.lower().endswith((".json", ".jsonc")) and not data.lstrip().startswith(b"{"):
        return parse_source(name, data, problems, path)
    try:
        value = json.loads(
            without_comments(data),
            object_pairs_hook=_unique,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse,
        )
        if _depth(value) > MAX_DEPTH:
            raise RecursionError
    except json.JSONDecodeError as error:
        place = Place(name, error.lineno, error.colno)
        problems.add(Problem("json-syntax", f"this is not JSON: {error.msg}", place=place))
    except RecursionError:
        problems.add(Problem("too-deep", f"more than {MAX_DEPTH} levels inside each other", place=Place(name)))
    except ValueError as error:  # also bytes that are no UTF-8; their text may hold values, ours doesn't
        message = str(error) if isinstance(error, _Refused) else "this is not JSON in UTF-8"
        problems.add(Problem("json-syntax", message, place=Place(name)))
    else:
        return Source(name, without_comments(data), [Document(name, 0, value, {}, False)], path)
    return None


_JSONC = re.compile(
    rb'"(?:\\.|[^"\\\n])*"|(?P<line>//[^\n]*)|(?P<block>/\*.*?\*/)|(?P<comma>,)(?=(?:\s|//[^\n]*\n|/\*.*?\*/)*[}\]])',
    re.DOTALL,
)


def without_comments(data: bytes) -> bytes:
    """Return JSON with spaces in place of comments and of commas behind the last item, which editors allow (JSONC)."""

    def blank(found: re.Match[bytes]) -> bytes:
        return found[0] if found.lastgroup is None else re.sub(rb"[^\n]", b" ", found[0])

    return _JSONC.sub(blank, data.removeprefix(b"\xef\xbb\xbf"))


class _Refused(ValueError):
    """Something that JSON allows, or Python's reader does, and nobody means."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("a key stands twice in one object")
    return found


def _decimal(text: str) -> Decimal:
    if len(text) > 60 or len(text.lower().partition("e")[2].lstrip("+-")) > 3:
        raise _Refused("a number is too large or too long")
    return Decimal(text)


def _integer(text: str) -> int:
    if len(text) > 26:
        raise _Refused("a number is too large or too long")
    return int(text)


def _refuse(_text: str) -> Any:
    raise _Refused("infinity and not-a-number are not JSON")


def _depth(value: Any) -> int:
    """How many maps and lists stand inside each other."""
    level, here = 0, [value]
    while here := [one for one in here if isinstance(one, dict | list)]:
        level += 1
        here = [item for one in here for item in (one.values() if isinstance(one, dict) else one)]
    return level


def _size(value: Any) -> int:
    """In values, each alias as often as it stands there; stops counting behind the bound."""
    count, waiting = 0, [value]
    while waiting and count <= MAX_NODES:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict | list):
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return count


def invalid(
    source: Source, code: Code, message: str, path: tuple[str | int, ...] = (), **more: Any
) -> ConfigurationInvalid:
    """Return an input that isn't of the format that was named."""
    index = int(path[0]) if path else 0
    place = source.place(index, path[1:]) if source.documents else Place(source.name)
    return ConfigurationInvalid(Problem(code, message, place=place, **more))
