"""Freezes carried over: to a resource's next life, and to one that leaves a frozen name."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, text

from reconciler.model.status import Freeze, moment
from reconciler.store.pending import Pending
from reconciler.store.status_change import raise_counter, shown

KEPT_DAYS = 1
"""Lives are looked up for decisions that are pending, and no longer."""
_FREEZE = ", ".join(f"f.{name}" for name in Freeze._fields)


class Life(NamedTuple):
    """One resource across an apply: its uid before and after, and the names by which it can be frozen no longer."""

    tenant: str
    before: str
    after: str
    left: frozenset[str] = frozenset()


def carry(connection: Connection, lives: Iterable[Life]) -> None:
    """Keep frozen what is frozen, and record the lives for freezes that are made before this transaction ends."""
    listed = [*lives]
    if not listed:
        return
    counter = raise_counter(connection)  # first: a freeze that is being filed is waited for, and seen
    _record(connection, counter, listed)
    for freeze in carried(filed_freezes(connection), listed):
        insert(connection, freeze)


def carried(freezes: Sequence[Freeze], lives: Iterable[Life]) -> list[Freeze]:
    """Return the freezes that hold besides ``freezes`` after ``lives``, which are in the order of their applies.

    A copy shares the origin of the freeze of the former life, and is lifted with it.
    """
    by_target: dict[str, list[Freeze]] = {}
    by_uid: dict[tuple[str | None, str], list[Freeze]] = {}
    for one in freezes:
        if one.uid is None:
            by_target.setdefault(one.target, []).append(one)
        else:
            by_uid.setdefault((one.tenant, _whole(one.uid)), []).append(one)
    made = []
    for life in lives if freezes else ():
        held = by_uid.setdefault((life.tenant, life.after), [])
        origins = {one.origin for one in held}
        followed = [one for one in by_uid.get((life.tenant, life.before), ()) if one.origin not in origins]
        copies = [_copy(one, life, one.origin) for one in followed]
        copies += [_copy(one, life, None) for name in sorted(life.left) for one in by_target.get(name, ())]
        held += copies
        made += copies
    return made


def _copy(freeze: Freeze, life: Life, origin: str | None) -> Freeze:
    identity = secrets.token_hex(8)
    part = (freeze.uid or "").removeprefix(life.before) if origin else ""
    return freeze._replace(id=identity, tenant=life.tenant, uid=life.after + part, origin=origin or identity)


def _whole(uid: str) -> str:
    """Return the uid of a resource, of which a part may be frozen."""
    return uid.partition("/")[0]


def frozen_by(connection: Connection, one: Pending) -> list[Freeze]:
    """Return the freezes that a pending one amounts to: its own, and its copies for every life since it was made."""
    own = Freeze(one.id, one.target, one.reason, one.at, one.by, one.tenant, one.uid, one.id)
    return [own, *carried([own], _lives_since(connection, one.counter))]


def _lives_since(connection: Connection, counter: int) -> list[Life]:
    sql = "SELECT tenant, uid_before, uid_after, names_left FROM lives WHERE n > :counter ORDER BY n"
    records = connection.execute(text(sql), {"counter": counter})
    return [Life(tenant, before, after, frozenset(orjson.loads(left))) for tenant, before, after, left in records]


def _record(connection: Connection, counter: int, lives: Sequence[Life]) -> None:
    now = datetime.now(UTC)
    connection.execute(
        text("DELETE FROM lives WHERE at < :before"), {"before": moment(now - timedelta(days=KEPT_DAYS))}
    )
    connection.execute(
        text(
            "INSERT INTO lives (n, tenant, uid_before, uid_after, names_left, at) "
            "VALUES (:n, :tenant, :before, :after, :left, :at)"
        ),
        [
            {**life._asdict(), "left": orjson.dumps(sorted(life.left)).decode(), "n": counter, "at": moment(now)}
            for life in lives
        ],
    )


def filed_freezes(connection: Connection) -> list[Freeze]:
    sql = f"SELECT {_FREEZE} FROM freezes f WHERE f.lifted_at IS NULL ORDER BY f.frozen_at, f.id"
    records: Any = connection.execute(text(sql))
    return [Freeze(*map(shown, record)) for record in records]


def insert(connection: Connection, freeze: Freeze) -> None:
    columns = ", ".join(Freeze._fields)
    values = ", ".join(f":{name}" for name in Freeze._fields)
    connection.execute(text(f"INSERT INTO freezes ({columns}) VALUES ({values})"), freeze._asdict())
