"""Reads what `db verify` compares: history, records and claims, row by row, so that memory does not grow with the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection as Connection
from sqlalchemy import and_, exists, func, literal_column, select, union_all

from reconciler.model.address import Address
from reconciler.model.history import PastChange
from reconciler.store.history import CHANGE, change_of
from reconciler.store.rows import witness_of
from reconciler.store.seals import Record, records_where
from reconciler.store.tables import (
    ADDRESS,
    LIFE,
    applied,
    changes,
    columns,
    equal,
    generations,
    projects,
    resources,
    same,
    tombstones,
)

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
    """Return how many generations each project has had, and how many history holds."""
    own, number = columns(projects, ("name", "generation")), generations.c.number
    kept = projects.outerjoin(generations, generations.c.project == projects.c.name)
    counted: Any = select(*own, func.count(number), func.coalesce(func.max(number), 0)).select_from(kept)
    return [Numbers(*record) for record in connection.execute(counted.group_by(*own).order_by(projects.c.name))]


def tenants_of(connection: Connection, project: str) -> list[str]:
    """Return the tenants that the project owns something in."""
    tenant = applied.c.tenant
    own = select(tenant).distinct().where(applied.c.project == project).order_by(tenant)
    return [*connection.execute(own).scalars()]


def past_of(connection: Connection, project: str) -> Iterator[PastChange]:
    """Yield a project's changes tenant by tenant, oldest first, in one pass: no index leads to those of one tenant."""
    order = columns(changes, ("tenant", "generation", "position"))
    own = select(*columns(changes, CHANGE)).where(changes.c.project == project).order_by(*order)
    yield from map(change_of, connection.execute(own))


def claims_of(connection: Connection, project: str, tenant: str) -> Iterator[Claim]:
    """Yield the records of a project in one tenant, in the order of their addresses."""
    chosen = select(*columns(applied, ("kind", "name", "uid", "digest", "spec"))).order_by(*columns(applied, ADDRESS))
    own = equal(applied, {"project": project, "tenant": tenant})
    for kind, name, uid, digest, spec in connection.execute(chosen.where(own)):
        yield Claim(Address(tenant, kind, name), uid, digest, isinstance(spec, str) and witness_of(spec) == digest)


def was_taken_over(connection: Connection, project: str, address: Address, uid: str) -> bool:
    """Whether another project took a resource over: the history of the one it was taken from does not say so."""
    life = {"tenant": address.tenant, "uid": uid}
    others_that_pruned = exists().where(projects.c.name != project, projects.c.horizon > 0)
    traces = (
        *((table, and_(equal(table, life), table.c.project != project)) for table in (applied, changes)),
        # taken over and replaced in one: its name lives on under another uid
        (changes, and_(equal(changes, address._asdict()), changes.c.project != project)),
        *(
            (table, and_(equal(table, life), func.coalesce(table.c.project, "") != project))
            for table in (resources, tombstones)
        ),
        # whoever took it over may have deleted it, and pruned that
        (tombstones, and_(equal(tombstones, life), others_that_pruned)),
    )
    found: Any = union_all(*(select(literal_column("1")).select_from(table).where(trace) for table, trace in traces))
    return connection.execute(found).first() is not None


def lost_claims(connection: Connection) -> Iterator[Address]:
    """Yield what was applied and is not live any more, not as that life."""
    own = columns(applied, ADDRESS)
    lost = select(*own).where(~exists().where(same(resources, applied, LIFE))).order_by(*own)
    yield from (Address(*record) for record in connection.execute(lost))


def sealed_records(connection: Connection, project: str) -> Iterator[tuple[Record, str | None]]:
    """Yield each record of a project with its MAC."""
    own = records_where(applied.c.project == project).order_by(*columns(applied, ADDRESS))
    for *record, mac in connection.execute(own):
        yield Record(*record), mac
