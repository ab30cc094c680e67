"""Find the texts of YAML documents that look like secrets, keys and values alike: the one place where a tree is walked for them.

An author allows one with ``# reconciler: not-a-secret`` on its line or on a line of its own above, or with ``{plain: …}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from reconciler.errors import Path, Problem
from reconciler.kinds.table import BY_PLURAL
from reconciler.load.comments import comment_column
from reconciler.load.documents import Document
from reconciler.load.source import Source
from reconciler.model.address import is_name
from reconciler.model.secret_text import SHORTEST, SHORTEST_KEY, holds_secret, secret_arguments, secrets_in

ALLOWANCE = "# reconciler: not-a-secret"
CODE: Literal["secret-in-value"] = "secret-in-value"
_ALLOWED = re.compile(r"#\s*reconciler:\s*not-a-secret\b")
_SAME = frozenset({"plaintext-secret", "url-with-credentials", "invalid-url"})
"""Codes that say of a value already that it is a secret, or, of a URL, that its query does not belong there."""
HINT = (
    f"keep it elsewhere and write a reference (docs/secrets.md); if it is public, write `{ALLOWANCE}` on its line. "
    "What was committed has to be rotated"
)


class Suspect(NamedTuple):
    """A text that looks like a secret: its path in the document, whether it is a key, and what it looks like."""

    path: Path
    on_key: bool
    what: str


def suspects_in(value: Any) -> Iterator[Suspect]:
    """Yield every suspect of a tree; what an alias repeats, once."""
    seen: set[int] = set()
    stack: list[tuple[Path, Any]] = [((), [value])]  # a list, so that a document may be one text
    while stack:
        path, value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        is_map = type(value) is dict
        if is_map and len(value) == 1 and type(value.get("plain")) is str:
            continue
        name = ""
        if not is_map:
            yield from _among_arguments(value, path[1:])
            name = _name_above(path)
        entries: Iterable[tuple[Any, Any]] = value.items() if is_map else enumerate(value)
        for key, item in entries:
            if is_map:
                name = key
                if len(key) >= SHORTEST_KEY and (found := secrets_in(key)):
                    yield Suspect((*path[1:], key), True, found[0].what)
            kind = type(item)
            if kind is str:
                if len(item) >= SHORTEST and (one := holds_secret(name, item)):
                    yield Suspect((*path, key)[1:], False, one.what)
            elif kind is dict or kind is list:
                stack.append(((*path, key), item))


def _name_above(path: Path) -> str:
    """Return the name that the items of a list stand under."""
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _among_arguments(items: list[Any], path: Path) -> Iterator[Suspect]:
    """Yield what only its place among a program's arguments makes a secret: ``--token x``, ``--env=TOKEN=x``."""
    if any(isinstance(item, str) and item[:1] == "-" for item in items):
        for at in secret_arguments(items):
            if not holds_secret("", items[at]):
                yield Suspect((*path, at), False, "the value of an argument that names a secret")


def is_suspect(value: Any) -> bool:
    """Whether anything in a tree looks like a secret, allowed or not."""
    return next(suspects_in(value), None) is not None


def secret_problems(source: Source, document: Document, tenant: str = "") -> Iterator[Problem]:
    """Yield a problem for each suspect that nobody allowed, with its place; ``tenant`` is the first of the document's."""
    if document.is_harmless:
        return
    for suspect in suspects_in(document.value):
        if _is_allowed(source, document.index, suspect):
            continue
        address, path = _address(suspect.path, tenant)
        what = "this key" if suspect.on_key else "this value"
        message = f"{what} looks like a secret: {suspect.what}"
        problem = Problem(CODE, message, address, path, hint=HINT, on_key=suspect.on_key)
        yield source.locate(problem, document.index, suspect.path, lambda _path: False)


def _address(path: Path, tenant: str) -> tuple[str | None, Path]:
    """Return the resource that a path of a document belongs to, and what of the path is below it."""
    kind = BY_PLURAL.get(str(path[0])) if path else None
    if kind is None or len(path) < 2 or not tenant or not is_name(path[1]):
        return None, path
    return f"{tenant}/{kind.name}/{path[1]}", path[2:]


def _is_allowed(source: Source, index: int, suspect: Suspect) -> bool:
    """Whether a comment says so: on a line of the key or the value, or on lines of comments right above."""
    positions = source.positions(index)
    first, last = positions.lines_of(suspect.path)
    for number in {first, last, positions.nearest(suspect.path).line}:
        line = source.lines[number - 1] if number <= len(source.lines) else ""
        column = comment_column(line, number, positions) if _ALLOWED.search(line) else None
        if column is not None and _ALLOWED.match(line, column):
            return True
    above = first - 1
    while above > 0 and source.lines[above - 1].lstrip().startswith("#"):
        if _ALLOWED.match(source.lines[above - 1].lstrip()):
            return True
        above -= 1
    return False


def without_doubles(problems: Iterable[Problem]) -> list[Problem]:
    """Leave out what another judge has reported as a secret already, at the same place or at one around it."""
    found = [*problems]
    others = [one for one in found if one.code in _SAME]
    known, places = {_spot(one, one.path) for one in others}, {one.place for one in others}

    def is_double(one: Problem) -> bool:
        above = (one.path[:length] for length in range(len(one.path) + 1))
        return one.code == CODE and (one.place in places or any(_spot(one, path) in known for path in above))

    return [one for one in found if not is_double(one)]


def _spot(problem: Problem, path: Path) -> tuple[str, str, Path]:
    """Of any tenant: of a document for several the first is named."""
    return problem.place.file if problem.place else "", (problem.address or "").partition("/")[2], path
