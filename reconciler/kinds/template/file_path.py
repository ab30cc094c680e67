"""Paths of files: what a template may write down, what values make of it, and what a datasource covers.

A path is a list of segments. No segment is empty, `.` or `..`, and none holds a slash, a backslash or an invisible character, so that
no value leads out of the folder of the datasource, whatever the store makes of a name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from reconciler.kinds.template.http_values import NAME, word
from reconciler.model.body import Body
from reconciler.model.target import Unfit

Segments: TypeAlias = tuple[str, ...]
LONGEST = 255
"""Bytes of a segment: what file systems take."""
MOST_BYTES = 1024
"""Of a whole path: what S3 and GCS take, Azure the same in characters."""
PART = ".reconciler-"
"""Begins the name of a file that is being written: nobody lists, reads or names one."""
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
"""A media type without parameters (RFC 6838)."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
FILLS = "expected a value that makes one name: not empty, `.` or `..`, without `/`, `\\` and invisible characters"


def is_segment(text: str) -> bool:
    """Whether a text is the name of one file or folder."""
    if text in {"", ".", ".."} or "/" in text or "\\" in text or text.startswith(PART):
        return False
    if any(unicodedata.category(one) in _UNSEEN for one in text):
        return False
    return len(text.encode()) <= LONGEST


def folder_of(prefix: str | None) -> Segments | None:
    """Return the segments of a datasource's prefix, which may begin and end with a slash; None for one that is no folder."""
    found = tuple((prefix or "").strip("/").split("/")) if (prefix or "").strip("/") else ()
    return found if all(map(is_segment, found)) else None


def filled(path: str | None, values: Mapping[str, Any]) -> Segments:
    """Return the segments of a template's path with its values in them, unjudged."""
    return tuple(NAME.sub(lambda match: word(values[match[1]]), one) for one in path.split("/")) if path else ()


def unfit(body: Body, _connector: Body, values: Mapping[str, Any]) -> Iterator[Unfit]:
    """Yield those of some values that make no name; a segment that needs others too is left out."""
    known = True
    for segment in (body.get("path") or "").split("/"):
        names = NAME.findall(segment)
        if not values.keys() >= {*names}:
            known = False
        elif names and not _makes_name(segment, [*names], values):
            yield from (Unfit(name, FILLS) for name in dict.fromkeys(names))
    if known and len("/".join(filled(body.get("path"), values)).encode(errors="replace")) > MOST_BYTES:
        for name in dict.fromkeys(NAME.findall(body["path"])):
            yield Unfit(name, "expected a shorter value: the whole path is longer than stores take")


def _makes_name(segment: str, names: Sequence[str], values: Mapping[str, Any]) -> bool:
    """Whether each value is a text without slashes of its own, and all of them make one name."""
    words = [word(values[name]) for name in names]
    (made,) = filled(segment, values)
    return all(words) and not any(mark in one for one in words for mark in "/\\") and is_segment(made)


def covers(listed: Sequence[str], path: Segments) -> bool:
    """Whether one of a datasource's patterns covers a path; none at all cover every one.

    `*` and `?` stand for text in one name, `**` for any number of names.
    """
    return not listed or any(_covers(tuple(one.strip("/").split("/")), path) for one in listed)


def _covers(pattern: Segments, path: Segments) -> bool:
    # the usual walk with one way back: no pattern takes more than its length times the path's
    at = here = 0
    back: tuple[int, int] | None = None
    while here < len(path):
        if at < len(pattern) and pattern[at] == "**":
            back = (at, here)
            at += 1
        elif at < len(pattern) and fnmatchcase(path[here], pattern[at]):
            at, here = at + 1, here + 1
        elif back is not None:
            back = (back[0], back[1] + 1)
            at, here = back[0] + 1, back[1]
        else:
            return False
    return all(one == "**" for one in pattern[at:])


def extent(datasource: Body) -> tuple[Segments | None, tuple[str, ...]]:
    """Return the folder that a datasource is, None for one that is no folder, and the patterns of the files that it lists.

    A collection of a datasource of documents is a folder.
    """
    if datasource["type"] == "document":
        return (), tuple(f"{one.strip('/')}/**" for one in datasource.get("collections") or ())
    return folder_of(datasource.get("prefix")), tuple(datasource.get("paths") or ())
