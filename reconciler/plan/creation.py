"""A creation's element of a plan, as plain values, into a short record and that into the change: most of a large plan."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import Any

import orjson

from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.body import canonical, digest_of_text
from reconciler.model.plan import Action, Change
from reconciler.plan.convert import paths_of
from reconciler.remembered import remembered

Record = list[Any]
"""Address, body as canonical JSON, paths that were written as JSON, place, risks."""
_BETWEEN = (
    b'{"action":"create","action_reason":"","address":"',
    b'","adopted_from":null,"after_digest":"',
    b'","before_digest":null,"cause":"configuration","change":{"actions":["create"],"after":',
    b',"before":null},"explicit":',
    b',"fields":[],"mode":"managed","name":"',
    b'","outside":null,"previous_address":null,"restored_uid":null,"risks":',
    b',"row_version":null,"source":',
    b',"status":[],"tenant":"',
    b'","type":"',
    b'","uid":null,"unchanged_fields":0}',
)
"""What creations have in common, as canonical JSON: before, between and behind their own values."""
_NUMBER = rb"(null|0|[1-9][0-9]{0,8})"


def _pattern(*parts: bytes) -> re.Pattern[bytes]:
    """Texts of ours, as they are, between the forms of what may stand there."""
    return re.compile(b"".join(part if number % 2 else re.escape(part) for number, part in enumerate(parts)), re.DOTALL)


_HEAD = _pattern(_BETWEEN[0], rb"([a-z0-9/-]+)", _BETWEEN[1], rb"([0-9a-f]{32})", _BETWEEN[2])
_TAIL = _pattern(
    *(_BETWEEN[3], rb"(\[.*\])"),
    *(_BETWEEN[4], rb"([a-z0-9-]+)"),
    *(_BETWEEN[5], rb'(\[(?:"[a-z-]+"(?:,"[a-z-]+")*)?\])'),
    *(_BETWEEN[6], rb'(null|\{"column":%b,"file":("(?:[^"\\]|\\.)+"),"line":%b\})' % (_NUMBER, _NUMBER)),
    *(_BETWEEN[7], rb"([a-z0-9-]+)"),
    *(_BETWEEN[8], rb"([a-z-]+)"),
    _BETWEEN[9],
)
"""What stands before and behind a body. What has other values is read in the ordinary way."""


def record_of(text: bytes) -> Record | None:
    """Of the very bytes that ``written`` makes of it; None for all other bytes, which may still be a change.

    A body ends before the last text that may stand behind one: only bodies hold maps. It is found by looking for it, since a
    pattern over whole bodies could be made to try every end.
    """
    head, end = _HEAD.match(text), text.rfind(_BETWEEN[3])
    tail = _TAIL.fullmatch(text, end) if end >= 0 else None
    if head is None or tail is None:
        return None
    address, digest, body = *head.groups(), text[head.end() : end]
    explicit, name, risks, source, column, file, line, tenant, kind = tail.groups()
    if b"/".join((tenant, kind, name)) != address or not _is_canonical(explicit):
        return None
    if _digest(body) != digest.decode():
        return None
    if source == b"null":
        place = None
    elif _is_plain(file) or _is_canonical(file):
        place = orjson.loads(b"[%b,%b,%b]" % (file, line, column))
    else:
        return None
    return [address.decode(), body.decode(), explicit.decode(), place, orjson.loads(risks)]


def _is_plain(text: bytes) -> bool:
    """Whether a JSON text has one form only."""
    return text.isascii() and b"\\" not in text


def _is_canonical(text: bytes) -> bool:
    return _digest(text) != ""


@remembered(4096)
def _digest(text: bytes) -> str:
    """Nothing for what is no canonical JSON; tenants mostly have the same bodies."""
    try:
        return digest_of_text(text.decode()) if canonical(orjson.loads(text)).encode() == text else ""
    except (ValueError, TypeError):
        return ""


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


def written(record: Record) -> bytes:
    """What ``change_document`` makes of the change, as canonical JSON: it differs between creations in these few places."""
    address, text, explicit, place, risks = record
    tenant, kind, name = address.split("/")
    source = b"null" if place is None else _place(place)
    values = (
        address.encode(),
        digest_of_text(text).encode(),
        text.encode(),
        explicit.encode(),
        name.encode(),
        orjson.dumps(risks) if risks else b"[]",
        source,
        tenant.encode(),
        kind.encode(),
    )
    return b"".join(chain.from_iterable(zip(_BETWEEN, values, strict=False))) + _BETWEEN[-1]


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
