"""Judges of single values, for the ``by`` of a ``Risk``: a value before and a value after in, whether there is a risk out.

They may raise what Python raises for a value of the wrong type: somebody may have written it into the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from reconciler.model.body import same
from reconciler.model.risk import ABSENT, Judge
from reconciler.model.secret_ref import references_in


def other_host(before: Any, after: Any) -> bool:
    """Another host, port or scheme in a URL; another path on the same host is no risk."""
    if before is ABSENT and after is ABSENT:
        return False
    one, other = (urlsplit(str(value or "")) for value in (before, after))
    return (one.scheme, one.netloc) != (other.scheme, other.netloc)


def grown(empty_is_all: bool) -> Judge:
    """Return a judge of a list, or of a map by its keys, of what is allowed; empty allows everything, or nothing."""

    def judge(before: Any, after: Any) -> bool:
        old, new = ({*map(str, value or ())} for value in (before, after))
        if empty_is_all and (not old or not new):
            return bool(old) and not new
        return bool(new - old)

    return judge


def other_scopes(before: Any, after: Any) -> bool:
    """A scope more, or none any more: then the server chooses them."""
    old, new = ({*map(str, value or ())} for value in (before, after))
    return bool(new - old) or (bool(old) and not new)


def becomes(value: Any) -> Judge:
    """Return a judge that finds a risk in any other value, and in exactly this one where there was none."""
    return lambda before, after: same(after, value) if before is ABSENT else not same(before, after)


_BOUNDS = ("enum", "from", "max", "max_length", "min", "pattern")


def loses_bounds(before: Any, after: Any) -> bool:
    """An entry of a map that is gone and bounded what a caller may give: under another name it may be free."""
    gone = [one for name, one in (before or {}).items() if name not in (after or {})]
    return any(one.get(bound) is not None for one in gone for bound in _BOUNDS)


def leaves_value(value: Any) -> Judge:
    """Return a judge that finds a risk where exactly this value is given up."""
    return lambda before, after: before is not ABSENT and same(before, value) and not same(after, value)


def set_before(before: Any, after: Any) -> bool:
    """A condition that was there, and is another one or gone."""
    return before is not ABSENT and bool(before != after)


def appears(before: Any, after: Any) -> bool:
    """A value where there was none."""
    return before is ABSENT and after is not ABSENT


def raised(before: Any, after: Any) -> bool:
    """An upper bound that is higher, or gone."""
    return before != after and (after is ABSENT or (before is not ABSENT and _number(after) > _number(before)))


def lowered(before: Any, after: Any) -> bool:
    """An upper bound that is lower, or new."""
    return bool(before != after) and not raised(before, after)


def floor_lowered(before: Any, after: Any) -> bool:
    """A lower bound that is lower, or gone."""
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
