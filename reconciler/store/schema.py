"""Tells what a database is (empty, older, current, newer, somebody else's) and brings it to the current schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace
from sqlalchemy import Connection, text

from reconciler.committed import Write, record
from reconciler.errors import Problem, Refused
from reconciler.model.audit import Actor
from reconciler.model.live import DatabaseState
from reconciler.store.audit import note
from reconciler.store.dialect import is_sqlite
from reconciler.store.failures import ConnectionLost, Contended, DatabaseFailed, ended
from reconciler.store.key_checks import require_same
from reconciler.store.migrations import MIGRATIONS, migrate
from reconciler.store.transact import transacting
from reconciler.store.url import Database

if TYPE_CHECKING:
    from reconciler.store.structure import Difference

REVISIONS = (*MIGRATIONS,)
"""Every revision that this tool knows, oldest first; the last is the current one."""

CHANGED_OVER = "0010"
"""The revision from which on an entry of the audit trail without a key may not stand behind one that has a key."""
_SETUP_LOCK = 7_248_911_350_112_634_113  # any constant: concurrent set-ups of one database queue behind it


def revision(connection: Connection) -> str | None:
    """Return the revision that the database is at; None where there is none."""
    if is_sqlite(connection):
        exists = connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'reconciler_schema'")).scalar()
    else:
        # not to_regclass: a pooled session may remember from an earlier transaction that there is no such table
        exists = connection.execute(
            text("SELECT 1 FROM pg_class c WHERE c.relname = 'reconciler_schema' AND pg_table_is_visible(c.oid)")
        ).scalar()
    if not exists:
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM reconciler_schema")).scalar()
    return found


def state_of(connection: Connection) -> DatabaseState:
    """Return what a database is. Raises IntegrityFailed where a configured key is another than the one used here under its id."""
    found = revision(connection)
    if found is None:
        if not _has_tables(connection):
            return DatabaseState.EMPTY
        found = revision(connection)  # somebody may have set it up between the two statements
        if found is None:
            return DatabaseState.FOREIGN
    if found not in REVISIONS:
        return DatabaseState.NEWER
    if found != REVISIONS[-1]:
        return DatabaseState.OLDER
    if (keys := connection.info.get("keys")) is not None:
        require_same(connection, keys.by_id)
    return DatabaseState.CURRENT


def _has_tables(connection: Connection) -> bool:
    if is_sqlite(connection):
        return bool(connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar())
    return bool(
        connection.execute(
            text(
                "SELECT EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace "
                "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS (SELECT 1 FROM pg_depend d "
                "WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))"
            )
        ).scalar()
    )


def require_usable(state: DatabaseState, database: Database) -> None:
    """Raise Refused for a database that an apply must not touch as it is."""
    if state is DatabaseState.FOREIGN:
        raise Refused(
            f"{database.display} is not empty and holds no reconciler schema",
            code="database-foreign",
            hint="name another database, or run `reconciler db upgrade` to set up the tables beside what is there",
        )
    if state is DatabaseState.OLDER:
        raise Refused(
            f"the schema of {database.display} is older than this reconciler",
            code="database-older",
            hint="back it up, then run `reconciler db upgrade`",
        )
    if state is DatabaseState.NEWER:
        raise Refused(
            f"the schema of {database.display} is newer than this reconciler",
            code="database-newer",
            hint="upgrade this reconciler",
        )


def require_current(state: DatabaseState, database: Database) -> None:
    """Raise Refused for a database that holds nothing to apply a plan to."""
    require_usable(state, database)
    if state is not DatabaseState.CURRENT:
        raise Refused(
            f"{database.display} is {state.value}, and was not when the plan was made",
            code="wrong-lineage",
            hint="apply it to the database it was made for, or make a new plan",
        )


class Upgrade(NamedTuple):
    """The revisions before and after, the parts that were made again, and what is not part of the revision."""

    before: str | None
    after: str
    repaired: tuple[str, ...] = ()
    surplus: tuple[Difference, ...] = ()


def upgrade(database: Database, wait_seconds: float, only_empty: bool, actor: Actor | None = None) -> Upgrade:
    """Migrate in one transaction. Raises LockNotHad, Refused, DatabaseFailed, OutcomeUnknown.

    With ``only_empty`` (an apply) nothing but an empty database is touched; otherwise everything but a newer one, and one
    whose schema lacks what can't be made again. The audit trail names ``actor`` for whatever is changed.
    """
    write = Write("the schema")
    if not only_empty:
        record(write)
    patient = replace(database, bounds=replace(database.bounds, statement=database.bounds.total))
    try:
        with transacting(patient, wait_seconds, write, create=True) as connection:
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SETUP_LOCK})
            done = _set_up(connection, database) if only_empty else _upgraded(connection, database)
            if actor is not None and (done.before != done.after or done.repaired):
                fields = {"before": done.before, "after": done.after, "repaired": [*done.repaired]}
                # entries with and without a key could stand side by side until this revision
                note(connection, "db-upgrade", actor, fields, takes_over=(done.before or "") < CHANGED_OVER)
            return done
    except ConnectionLost as error:
        raise ended(error, database, " during the upgrade; nothing was written", "try again") from None
    except Contended:
        raise DatabaseFailed(
            f"{database.display}: somebody else changed the schema; nothing was written",
            code="connection-lost",
            hint="see `reconciler db status`, and try again",
        ) from None


def _set_up(connection: Connection, database: Database) -> Upgrade:
    state, before = state_of(connection), revision(connection)
    if state is not DatabaseState.CURRENT:
        require_usable(state, database)
        migrate(connection, before)
    return Upgrade(before, REVISIONS[-1])


def _upgraded(connection: Connection, database: Database) -> Upgrade:
    """Upgrade a schema, held to its own revision first: a migration counts on what the ones before it made."""
    from reconciler.store.repairs import differences, repair  # no other command needs these
    from reconciler.store.seals import reseal

    state, before = state_of(connection), revision(connection)
    if state is DatabaseState.NEWER:
        require_usable(state, database)
    repaired = repair(connection, differences(connection, before)) if before is not None else ()
    if before is not None:
        _require_whole(differences(connection, before), before, database)
    if before != REVISIONS[-1]:
        migrate(connection, before)
    if count := reseal(connection):
        repaired = (*repaired, f"the seals of {count} records")
    left = differences(connection, REVISIONS[-1])
    _require_whole(left, REVISIONS[-1], database)
    return Upgrade(before, REVISIONS[-1], repaired, left)


def _require_whole(found: Sequence[Difference], at: str, database: Database) -> None:
    """Raise Refused where something is missing or changed, with every such difference."""
    problems = [
        Problem("schema-differs", f"{one.sentence()} (revision {at})", hint=one.next_step())
        for one in found
        if not one.is_surplus
    ]
    if problems:
        what = f"the schema of {database.display} is not what its revision {at} makes; nothing was changed"
        raise Refused(Problem("schema-differs", what, hint="see below, and `reconciler db status`"), *problems)
