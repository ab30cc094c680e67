"""Reads the live state that a plan is about, in one read-only transaction that writes nothing, not even a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, exists, func, select

from reconciler.kinds.lifecycle import UseStatus
from reconciler.model.address import Address
from reconciler.model.live import DatabaseState, Live, Owner, Row, frozen
from reconciler.model.plan import Touch
from reconciler.store.bindings import read_replaced
from reconciler.store.connect import exists as is_there
from reconciler.store.connect import reading
from reconciler.store.dialect import shown
from reconciler.store.rows import (
    Where,
    at_addresses,
    everything,
    in_tenants,
    read_applied,
    read_owners,
    read_project,
    read_rows,
)
from reconciler.store.schema import REVISIONS, revision, state_of
from reconciler.store.settled import read_settled
from reconciler.store.tables import (
    ADDRESS,
    LIFE,
    applied,
    changes,
    columns,
    equal,
    projects,
    resources,
    same,
    statuses,
    tombstones,
)
from reconciler.store.url import Database

if TYPE_CHECKING:
    from reconciler.store.structure import Difference

MANY = 20_000
"""Addresses; above that, reading everything is cheaper than asking for each."""


def read_live(
    database: Database,
    project: str,
    tenants: Iterable[str] | None = None,
    wanted: Mapping[str, str] | None = None,
    whole: bool = True,
) -> Live:
    """Read the rows of ``tenants`` and of every tenant that ``project`` applied something to; None reads all tenants.

    Not ``whole``: what is as it was applied, and as ``wanted`` where that gives digests by name, is only named as
    settled, and nothing else of it is read. A database that is missing, empty, or of another schema yields a Live without
    rows and says so in its state.
    """
    if not is_there(database):
        return Live(DatabaseState.MISSING)
    with reading(database) as connection:
        state = state_of(connection)
        if state is not DatabaseState.CURRENT:
            return Live(state)
        where: Where = in_tenants(connection, {*(tenants or ()), *_own_tenants(connection, project)})
        if tenants is None:
            where = everything
        settled: set[str] = set()
        replaced = read_replaced(connection)
        if not whole:
            settled, others = read_settled(connection, project, where, wanted)
            moved = {address for address in replaced if str(address) in settled}
            settled, others = settled.difference(map(str, moved)), others | moved
            if len(others) < MANY:
                where = at_addresses(connection, others)
        return Live(
            state,
            read_project(connection, project),
            frozen(read_rows(connection, where, but=settled)),
            frozen(read_applied(connection, project, where, but=settled)),
            frozen(read_owners(connection, project, where)),
            frozen(_read_deletions(connection, project, where)),
            frozenset(settled),
            frozen(replaced),
        )


def _own_tenants(connection: Connection, project: str) -> set[str]:
    """Return the tenants that the project applied something to; where no record is left, those of rows that history knows."""
    tenants = select(applied.c.tenant).distinct().where(applied.c.project == project)
    past = exists().where(same(changes, resources, LIFE), changes.c.project == project)
    known = select(resources.c.tenant).distinct().where(past, resources.c.project == project)
    return set(connection.execute(tenants).scalars()) or set(connection.execute(known).scalars())


def _read_deletions(connection: Connection, project: str, where: Where) -> dict[Address, Touch]:
    """Return who deleted rows that we applied: tombstones of the very uids that we know."""
    t, r = tombstones.alias("t"), applied.alias("r")
    chosen = select(*columns(t, ADDRESS), t.c.deleted_by, shown(t.c.deleted_at)).select_from(
        t.join(r, same(r, t, LIFE))
    )
    records: Any = connection.execute(chosen.where(r.c.project == project, where(r)).order_by(t.c.row_version))
    return {Address(t, k, n): Touch(by, at) for t, k, n, by, at in records}


def read_resource(database: Database, address: Address) -> tuple[Row, Owner | None, UseStatus] | None:
    """Return one live row with its owner and status; None where it is not live."""
    if not is_there(database):
        return None
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return None
        where = at_addresses(connection, [address])
        row = read_rows(connection, where).get(address)
        if row is None:
            return None
        owner = read_owners(connection, "", where).get(address)
        key = {"tenant": address.tenant, "uid": row.uid}
        status = connection.execute(select(*columns(statuses, UseStatus._fields)).where(equal(statuses, key))).first()
        return row, owner if owner and owner.uid == row.uid else None, UseStatus(*status) if status else UseStatus()


class Overview(NamedTuple):
    """What `db status` shows: the schema, and each project with its environment, generation and resources."""

    state: DatabaseState
    revision: str | None
    projects: tuple[tuple[str, str | None, int, int], ...]
    resources: int | None
    """None where a damaged schema keeps them from being counted; there are no projects then either."""
    differences: tuple[Difference, ...] = ()


def _hides_projects(difference: Difference) -> bool:
    kind, table, name = difference.part
    lost = difference.found is None and kind in {"table", "column"}
    return lost and table in {"projects", "resources", "applied"} and name in {"", *_COUNTED}


_COUNTED = ("name", "environment", "generation", "project", "uid")
"""The columns that an overview reads."""


def read_state(database: Database) -> DatabaseState:
    """Return what a database is before anything is done with it."""
    if not is_there(database):
        return DatabaseState.MISSING
    with reading(database) as connection:
        return state_of(connection)


def read_overview(database: Database) -> Overview:
    """Read the schema's state, and each project with its environment, generation and resources."""
    from reconciler.store.repairs import differences  # no other command needs it

    if not is_there(database):
        return Overview(DatabaseState.MISSING, None, (), 0)
    with reading(database) as connection:
        state, found = state_of(connection), revision(connection)
        differs = differences(connection, found) if found in REVISIONS else ()
        if state is not DatabaseState.CURRENT or any(map(_hides_projects, differs)):
            return Overview(state, found, (), None if differs else 0, differs)
        own = columns(projects, ("name", "environment", "generation"))
        counted = select(*own, func.count(applied.c.uid)).group_by(*own).order_by(projects.c.name)
        records: Any = connection.execute(
            counted.select_from(projects.outerjoin(applied, applied.c.project == projects.c.name))
        )
        rows = connection.execute(select(func.count()).select_from(resources)).scalar_one()
        return Overview(state, found, tuple((n, e, g, c) for n, e, g, c in records), rows, differs)


def read_generation(database: Database, project: str) -> int:
    """Return the number of the last generation of a project; 0 where there is none."""
    if not is_there(database):
        return 0
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return 0
        return connection.execute(select(projects.c.generation).where(projects.c.name == project)).scalar() or 0


def read_addresses(database: Database, begun: str, limit: int) -> list[Address]:
    """Return the first live addresses that begin like this, in order; none where there is no database of ours."""
    if not is_there(database):
        return []
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return []
        address = columns(resources, ADDRESS)
        name = resources.c.tenant + "/" + resources.c.kind + "/" + resources.c.name
        chosen = select(*address).where(func.substr(name, 1, len(begun)) == begun).order_by(*address).limit(limit)
        return [Address(*record) for record in connection.execute(chosen)]
