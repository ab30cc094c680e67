"""Judges of single values, for the ``by`` of a ``Risk``: a value before and a value after in, whether there is a risk out.

They may raise what Python raises for a value of the wrong type: somebody may have written it into the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import SplitResult, urlsplit

from reconciler.model.body import canonical, same
from reconciler.model.risk import ABSENT, Judge
from reconciler.model.secret_ref import references_in
from reconciler.patterns import regex


def other_host(before: Any, after: Any) -> bool:
    """Another scheme, user, host or port in a URL."""
    if before is ABSENT and after is ABSENT:
        return False
    return host_of(before or "") != host_of(after or "")


def host_of(value: Any) -> str:
    """Return a URL's scheme, user, host and port; any other value as a text."""
    with suppress(ValueError):
        url = urlsplit(value) if isinstance(value, str) else None
        if url and url.netloc:
            return f"{url.scheme}://{url.netloc}"
    return canonical({"": value})


_VERSION = regex(r"v[0-9]+(?:\.[0-9]+)*(?:(?:alpha|beta|preview)[0-9]*)?\Z")


def other_path(before: Any, after: Any) -> bool:
    """Another path or query on the same host, but for the number of a version: `/v1` and `/v2` are one API."""
    if before is ABSENT or after is ABSENT or other_host(before, after):
        return False
    return _route(urlsplit(str(before))) != _route(urlsplit(str(after)))


def _route(url: SplitResult) -> tuple[object, ...]:
    steps = url.path.rstrip("/").split("/")
    return ["v" if _VERSION.match(step) else step for step in steps], url.query, url.fragment


PLACES = frozenset(
    [
        "account",
        "address",
        "broker",
        "endpoint",
        "host",
        "hostaddr",
        "port",
        "proxy",
        "server",
        "service",
        "socket",
        "uri",
        "url",
    ]
)
"""Words in the names of options that say where a driver connects."""
PROTECTIONS = frozenset(["cert", "certificate", "encrypt", "insecure", "ssl", "sslmode", "tls", "trust", "verify"])
"""Words in the names of options that say how a connection is protected."""


def differs_in(words: Set[str]) -> Judge:
    """Return a judge of a map of free values, about the entries in whose names one of the words stands, at any depth."""

    def entries(value: Any, path: str = "", named: bool = False) -> Iterator[tuple[str, Any]]:
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inner, Mapping) and (inner or not named):
            for key, item in inner.items():
                yield from entries(item, f"{path}/{key}", named or not words.isdisjoint(_words(str(key))))
        elif named:
            yield path, value

    return lambda before, after: not same(dict(entries(before)), dict(entries(after)))


def _words(key: str) -> Iterator[str]:
    """Yield the parts of `sslMode`, `ssl_mode` or `ssl-mode`, and the whole."""
    yield key.lower()
    yield from (word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", key))


def grown(empty_is_all: bool) -> Judge:
    """Return a judge of a list, or of a map by its keys, of what is allowed; empty allows everything, or nothing."""

    def judge(before: Any, after: Any) -> bool:
        old, new = ({*map(str, value or ())} for value in (before, after))
        if empty_is_all and (not old or not new):
            return bool(old) and not new
        return bool(new - old)

    return judge


def other_scopes(before: Any, after: Any) -> bool:
    """Whether there is another scope, or none any more: then the server chooses them."""
    old, new = ({*map(str, value or ())} for value in (before, after))
    return bool(new - old) or (bool(old) and not new)


def becomes(value: Any) -> Judge:
    """Return a judge that finds a risk in any other value, and in exactly this one where there was none."""
    return lambda before, after: same(after, value) if before is ABSENT else not same(before, after)


_BOUNDS = ("enum", "from", "max", "max_length", "min", "pattern")


def loses_bounds(before: Any, after: Any) -> bool:
    """Whether an entry of a map that bounded what a caller may give is gone: under another name it may be free."""
    gone = [one for name, one in (before or {}).items() if name not in (after or {})]
    return any(one.get(bound) is not None for one in gone for bound in _BOUNDS)


def leaves_value(value: Any) -> Judge:
    """Return a judge that finds a risk where exactly this value is given up."""
    return lambda before, after: before is not ABSENT and same(before, value) and not same(after, value)


def takes_value(value: Any) -> Judge:
    """Return a judge that finds a risk where exactly this value is new."""
    return lambda _before, after: same(after, value)


def set_before(before: Any, after: Any) -> bool:
    """Whether a condition that was there is another one or gone."""
    return before is not ABSENT and bool(before != after)


def appears(before: Any, after: Any) -> bool:
    """Whether there is a value where there was none."""
    return before is ABSENT and after is not ABSENT


def vanishes(before: Any, after: Any) -> bool:
    """No value where there was one."""
    return before is not ABSENT and after is ABSENT


def raised(before: Any, after: Any) -> bool:
    """Whether an upper bound is higher, or gone."""
    return before != after and (after is ABSENT or (before is not ABSENT and _number(after) > _number(before)))


def lowered(before: Any, after: Any) -> bool:
    """Whether an upper bound is lower, or new."""
    return bool(before != after) and not raised(before, after)


def floor_lowered(before: Any, after: Any) -> bool:
    """Whether a lower bound is lower, or gone."""
    return before != after and (after is ABSENT or (before is not ABSENT and _number(after) < _number(before)))


def sinks(order: Sequence[str], absent: str | None = None) -> Judge:
    """Return a judge of words on a scale, weakest first; no word is below all, or stands for ``absent``."""

    def rank(value: Any) -> int:
        word = absent if value is ABSENT else value
        return order.index(word) if word in order else -1

    return lambda before, after: rank(after) < rank(before)


def other_references(before: Any, after: Any) -> bool:
    """Another reference to a secret, one more or one less, wherever in the value it stands."""
    return {*references_in({"value": before})} != {*references_in({"value": after})}


def _number(value: Any) -> Decimal:
    return Decimal(str(value))
