"""A creation's element of a plan, as plain values, into a short record and that into the change: most of a large plan."""

from __future__ import annotations

from typing import Any

from reconciler.errors import Place
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.plan import Action, Change
from reconciler.plan.convert import paths_of

Record = list[Any]
"""Address, body as canonical JSON, paths that were written as JSON, place, risks."""


def record_of(read: dict[str, Any]) -> Record | None:
    """None for what is no plain creation of the right form, which may still be a change of another sort.

    Only what a creation has of its own is looked at: that everything else is as in any creation shows when the change is
    written again, to the byte.
    """
    try:
        address, body, explicit = read["address"], read["change"]["after"], canonical(read["explicit"])
        source, risks = read["source"], read["risks"]
        place = source and [source["file"], source["line"], source["column"]]
    except (KeyError, TypeError):
        return None
    fits = (
        read.get("action") == "create"
        and type(address) is str
        and type(body) is dict
        and (place is None or (type(place) is list and _is_place(*place)))
        and type(risks) is list
        and all(type(risk) is str for risk in risks)
    )
    return [address, canonical(body), explicit, place, risks] if fits else None


def _is_place(file: Any, line: Any, column: Any) -> bool:
    return type(file) is str and type(line) in _NUMBER and type(column) in _NUMBER


_NUMBER = {int, type(None)}


def change_of(record: Record) -> Change:
    """Raises ValueError for what is no address, or no paths."""
    address, text, explicit, place, risks = record
    return Change(
        Address.parse(address),
        Action.CREATE,
        None,
        text,
        explicit=paths_of(explicit),
        source=Place(*place) if place else None,
        risks=tuple(risks),
    )
