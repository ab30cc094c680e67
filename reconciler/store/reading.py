"""Reads the live state that a plan is about, in one read-only transaction that writes nothing, not even a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, text

from reconciler.model.address import Address
from reconciler.model.live import DatabaseState, Live, Owner, Row, frozen
from reconciler.model.plan import Touch
from reconciler.store.audit import Chain, read_chain
from reconciler.store.bindings import read_replaced
from reconciler.store.connect import exists, reading
from reconciler.store.rows import Where, at_addresses, in_tenants, read_applied, read_owners, read_project, read_rows
from reconciler.store.schema import REVISIONS, revision, state_of
from reconciler.store.settled import read_settled
from reconciler.store.url import Database

if TYPE_CHECKING:
    from reconciler.store.structure import Difference

_MOMENT = {
    "sqlite": "t.deleted_at",
    "postgresql": "to_char(t.deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
}


MANY = 20_000
"""Addresses; above that, reading everything is cheaper than asking for each."""


def read_live(
    database: Database,
    project: str,
    tenants: Iterable[str] | None = None,
    wanted: Mapping[str, str] | None = None,
    whole: bool = True,
) -> Live:
    """The rows of ``tenants`` and of every tenant that ``project`` applied something to; None reads all tenants.

    Not ``whole``: what is as it was applied, and as ``wanted`` where that gives digests by name, is only named as
    settled, and nothing else of it is read. A database that is missing, empty, or of another schema yields a Live without
    rows and says so in its state.
    """
    if not exists(database):
        return Live(DatabaseState.MISSING)
    with reading(database) as connection:
        state = state_of(connection)
        if state is not DatabaseState.CURRENT:
            return Live(state)
        where = in_tenants(connection, {*(tenants or ()), *_own_tenants(connection, project)})
        if tenants is None:
            where = ("1 = 1", {})
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
    """The tenants that the project applied something to; where no record of that is left, those of rows that history knows."""
    known = (
        "resources r WHERE EXISTS (SELECT 1 FROM changes c WHERE (c.tenant, c.kind, c.name, c.uid, c.project) = "
        "(r.tenant, r.kind, r.name, r.uid, :p)) AND r.project = :p"
    )
    for source in ("applied WHERE project = :p", known):
        sql = text(f"SELECT DISTINCT tenant FROM {source}")
        if found := set(connection.execute(sql, {"p": project}).scalars()):
            return found
    return set()


def _read_deletions(connection: Connection, project: str, where: Where) -> dict[Address, Touch]:
    """Who deleted rows that we applied: tombstones of the very uids that we know."""
    sql = (
        f"SELECT t.tenant, t.kind, t.name, t.deleted_by, {_MOMENT[connection.dialect.name]} FROM tombstones t "
        "JOIN applied r ON (r.tenant, r.kind, r.name, r.uid) = (t.tenant, t.kind, t.name, t.uid) "
        f"WHERE r.project = :project AND {where[0]} ORDER BY t.row_version"
    )
    records = connection.execute(text(sql), {"project": project, **where[1]})
    return {Address(t, k, n): Touch(by, at) for t, k, n, by, at in records}


class Status(NamedTuple):
    """What operators and health checks say of one resource; never part of a spec."""

    suspended_by: str | None = None
    suspended_reason: str | None = None
    error: str | None = None


def read_resource(database: Database, address: Address) -> tuple[Row, Owner | None, Status] | None:
    """One live row with its owner and status; None where it is not live."""
    if not exists(database):
        return None
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return None
        where = at_addresses(connection, [address])
        row = read_rows(connection, where).get(address)
        if row is None:
            return None
        owner = read_owners(connection, "", where).get(address)
        status = connection.execute(
            text("SELECT suspended_by, suspended_reason, error FROM statuses WHERE tenant = :t AND uid = :u"),
            {"t": address.tenant, "u": row.uid},
        ).first()
        return row, owner if owner and owner.uid == row.uid else None, Status(*status) if status else Status()


@contextmanager
def chain_of(database: Database) -> Iterator[Chain | None]:
    """The audit trail for whoever verifies it; None where there is no database of ours yet."""
    if not exists(database):
        yield None
        return
    with reading(database) as connection:
        yield read_chain(connection) if state_of(connection) is DatabaseState.CURRENT else None


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
    if not exists(database):
        return DatabaseState.MISSING
    with reading(database) as connection:
        return state_of(connection)


def read_overview(database: Database) -> Overview:
    from reconciler.store.repairs import differences  # no other command needs it

    if not exists(database):
        return Overview(DatabaseState.MISSING, None, (), 0)
    with reading(database) as connection:
        state, found = state_of(connection), revision(connection)
        differs = differences(connection, found) if found in REVISIONS else ()
        if state is not DatabaseState.CURRENT or any(map(_hides_projects, differs)):
            return Overview(state, found, (), None if differs else 0, differs)
        projects = connection.execute(
            text(
                "SELECT p.name, p.environment, p.generation, count(a.uid) FROM projects p "
                "LEFT JOIN applied a ON a.project = p.name GROUP BY p.name, p.environment, p.generation ORDER BY p.name"
            )
        )
        rows = connection.execute(text("SELECT count(*) FROM resources")).scalar_one()
        return Overview(state, found, tuple((n, e, g, c) for n, e, g, c in projects), rows, differs)


def read_addresses(database: Database, begun: str, limit: int) -> list[Address]:
    """The first live addresses that begin like this, in order; none where there is no database of ours."""
    if not exists(database):
        return []
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return []
        found = connection.execute(
            text(
                "SELECT tenant, kind, name FROM resources WHERE substr(tenant || '/' || kind || '/' || name, 1, :length) = :begun "
                "ORDER BY tenant, kind, name LIMIT :limit"
            ),
            {"begun": begun, "length": len(begun), "limit": limit},
        )
        return [Address(*record) for record in found]
