"""Reads keys and digests in one pass: which resources need no further look, and which addresses do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, case, exists, func, null, select

from reconciler.kinds.table import SPEC_VERSIONS
from reconciler.model.address import Address
from reconciler.store.dialect import fits, hashes_bodies, is_sqlite
from reconciler.store.rows import Where, witness_of
from reconciler.store.seals import Record, Seals, outdated, seals_of
from reconciler.store.tables import ADDRESS, LIFE, applied, columns, resources, same


class Settled(NamedTuple):
    """``names`` (addresses as text) are live, ours, as applied and as wanted; ``others`` are all other live or applied ones."""

    names: set[str]
    others: set[Address]


def read_settled(connection: Connection, project: str, where: Where, wanted: Mapping[str, str] | None) -> Settled:
    """Read what is settled. ``wanted`` has the digest of each name; None takes whatever is as it was applied.

    This is the first half of ``kinds.meaning.as_applied``: the witness that the tool left in `applied` fits the row's body,
    which PostgreSQL hashes by itself, and which is hashed here on SQLite. A body of another ``spec_version`` than today's is
    never settled: it is read, and judged by what it means.
    """
    seals, hashed_here = seals_of(connection, project), not hashes_bodies(connection)
    ours, names, others = 0, set[str](), set[Address]()
    r, a = resources.alias("r"), applied.alias("a")
    newest = case(SPEC_VERSIONS, value=r.c.kind)
    agrees = and_(r.c.spec_version == a.c.spec_version, r.c.spec_version == newest, fits(a.c.digest_of, r.c.spec))
    body = (a.c.digest_of, r.c.spec) if hashed_here else (a.c.digest_of if seals else null(), null())
    sealed_by = (outdated(a), a.c.uid, a.c.spec_version, a.c.generation, a.c.mac) if seals else ()
    name = r.c.tenant + "/" + r.c.kind + "/" + r.c.name
    chosen = select(name, agrees, a.c.digest, a.c.uid.is_not(None), *body, *sealed_by)
    own = and_(a.c.project == project, same(a, r, LIFE))
    for name, agreed, digest, owned, witness, spec, *sealed in _records(
        connection, chosen.select_from(r.outerjoin(a, own)).where(where(r))
    ):
        ours += owned
        # in one expression, since this is done for every resource of a project
        if (
            agreed
            and (wanted is None or wanted.get(name) == digest)
            and (not hashed_here or (type(spec) is str and witness_of(spec) == witness))
            and (seals is None or _fits(seals, name, digest, witness, sealed))
        ):
            names.add(name)
        else:
            others.add(Address(*name.split("/", 2)))
    others.update(_lost(connection, project, where, ours))
    return Settled(names, others)


def _fits(seals: Seals, name: str, digest: str, witness: str | None, sealed: Sequence[Any]) -> bool:
    is_outdated, uid, spec_version, generation, mac = sealed
    tenant, kind, short = name.split("/", 2)
    record = Record(tenant, kind, short, uid, digest, witness, spec_version, generation)
    return not is_outdated and seals.fit(record, mac)


def _records(connection: Connection, chosen: Select[Any]) -> Any:
    """Return plain tuples of the driver's cursor, without what SQLAlchemy wraps around each."""
    cursor: Any = connection.execute(chosen).cursor
    return cursor if is_sqlite(connection) else cursor.fetchall()


def _lost(connection: Connection, project: str, where: Where, ours: int) -> Iterator[Address]:
    """Yield what was applied and is not live any more, not as that life; looked for only where counts say there is any."""
    r = applied.alias("r")
    own = and_(r.c.project == project, where(r))
    if connection.execute(select(func.count()).select_from(r).where(own)).scalar_one() == ours:
        return
    lost = select(*columns(r, ADDRESS)).where(own, ~exists().where(same(resources, r, LIFE)))
    yield from (Address(*record) for record in connection.execute(lost))
