"""One writing transaction: the project's lock, locked reads, set-based writes, history; all of it or nothing."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.audit import AuditKey
from reconciler.model.binding import Meant, Reviewed
from reconciler.model.body import canonical
from reconciler.model.configuration import Retention
from reconciler.model.fingerprint import Fingerprints
from reconciler.model.known import Known
from reconciler.model.live import Applied, Owner, ProjectRow, Row
from reconciler.store import creations
from reconciler.store.audit import append
from reconciler.store.bindings import bind, replaced_since
from reconciler.store.bulk import MANY, copied, may_stage, run_many, staged
from reconciler.store.carrying import Life, carry
from reconciler.store.creations import Creation
from reconciler.store.filing import file_under_lock
from reconciler.store.fingerprints import write_fingerprints
from reconciler.store.known import governed_in, suspended_of
from reconciler.store.outbox import enqueue
from reconciler.store.remembering import WRITTEN, Remembered, Written, names_of, remember, values_of
from reconciler.store.retention import prune
from reconciler.store.rows import (
    PROJECT_COLUMNS,
    at_addresses,
    paths_to_json,
    peopled,
    project_row,
    read_applied,
    read_owners,
    read_rows,
    require_newest,
)
from reconciler.store.seals import SIGNED_FOR, seal


class HistoryEntry(NamedTuple):
    """One change as history keeps it, at its place in its generation, from 1; bodies as canonical JSON."""

    position: int
    address: Address
    action: str
    uid: str
    before: str | None
    after: str | None
    cause: str
    previous: str | None = None
    explicit: tuple[Any, ...] = ()
    source: str | None = None
    spec_version: int = 1
    sources: tuple[tuple[Path, str], ...] = ()
    """Where each of the fields that changed was written."""


_CHANGE = (
    *("project", "generation", "position", "tenant", "kind", "name", "action", "previous", "uid"),
    *("before", "after", "explicit", "source", "cause", "spec_version", "sources"),
)


class Before(NamedTuple):
    """An apply that did before what another one was to do."""

    generation: int
    apply_id: str


class Transaction:
    """Statements of one apply of one project, on a connection on which a transaction was begun."""

    def __init__(self, connection: Connection, project: str, actor: str) -> None:
        self._connection = connection
        self._project = project
        self._actor = actor
        self._sqlite = connection.dialect.name == "sqlite"
        self._json = ":spec" if self._sqlite else "CAST(:spec AS jsonb)"
        self.project_row: ProjectRow
        """The project as it was when the lock was had."""
        self._staged = False
        """Whether there are creations that history does not have yet."""

    def _run(self, sql: str, parameters: Sequence[dict[str, Any]] | dict[str, Any] = ()) -> None:
        if parameters:
            self._connection.execute(text(sql), parameters)

    # --- the lock, and what is read under it

    def identify(self, application_name: str) -> int | None:
        """Tells other sessions, and triggers, who writes; once per transaction. Returns the server process."""
        if self._sqlite:
            self._run("INSERT INTO writer (actor) VALUES (:actor)", {"actor": self._actor})
            return None
        record = self._connection.execute(
            text(
                "SELECT set_config('reconciler.actor', :actor, true), set_config('application_name', :name, true), "
                "pg_backend_pid()"
            ),
            {"actor": self._actor, "name": application_name[:63]},
        ).one()
        return int(record[2])

    def lock_project(self, lineage: str, environment: str | None, holder: str) -> None:
        """Takes the project's row, made with ``lineage`` if it is not there yet; others wait here."""
        record = self._connection.execute(
            text(
                "INSERT INTO projects (name, lineage, environment, locked_by) VALUES (:name, :lineage, :environment, :holder) "
                f"ON CONFLICT (name) DO UPDATE SET locked_by = excluded.locked_by RETURNING {PROJECT_COLUMNS}"
            ),
            {"name": self._project, "lineage": lineage, "environment": environment, "holder": holder},
        ).one()
        self.project_row = project_row(record)
        require_newest(self._connection, self._project, self.project_row)

    def apply_of(self, generation: int) -> str | None:
        """Return the id of the apply that made a generation of the project; None where history does not know it."""
        sql = "SELECT apply_id FROM generations WHERE project = :project AND number = :number"
        return self._connection.execute(
            text(sql), {"project": self._project, "number": generation}
        ).scalar_one_or_none()

    def applied_since(self, generation: int, like: Mapping[str, Any]) -> Before | None:
        """Return the first apply after a generation whose row of history holds these columns; None where there was none."""
        same = " AND ".join(f"{column} = :{column}" for column in like)
        sql = f"SELECT number, apply_id FROM generations WHERE project = :project AND number > :after AND {same} ORDER BY number"
        record = self._connection.execute(text(sql), {**like, "project": self._project, "after": generation}).first()
        return Before(*record) if record else None

    def rows(self, addresses: Iterable[Address], lock: str) -> dict[Address, Row]:
        """Live rows, locked in key order; ``lock`` is UPDATE (to write) or SHARE (to rely on)."""
        return read_rows(self._connection, at_addresses(self._connection, addresses), lock)

    def touched(self, addresses: Iterable[Address]) -> tuple[dict[Address, Row], dict[Address, Applied]]:
        """Live rows, locked to be written, and what was applied last at the same addresses."""
        wanted = {*addresses}
        there = peopled(self._connection, self._project, {address.tenant for address in wanted})
        where = at_addresses(self._connection, (address for address in wanted if address.tenant in there))
        return read_rows(self._connection, where, "UPDATE"), read_applied(self._connection, self._project, where)

    def applied(self, addresses: Iterable[Address]) -> dict[Address, Applied]:
        return read_applied(self._connection, self._project, at_addresses(self._connection, addresses))

    def owners(self, addresses: Iterable[Address]) -> dict[Address, Owner]:
        return read_owners(self._connection, self._project, at_addresses(self._connection, addresses))

    def owned(self) -> dict[str, int]:
        """How many live resources this project owns, per tenant."""
        records = self._connection.execute(
            text(
                "SELECT a.tenant, count(*) FROM applied a JOIN resources r ON (r.tenant, r.kind, r.name, r.uid) = "
                "(a.tenant, a.kind, a.name, a.uid) WHERE a.project = :project GROUP BY a.tenant"
            ),
            {"project": self._project},
        )
        return {tenant: count for tenant, count in records}  # noqa: C416

    def rows_of(self, tenants: Iterable[str], kinds: Iterable[str]) -> dict[Address, Row]:
        """All live rows of some kinds in some tenants: where dependants are looked for."""
        found = {}
        for tenant in sorted(set(tenants)):
            for kind in sorted(set(kinds)):
                where = "r.tenant = :tenant AND r.kind = :kind", {"tenant": tenant, "kind": kind}
                found.update(read_rows(self._connection, where))
        return found

    def with_uids(self, tenant: str, uids: Iterable[str]) -> dict[str, Address]:
        """Which of these uids are live, and where."""
        chosen = "IN (SELECT value FROM json_each(:uids))" if self._sqlite else "= ANY(:uids)"
        records = self._connection.execute(
            text(f"SELECT uid, tenant, kind, name FROM resources WHERE tenant = :tenant AND uid {chosen}"),
            {"tenant": tenant, "uids": canonical(sorted(uids)) if self._sqlite else sorted(uids)},
        )
        return {uid: Address(*address) for uid, *address in records}

    def governed(self, tenants: Set[str], besides: Set[str]) -> list[Known]:
        """What the runtime knows of those of the tenants that have a caller, and of ``besides``."""
        return [*governed_in(self._connection, tenants, besides)]

    def suspended(self, uids: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
        """Which of these uids, by tenant, are suspended, whether anything has them now or not."""
        return suspended_of(self._connection, uids)

    # --- writes

    def delete(self, rows: Sequence[Row]) -> None:
        self._run(
            "DELETE FROM resources WHERE tenant = :tenant AND kind = :kind AND name = :name AND uid = :uid",
            [{**row.address._asdict(), "uid": row.uid} for row in rows],
        )

    def move(self, moves: Sequence[tuple[Row, Address]]) -> None:
        """Renames in two phases through names that no resource can have, so that swaps and chains work."""
        sql = "UPDATE resources SET name = :new WHERE tenant = :tenant AND uid = :uid"
        self._run(sql, [{"tenant": r.address.tenant, "uid": r.uid, "new": "~" + r.uid} for r, _ in moves])
        self._run(sql, [{"tenant": r.address.tenant, "uid": r.uid, "new": new.name} for r, new in moves])

    def update(self, rows: Sequence[Written]) -> None:
        same = "(r.tenant, r.kind, r.name, r.uid) = (s.tenant, s.kind, s.name, s.uid)"
        if not self._sqlite and self.stages(len(rows)):
            sql = (
                "UPDATE resources AS r SET spec = CAST(s.spec AS jsonb), spec_version = s.spec_version, project = :project "
                f"FROM pg_temp.staged s WHERE {same}"
            )
            staged(self._connection, WRITTEN, map(values_of, rows), sql, {"project": self._project})
            return
        self._run(
            f"UPDATE resources SET spec = {self._json}, spec_version = :spec_version, project = :project "
            "WHERE tenant = :tenant AND kind = :kind AND name = :name AND uid = :uid",
            self._parameters(rows),
        )

    def insert(self, rows: Sequence[Written]) -> None:
        into = "INSERT INTO resources (tenant, kind, name, uid, spec, spec_version, project, created_by)"
        if self._sqlite:
            if rows:
                self._insert_stamped(rows)
            return
        parameters = {"project": self._project, "actor": self._actor}
        if self.stages(len(rows)):
            sql = (
                f"{into} SELECT tenant, kind, name, uid, CAST(spec AS jsonb), spec_version, :project, :actor "
                "FROM pg_temp.staged"
            )
            staged(self._connection, WRITTEN, map(values_of, rows), sql, parameters)
            return
        self._run(
            f"{into} VALUES (:tenant, :kind, :name, :uid, {self._json}, :spec_version, :project, :actor)",
            self._parameters(rows),
        )

    def create(self, rows: list[Creation], generation: int) -> None:
        """Many new rows, with what is remembered of them; history gets them by ``record``."""
        if rows:
            creations.stage(self._connection, rows)
            last = self._numbered(len(rows)) - len(rows)
            creations.write(self._connection, self._project, self._actor, generation, last)
            self._staged = True

    def _numbered(self, count: int) -> int:
        """SQLite: the last of so many ``row_version`` for rows that the trigger leaves alone."""
        if not self._sqlite:
            return count
        self._run("UPDATE row_counter SET n = n + :count", {"count": count})
        return int(self._connection.execute(text("SELECT n FROM row_counter")).scalar_one())

    def _insert_stamped(self, rows: Sequence[Written]) -> None:
        """SQLite: with what its trigger gives to the rows of everybody else; see migration 0006."""
        last = self._numbered(len(rows))
        given = (self._project, self._actor, self._actor)
        run_many(
            self._connection,
            "INSERT INTO resources (tenant, kind, name, uid, spec, spec_version, project, created_by, changed_by, "
            "row_version, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ','now'))",
            [(*values_of(row)[:-1], *given, number) for number, row in enumerate(rows, last - len(rows) + 1)],
        )

    def stages(self, count: int) -> bool:
        """Whether so many rows are better written as one set."""
        return may_stage(self._connection, count)

    def _parameters(self, rows: Sequence[Written]) -> list[dict[str, Any]]:
        given = {"project": self._project, "actor": self._actor}
        return [{**dict(zip(names_of(WRITTEN), values_of(row), strict=True)), **given} for row in rows]

    def adopt(self, addresses: Sequence[Address]) -> None:
        self._set_owner(addresses, self._project)

    def let_go(self, addresses: Sequence[Address]) -> None:
        self._set_owner(addresses, None)

    def _set_owner(self, addresses: Sequence[Address], project: str | None) -> None:
        self._run(
            "UPDATE resources SET project = :project WHERE tenant = :tenant AND kind = :kind AND name = :name",
            [{**address._asdict(), "project": project} for address in addresses],
        )

    def clear_errors(self, keys: Sequence[tuple[str, str]]) -> None:
        """Status ``error`` ends where a credential or its configuration changed; a suspension stays."""
        self._run(
            "UPDATE statuses SET error = NULL, error_at = NULL WHERE tenant = :tenant AND uid = :uid",
            [{"tenant": tenant, "uid": uid} for tenant, uid in keys],
        )

    def carry_freezes(self, lives: Iterable[Life]) -> None:
        """Keep frozen what is frozen, after all other writes."""
        carry(self._connection, lives)

    def note_secrets(self, seen: Fingerprints, forgotten: Mapping[Address, Iterable[Path]]) -> None:
        write_fingerprints(self._connection, seen, forgotten)

    def secrets_replaced(self, reviewed: Sequence[Reviewed]) -> list[Reviewed]:
        """Return those that are gone or replaced; the others stay as they are until the end."""
        return replaced_since(self._connection, reviewed)

    def bind_secrets(self, meant: Sequence[Meant]) -> None:
        bind(self._connection, meant)

    # --- what was last applied, and history

    def forget_applied(self, addresses: Sequence[Address], project: str | None = None) -> None:
        self._run(
            "DELETE FROM applied WHERE project = :project AND tenant = :tenant AND kind = :kind AND name = :name",
            [{**address._asdict(), "project": project or self._project} for address in addresses],
        )

    def remember(self, applied: Sequence[Remembered], known: Container[Address]) -> None:
        remember(self._connection, self._project, applied, known)

    def seal(self, generation: int) -> dict[str, str]:
        """Signs what was remembered, where a key is known: the last of what an apply writes there. Returns what the audit
        trail says of it.
        """
        lineage = self.project_row.lineage
        return {SIGNED_FOR: lineage} if seal(self._connection, self._project, lineage, generation) else {}

    def record(self, generation: dict[str, Any], entries: Sequence[HistoryEntry]) -> None:
        """Writes the generation (columns of its table), its changes, those that are staged too; moves the project's row to it."""
        columns = ", ".join(generation)
        values = ", ".join(f":{column}" for column in generation)
        self._run(
            f"INSERT INTO generations (project, {columns}) VALUES (:project, {values})",
            {"project": self._project, **generation},
        )
        if self._staged:
            creations.record(self._connection, self._project, generation["number"])
        entered = [
            (
                *(self._project, generation["number"], e.position, *e.address, e.action, e.previous, e.uid),
                *(e.before, e.after),
                *(paths_to_json(e.explicit), e.source, e.cause, e.spec_version),
                canonical([[list(path), place] for path, place in e.sources]) if e.sources else None,
            )
            for e in entries
        ]
        into = f"INSERT INTO changes ({', '.join(_CHANGE)}) VALUES"
        if self._sqlite:
            run_many(self._connection, f"{into} ({', '.join('?' * len(_CHANGE))})", entered)
        elif len(entered) >= MANY:
            copied(self._connection, "changes", _CHANGE, entered)
        else:
            named = ", ".join(f":{column}" for column in _CHANGE)
            self._run(f"{into} ({named})", [dict(zip(_CHANGE, values, strict=True)) for values in entered])
        self._run(
            "UPDATE projects SET generation = :number, git_commit = COALESCE(:commit, git_commit), environment = :environment "
            "WHERE name = :project",
            {
                "number": generation["number"],
                "commit": generation["git_commit"],
                "environment": generation["environment"],
                "project": self._project,
            },
        )

    def prune(self, retention: Retention, newest: int) -> int | None:
        """Drops the history that need not be kept; returns the new horizon, if it moved."""
        return prune(self._connection, self._project, retention, newest)

    def enqueue(self, destinations: Iterable[str], event: Mapping[str, Any]) -> None:
        """Puts an event into the outbox: it is told if, and only if, this transaction commits."""
        enqueue(self._connection, self._project, destinations, event)

    def audit(self, body: Mapping[str, Any], key: AuditKey) -> None:
        """Appends to the audit trail, after pending decisions; other applies queue behind its head until this ends."""
        file_under_lock(self._connection, key)
        append(self._connection, body, key)

    def finish(self) -> None:
        """The last statement before COMMIT: takes back what only this transaction needed."""
        if self._sqlite:
            self._connection.execute(text("DELETE FROM writer"))
