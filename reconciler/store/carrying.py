"""Freezes carried over: to a resource's next life, and to one that leaves a frozen name."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as insert_row

from reconciler.model.status import Freeze, moment
from reconciler.store.bulk import insert_many
from reconciler.store.pending import Pending
from reconciler.store.status_change import raise_counter, shown
from reconciler.store.tables import columns, freezes, lives

KEPT_DAYS = 1
"""Lives are looked up for decisions that are pending, and no longer."""


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


def carried(held: Sequence[Freeze], begun: Iterable[Life]) -> list[Freeze]:
    """Return the freezes that hold besides ``held`` after ``begun``, which are in the order of their applies.

    A copy shares the origin of the freeze of the former life, and is lifted with it.
    """
    by_target: dict[str, list[Freeze]] = {}
    by_uid: dict[tuple[str | None, str], list[Freeze]] = {}
    for one in held:
        if one.uid is None:
            by_target.setdefault(one.target, []).append(one)
        else:
            by_uid.setdefault((one.tenant, _whole(one.uid)), []).append(one)
    made = []
    for life in begun if held else ():
        here = by_uid.setdefault((life.tenant, life.after), [])
        origins = {one.origin for one in here}
        followed = [one for one in by_uid.get((life.tenant, life.before), ()) if one.origin not in origins]
        copies = [_copy(one, life, one.origin) for one in followed]
        copies += [_copy(one, life, None) for name in sorted(life.left) for one in by_target.get(name, ())]
        here += copies
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
    later = select(*columns(lives, ("tenant", "uid_before", "uid_after", "names_left"))).where(lives.c.n > counter)
    records: Any = connection.execute(later.order_by(lives.c.n))
    return [Life(tenant, before, after, frozenset(orjson.loads(left))) for tenant, before, after, left in records]


def _record(connection: Connection, counter: int, begun: Sequence[Life]) -> None:
    now = datetime.now(UTC)
    connection.execute(delete(lives).where(lives.c.at < moment(now - timedelta(days=KEPT_DAYS))))
    names = ("n", "tenant", "uid_before", "uid_after", "names_left", "at")
    rows = [
        (counter, one.tenant, one.before, one.after, orjson.dumps(sorted(one.left)).decode(), moment(now))
        for one in begun
    ]
    insert_many(connection, lives, names, rows)


def filed_freezes(connection: Connection) -> list[Freeze]:
    """Return the freezes in force that are filed, the oldest first."""
    held = select(*columns(freezes, Freeze._fields)).where(freezes.c.lifted_at.is_(None))
    records: Any = connection.execute(held.order_by(freezes.c.frozen_at, freezes.c.id))
    return [Freeze(*map(shown, record)) for record in records]


def insert(connection: Connection, freeze: Freeze) -> None:
    """Insert a freeze."""
    connection.execute(insert_row(freezes).values({**freeze._asdict()}))
