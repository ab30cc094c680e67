"""What `db verify` reads: history, records and claims, row by row, so that memory does not grow with the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection as Connection
from sqlalchemy import text

from reconciler.model.address import Address
from reconciler.model.history import PastChange
from reconciler.store.history import CHANGE_COLUMNS, change_of
from reconciler.store.rows import witness_of
from reconciler.store.seals import RECORD_COLUMNS, Record

ROWS_AT_ONCE = 1000


class Numbers(NamedTuple):
    """A project's generation, and how many are kept up to which number."""

    project: str
    generation: int
    kept: int
    newest: int


class Claim(NamedTuple):
    """One record of `applied`: ``whole`` if its body has its digest."""

    address: Address
    uid: str
    digest: str
    whole: bool


def streaming(connection: Connection) -> Connection:
    """Read every later result of this connection in pieces."""
    return connection.execution_options(yield_per=ROWS_AT_ONCE)


def numbers(connection: Connection) -> list[Numbers]:
    sql = (
        "SELECT p.name, p.generation, count(g.number), COALESCE(max(g.number), 0) FROM projects p "
        "LEFT JOIN generations g ON g.project = p.name GROUP BY p.name, p.generation ORDER BY p.name"
    )
    return [Numbers(*record) for record in connection.execute(text(sql))]


def tenants_of(connection: Connection, project: str) -> list[str]:
    """Return the tenants that the project owns something in."""
    sql = "SELECT DISTINCT tenant FROM applied WHERE project = :project ORDER BY tenant"
    return [*connection.execute(text(sql), {"project": project}).scalars()]


def past_of(connection: Connection, project: str) -> Iterator[PastChange]:
    """Yield a project's changes tenant by tenant, oldest first, in one pass: no index leads to those of one tenant."""
    sql = f"SELECT {CHANGE_COLUMNS} FROM changes WHERE project = :project ORDER BY tenant, generation, position"
    yield from map(change_of, connection.execute(text(sql), {"project": project}))


def claims_of(connection: Connection, project: str, tenant: str) -> Iterator[Claim]:
    sql = "SELECT kind, name, uid, digest, spec FROM applied WHERE project = :project AND tenant = :tenant ORDER BY kind, name"
    for kind, name, uid, digest, spec in connection.execute(text(sql), {"project": project, "tenant": tenant}):
        yield Claim(Address(tenant, kind, name), uid, digest, isinstance(spec, str) and witness_of(spec) == digest)


_LIFE = "tenant = :tenant AND uid = :uid"
_TRACES = (
    f"SELECT 1 FROM applied WHERE {_LIFE} AND project <> :project",
    f"SELECT 1 FROM changes WHERE {_LIFE} AND project <> :project",
    # taken over and replaced in one: its name lives on under another uid
    "SELECT 1 FROM changes WHERE tenant = :tenant AND kind = :kind AND name = :name AND project <> :project",
    f"SELECT 1 FROM resources WHERE {_LIFE} AND COALESCE(project, '') <> :project",
    f"SELECT 1 FROM tombstones WHERE {_LIFE} AND COALESCE(project, '') <> :project",
    # whoever took it over may have deleted it, and pruned that
    f"SELECT 1 FROM tombstones t WHERE {_LIFE} AND EXISTS (SELECT 1 FROM projects WHERE name <> :project AND horizon > 0)",
)


def was_taken_over(connection: Connection, project: str, address: Address, uid: str) -> bool:
    """Whether another project took a resource over: the history of the one it was taken from does not say so."""
    values = {"project": project, "uid": uid, **address._asdict()}
    return connection.execute(text(" UNION ALL ".join(_TRACES)), values).first() is not None


def lost_claims(connection: Connection) -> Iterator[Address]:
    """Yield what was applied and is not live any more, not as that life."""
    sql = (
        "SELECT a.tenant, a.kind, a.name FROM applied a WHERE NOT EXISTS (SELECT 1 FROM resources r "
        "WHERE (r.tenant, r.kind, r.name, r.uid) = (a.tenant, a.kind, a.name, a.uid)) ORDER BY 1, 2, 3"
    )
    yield from (Address(*record) for record in connection.execute(text(sql)))


def sealed_records(connection: Connection, project: str) -> Iterator[tuple[Record, str | None]]:
    """Yield each record of a project with its MAC."""
    sql = f"SELECT {RECORD_COLUMNS}, mac FROM applied WHERE project = :project ORDER BY tenant, kind, name"
    for *record, mac in connection.execute(text(sql), {"project": project}):
        yield Record(*record), mac
