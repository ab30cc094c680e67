"""One pass over keys and digests turned into what needs no further look, and the addresses that do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from reconciler.kinds.table import SPEC_VERSIONS
from reconciler.model.address import Address
from reconciler.store.rows import Where, witness_of
from reconciler.store.seals import OUTDATED, Record, Seals, seals_of

_NAME = "r.tenant || '/' || r.kind || '/' || r.name"
_OURS = "a.project = :project AND (a.tenant, a.kind, a.name) = (r.tenant, r.kind, r.name)"


class Settled(NamedTuple):
    """``names`` (addresses as text) are live, ours, as applied and as wanted; ``others`` are all other live or applied ones."""

    names: set[str]
    others: set[Address]


def read_settled(connection: Connection, project: str, where: Where, wanted: Mapping[str, str] | None) -> Settled:
    """``wanted`` has the digest of each name; None takes whatever is as it was applied.

    This is the first half of ``kinds.meaning.as_applied``: the witness that the tool left in `applied` fits the row's body,
    which PostgreSQL hashes by itself, and which is hashed here on SQLite. A body of another ``spec_version`` than today's is
    never settled: it is read, and judged by what it means.
    """
    versions = " ".join(f"WHEN '{kind}' THEN {version}" for kind, version in SPEC_VERSIONS.items())
    ours, names, others = 0, set[str](), set[Address]()
    seals = seals_of(connection, project)
    hashed_here = connection.dialect.name == "sqlite"
    fits, body = ("1", "r.spec") if hashed_here else ("a.digest_of = md5(r.spec::text)", "NULL")
    witness, more = (
        ("a.digest_of", f", {OUTDATED.format('a')}, a.uid, a.spec_version, a.generation, a.mac")
        if seals
        else ("a.digest_of" if hashed_here else "NULL", "")
    )
    sql = (
        f"SELECT {_NAME}, r.spec_version = a.spec_version AND r.spec_version = CASE r.kind {versions} END AND {fits}, "
        f"a.digest, a.uid IS NOT NULL, {witness}, {body}{more} "
        f"FROM resources r LEFT JOIN applied a ON {_OURS} AND a.uid = r.uid WHERE {where[0]}"
    )
    for name, agreed, digest, owned, witness, spec, *sealed in _records(
        connection, sql, {"project": project, **where[1]}
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
    outdated, uid, spec_version, generation, mac = sealed
    tenant, kind, short = name.split("/", 2)
    record = Record(tenant, kind, short, uid, digest, witness, spec_version, generation)
    return not outdated and seals.fit(record, mac)


def _records(connection: Connection, sql: str, parameters: dict[str, Any]) -> Any:
    """Plain tuples of the driver's cursor, without what SQLAlchemy wraps around each."""
    cursor: Any = connection.execute(text(sql), parameters).cursor
    return cursor if connection.dialect.name == "sqlite" else cursor.fetchall()


def _lost(connection: Connection, project: str, where: Where, ours: int) -> Iterator[Address]:
    """What was applied and is not live any more, not as that life; looked for only where the counts say that there is any."""
    parameters = {"project": project, **where[1]}
    count = text(f"SELECT count(*) FROM applied r WHERE r.project = :project AND {where[0]}")
    if connection.execute(count, parameters).scalar_one() == ours:
        return
    sql = text(
        f"SELECT r.tenant, r.kind, r.name FROM applied r WHERE r.project = :project AND {where[0]} AND NOT EXISTS "
        "(SELECT 1 FROM resources l WHERE (l.tenant, l.kind, l.name, l.uid) = (r.tenant, r.kind, r.name, r.uid))"
    )
    yield from (Address(*record) for record in connection.execute(sql, parameters))
