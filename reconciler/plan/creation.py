"""A creation's element of a plan, as plain values, into a short record and that into the change: most of a large plan."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.body import canonical, digest_of_text
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


def record_from(change: Change) -> Record | None:
    """The same of a change; None for what is no plain creation."""
    if (
        change.action is not Action.CREATE
        or change.new is None
        or change
        != Change(
            change.address,
            Action.CREATE,
            None,
            change.new,
            explicit=change.explicit,
            source=change.source,
            risks=change.risks,
        )
    ):
        return None
    source = change.source
    place = [source.file, source.line, source.column] if source else None
    return [str(change.address), change.new_text, _paths(change.explicit), place, [*change.risks]]


@lru_cache(maxsize=4096)
def _paths(paths: tuple[Path, ...]) -> str:
    return canonical(paths)


def _is_place(file: Any, line: Any, column: Any) -> bool:
    return type(file) is str and type(line) in _NUMBER and type(column) in _NUMBER


_NUMBER = {int, type(None)}


def written(record: Record) -> bytes:
    """What ``change_document`` makes of the change, as canonical JSON: it differs between creations in these few places."""
    address, text, explicit, place, risks = record
    tenant, kind, name = address.split("/")
    source = b"null" if place is None else _place(place)
    return b"".join(
        (
            b'{"action":"create","action_reason":"","address":"',
            address.encode(),
            b'","adopted_from":null,"after_digest":"',
            digest_of_text(text).encode(),
            b'","before_digest":null,"cause":"configuration","change":{"actions":["create"],"after":',
            text.encode(),
            b',"before":null},"explicit":',
            explicit.encode(),
            b',"fields":[],"mode":"managed","name":"',
            name.encode(),
            b'","outside":null,"previous_address":null,"restored_uid":null,"risks":',
            orjson.dumps(risks) if risks else b"[]",
            b',"row_version":null,"source":',
            source,
            b',"tenant":"',
            tenant.encode(),
            b'","type":"',
            kind.encode(),
            b'","uid":null,"unchanged_fields":0}',
        )
    )


def _place(place: list[Any]) -> bytes:
    file, line, column = place
    return b'{"column":%b,"file":%b,"line":%b}' % (orjson.dumps(column), orjson.dumps(file), orjson.dumps(line))


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
