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
        if names and values.keys() >= {*names} and filled(segment, values, body) in {"", ".", ".."}:
            for name in names:
                yield Unfit(name, "expected a value that fills its part of the path: not empty, `.` or `..`")
    for said in body["headers"].values():
        match = NAME.fullmatch(written(said))
        if match and match[1] in values and not _fits_header(joined(body, match[1], values[match[1]])):
            yield Unfit(match[1], "expected ASCII characters without controls, for a header")
    for name, value in values.items():
        separator = separator_of(body, name)
        if separator and isinstance(value, list) and any(separator in word(item) for item in value):
            yield Unfit(name, f"expected items without `{separator}`, which stands between them")


def filled(segment: str, values: Mapping[str, Any], body: Body) -> str:
    """Return a segment of a path with each value encoded, so that it can't end the segment."""
    return NAME.sub(lambda match: _encoded(body, match[1], values[match[1]]), segment)


def _encoded(body: Body, name: str, value: Any) -> str:
    if isinstance(value, list):
        return (separator_of(body, name) or ",").join(quote(word(item), safe="") for item in value)
    return quote(word(value), safe="")


def written(said: Any) -> str:
    """Return a value of `query` or `headers` as text: `{plain: …}` says that it is no secret."""
    text: str = said["plain"] if isinstance(said, Mapping) else said
    return text


def separator_of(body: Body, name: str) -> str | None:
    """Return what stands between the items of an array that is sent as one value."""
    found: str | None = body["parameters"].get(name, {}).get("separator")
    return found


def joined(body: Body, name: str, value: Any) -> str:
    """Return a value as one text, the items of an array with its separator between them."""
    if isinstance(value, list):
        return (separator_of(body, name) or ",").join(map(word, value))
    return word(value)


def word(value: Any) -> str:
    """Return a value as a request writes it; null is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _fits_header(text: str) -> bool:
    return text.isascii() and not _CONTROL.search(text)
