"""Bodies of requests in the form of a web page: names with values, and brackets for what stands inside each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from reconciler.kinds.template.http_values import word

FORM = "application/x-www-form-urlencoded"


class NoForm(ValueError):
    """A body that its encoding can't carry; the text says why."""


def form_of(body: Any, encoding: str) -> bytes:
    """Return a body as `application/x-www-form-urlencoded`. Raises NoForm.

    `form` repeats a list's name for each item; `brackets` writes `a[0]=x` for lists and `a[b]=x` for maps, as Stripe reads
    them. Null is left out.
    """
    if not isinstance(body, dict):
        raise NoForm("expected a map: only a map has names to send")
    pairs = [pair for name, value in body.items() for pair in _pairs(name, value, encoding == "brackets")]
    return urlencode(pairs).encode()


def _pairs(name: str, value: Any, has_brackets: bool) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, dict | list) and has_brackets:
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in inner:
            if "[" in str(key) or "]" in str(key):
                raise NoForm("a name with brackets can't be told from what stands inside another")
            yield from _pairs(f"{name}[{key}]", item, has_brackets)
    elif isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        yield from ((name, word(item)) for item in value if item is not None)
    elif isinstance(value, dict | list):
        raise NoForm("a form has names with values, and lists of values; nothing stands inside another")
    else:
        yield name, word(value)
