"""One writing transaction: the project's lock, locked reads, set-based writes, history; all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, null, select, update

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.audit import AuditKey
from reconciler.model.binding import Meant, Reviewed
from reconciler.model.configuration import Retention
from reconciler.model.fingerprint import Fingerprints
from reconciler.model.live import ProjectRow, Row
from reconciler.store import creations, dialect
from reconciler.store.audit import append
from reconciler.store.bindings import bind, replaced_since
from reconciler.store.bulk import at, may_stage, run_many, value
from reconciler.store.carrying import Life, carry
from reconciler.store.creations import Creation
from reconciler.store.dialect import is_sqlite
from reconciler.store.filing import file_under_lock
from reconciler.store.fingerprints import write_fingerprints
from reconciler.store.outbox import enqueue
from reconciler.store.recording import HistoryEntry, move_project, record_changes, record_generation
from reconciler.store.retention import prune
from reconciler.store.row_writes import Remembered, WrittenRow, insert_rows, remember, update_rows
from reconciler.store.rows import PROJECT_COLUMNS, project_row, require_newest
from reconciler.store.seals import SIGNED_FOR, seal
from reconciler.store.tables import ADDRESS, LIFE, applied, projects, resources, statuses, writer
from reconciler.store.under_lock import UnderLock

_LONGEST_NAME = 63
"""Characters of a session's name that PostgreSQL keeps."""


class Transaction(UnderLock):
    """Statements of one apply of one project, on a connection on which a transaction was begun."""

    def __init__(self, connection: Connection, project: str, actor: str) -> None:
        super().__init__(connection, project)
        self._actor = actor
        self.project_row: ProjectRow
        """The project as it was when the lock was had."""
        self._staged = False
        """Whether there are creations that history does not have yet."""

    # --- the lock

    def identify(self, application_name: str) -> int | None:
        """Tell triggers, and on PostgreSQL other sessions, who writes; return the server's process, None on SQLite."""
        if is_sqlite(self._connection):
            self._connection.execute(insert(writer).values(actor=self._actor))
            return None
        settings = {"reconciler.actor": self._actor, "application_name": application_name[:_LONGEST_NAME]}
        set_all = [func.set_config(name, value, True) for name, value in settings.items()]
        return int(self._connection.execute(select(func.pg_backend_pid(), *set_all)).one()[0])

    def lock_project(self, lineage: str, environment: str | None, holder: str) -> None:
        """Take the project's row, made with ``lineage`` if it is not there yet; others wait here."""
        row = {"name": self._project, "lineage": lineage, "environment": environment, "locked_by": holder}
        made = dialect.insert(self._connection, projects).values(row)
        taken = made.on_conflict_do_update(index_elements=["name"], set_={"locked_by": made.excluded.locked_by})
        self.project_row = project_row(self._connection.execute(taken.returning(*PROJECT_COLUMNS)).one())
        require_newest(self._connection, self._project, self.project_row)

    def finish(self) -> None:
        """Take back what only this transaction needed: the last statement before COMMIT."""
        if is_sqlite(self._connection):
            self._connection.execute(delete(writer))

    # --- resources

    def delete(self, rows: Sequence[Row]) -> None:
        run_many(
            self._connection,
            delete(resources).where(at(resources, LIFE)),
            LIFE,
            [(*row.address, row.uid) for row in rows],
        )

    def move(self, moves: Sequence[tuple[Row, Address]]) -> None:
        """Rename in two phases through names that no resource can have, so that swaps and chains work."""
        names = ("new_name", "tenant", "uid")
        new = value(resources.c.name, "new_name")
        statement = update(resources).values(name=new).where(at(resources, ("tenant", "uid")))
        run_many(self._connection, statement, names, [("~" + row.uid, row.address.tenant, row.uid) for row, _ in moves])
        run_many(self._connection, statement, names, [(to.name, row.address.tenant, row.uid) for row, to in moves])

    def update(self, rows: Sequence[WrittenRow]) -> None:
        update_rows(self._connection, self._project, rows)

    def insert(self, rows: Sequence[WrittenRow]) -> None:
        insert_rows(self._connection, self._project, self._actor, rows)

    def stages(self, count: int) -> bool:
        """Whether so many creations are better written as one set."""
        return may_stage(self._connection, count)

    def create(self, rows: list[Creation], generation: int) -> None:
        """Write many new rows, with what is remembered of them; ``record`` writes their history."""
        if rows:
            creations.write(self._connection, self._project, self._actor, generation, rows)
            self._staged = True

    def adopt(self, addresses: Sequence[Address]) -> None:
        self._set_owner(addresses, self._project)

    def let_go(self, addresses: Sequence[Address]) -> None:
        self._set_owner(addresses, None)

    def _set_owner(self, addresses: Sequence[Address], project: str | None) -> None:
        statement = update(resources).values(project=value(resources.c.project)).where(at(resources, ADDRESS))
        run_many(self._connection, statement, ("project", *ADDRESS), [(project, *address) for address in addresses])

    # --- what hangs on resources

    def clear_errors(self, keys: Sequence[tuple[str, str]]) -> None:
        """End the status ``error`` of uids, by tenant, whose credential or configuration changed; a suspension stays."""
        names = ("tenant", "uid")
        run_many(
            self._connection,
            update(statuses).values(error=null(), error_at=null()).where(at(statuses, names)),
            names,
            keys,
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
        """Remove the records of this project, or of another one."""
        names = ("project", *ADDRESS)
        own = project or self._project
        run_many(
            self._connection,
            delete(applied).where(at(applied, names)),
            names,
            [(own, *address) for address in addresses],
        )

    def remember(self, records: Sequence[Remembered]) -> None:
        remember(self._connection, self._project, records)

    def seal(self, generation: int) -> dict[str, str]:
        """Sign what was remembered, where a key is known; return the members of the audit trail's entry.

        It is the last of what an apply writes to `applied`.
        """
        lineage = self.project_row.lineage
        return {SIGNED_FOR: lineage} if seal(self._connection, self._project, lineage, generation) else {}

    def record(self, generation: Mapping[str, Any], entries: Sequence[HistoryEntry]) -> None:
        """Write the generation (columns of its table) and its changes; move the project's row to it."""
        record_generation(self._connection, self._project, generation)
        if self._staged:
            creations.record(self._connection, self._project, generation["number"])
        record_changes(self._connection, self._project, generation["number"], entries)
        move_project(self._connection, self._project, generation)

    def prune(self, retention: Retention, newest: int) -> int | None:
        """Drop the history that need not be kept; return the new horizon, if it moved."""
        return prune(self._connection, self._project, retention, newest)

    def enqueue(self, destinations: Iterable[str], event: Mapping[str, Any]) -> None:
        """Put an event into the outbox: it is sent if, and only if, this transaction commits."""
        enqueue(self._connection, self._project, destinations, event)

    def audit(self, body: Mapping[str, Any], key: AuditKey) -> None:
        """Append to the audit trail, after pending decisions; other applies queue behind its head until this ends."""
        file_under_lock(self._connection, key)
        append(self._connection, body, key)
