"""Values of a template's request: written into its path, and those that a path or a header can't carry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from reconciler.model.body import Body
from reconciler.model.target import Unfit

NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def unfit(body: Body, _connector: Body, values: Mapping[str, Any]) -> Iterator[Unfit]:
    """Yield those of some values that the request can't carry; a part of the path that needs others too is left out."""
    for segment in body["path"].split("/")[1:]:
        names = NAME.findall(segment)
        if names and values.keys() >= {*names} and filled(segment, values) in {"", ".", ".."}:
            for name in names:
                yield Unfit(name, "expected a value that fills its part of the path: not empty, `.` or `..`")
    for text in body["headers"].values():
        match = NAME.fullmatch(text)
        if match and match[1] in values and not _fits_header(word(values[match[1]])):
            yield Unfit(match[1], "expected ASCII characters without controls, for a header")


def filled(segment: str, values: Mapping[str, Any]) -> str:
    """Return a segment of a path with each value encoded, so that it can't end the segment."""
    return NAME.sub(lambda match: quote(word(values[match[1]]), safe=""), segment)


def word(value: Any) -> str:
    """Return a value as a request writes it; null is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _fits_header(text: str) -> bool:
    return text.isascii() and not _CONTROL.search(text)
