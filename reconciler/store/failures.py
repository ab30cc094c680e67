"""What drivers raise, turned into our errors; their texts, which quote rows, are never shown."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from reconciler.codes import Code
from reconciler.errors import Problem, ReconcilerError
from reconciler.store.bounds import TIMEOUT_VARIABLE
from reconciler.store.url import Database


class Contended(Exception):
    """The database asks for the whole transaction again: a deadlock, a serialisation failure, a busy file."""


class LockNotHad(Exception):
    """The lock was not granted within the time given; its text, if it has one, says what else was waited for."""


class ConnectionLost(Exception):
    """The connection ended without an answer; what was sent last may or may not have happened.

    ``seconds``: we ended it, since the server had not answered for so long.
    """

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__()
        self.seconds = seconds


class DatabaseFailed(ReconcilerError):
    """Any other failure of the database, in one sentence without values."""

    code = "database-failed"


def ended(error: ConnectionLost | Contended, database: Database, when: str, hint: str) -> DatabaseFailed:
    """Return what a user sees of ``error``; ``when`` says during what, and what became of it."""
    seconds = error.seconds if isinstance(error, ConnectionLost) else None
    if seconds is None:
        return DatabaseFailed(f"{database.display}: the connection ended{when}", code="connection-lost", hint=hint)
    return DatabaseFailed(
        f"{database.display}: no answer within {seconds:.0f} s{when}",
        code="database-timeout",
        hint=f"{hint}; {TIMEOUT_VARIABLE}=S gives a command S seconds, and a statement a tenth of that",
    )


@contextmanager
def translated(database: Database) -> Iterator[None]:
    """Around every use of a driver. Raises the four above, and nothing of a driver's own."""
    try:
        yield
    except DBAPIError as error:
        raise _translate(error, database) from None
    except SQLAlchemyError as error:
        raise DatabaseFailed(f"{database.display}: {type(error).__name__}") from None
    except sqlite3.Error as error:
        raise _translate_sqlite(error, database) from None
    except OSError as error:
        raise unreachable(database, error) from None


def unreachable(database: Database, error: OSError) -> DatabaseFailed:
    """Return the error of a database that can't be opened."""
    return DatabaseFailed(
        f"{database.display} can't be used: {error.strerror or type(error).__name__}",
        code="database-unreachable",
        hint="check the path, and the permissions of the file and of its folder",
    )


_DAMAGED: tuple[Code, str, str] = (
    "database-damaged",
    "a table or a column of reconciler's schema is missing",
    "`reconciler db status` names it; `reconciler db upgrade` adds what it can, and a backup has the rest",
)
_MISSING = re.compile(r"no such (table|column)|table \S+ has no column")
"""How SQLite begins what PostgreSQL has a code for."""
_REASONS: Mapping[str, tuple[Code, str, str]] = {
    # SQLSTATE: code, what happened, what to do
    "42501": (
        "database-permission",
        "this role lacks a permission that is needed",
        "grant it, or name a role that has it; `plan` reads, `apply` writes, `db upgrade` creates tables",
    ),
    "25006": ("database-read-only", "it accepts no writes (a replica, or read-only)", "name the primary"),
    "57014": (
        "database-cancelled",
        "the server cancelled a statement; nothing was written",
        "if the role has a statement_timeout, raise it: ALTER ROLE ... SET statement_timeout",
    ),
    "53100": ("database-full", "the server's disk is full; nothing was written", "free space on the server"),
    "42P01": _DAMAGED,
    "42703": _DAMAGED,
}


def _translate(error: DBAPIError, database: Database) -> Exception:
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return _translate_sqlite(original, database)
    state: str | None = getattr(original, "sqlstate", None)
    if state == "55P03":
        return LockNotHad()
    if state in {"40001", "40P01", "23505"}:
        return Contended()
    if state == "42501" and (denied := _denied(original, error.statement, database)) is not None:
        return denied
    if state is not None and state in _REASONS:
        code, what, hint = _REASONS[state]
        return DatabaseFailed(f"{database.display}: {what}", code=code, hint=hint)
    by_server = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    if state is None and not by_server and error.statement is not None:
        return DatabaseFailed(f"{database.display}: the driver refused a statement ({type(error).__name__})")
    # 25P03 and 25P04: the server ended a session that was idle, or a transaction that took, too long
    if error.connection_invalidated or state is None or state[:2] in {"08", "57"} or state in {"25P03", "25P04"}:
        # a commit has no statement, and a connection that did not come about none to invalidate
        if error.statement is not None or error.connection_invalidated:
            return ConnectionLost(getattr(original, "seconds", None))
        reason = str(original).strip().splitlines()[0][:300] if original else "no answer"
        return DatabaseFailed(
            Problem(
                "database-unreachable",
                f"can't connect to {database.display}: {reason}",
                hint=_connect_hint(reason),
            )
        )
    return DatabaseFailed(f"{database.display}: the database refused a statement (SQLSTATE {state})")


_DENIED = re.compile(r"permission denied for (table|schema|sequence|function|database|view) ([\w.]+)")
_GRANTS = {"schema": "USAGE", "sequence": "USAGE", "function": "EXECUTE", "database": "CREATE"}


def _denied(original: BaseException | None, statement: str | None, database: Database) -> DatabaseFailed | None:
    """Return the error for a permission that the server names; its message holds names and no values."""
    found = _DENIED.search(str(original))
    if found is None:
        return None
    what, name = found.groups()
    word = re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", statement or "", re.IGNORECASE)
    right = _GRANTS.get(what) or (word[1].upper() if word else "SELECT, INSERT, UPDATE, DELETE")
    role = (database.url.username if database.url is not None else None) or "ROLE"
    on = name if what in {"table", "view"} else f"{what} {name}"
    return DatabaseFailed(
        f"{database.display}: this role lacks a permission that is needed: {right} on the {what} {name}",
        code="database-permission",
        hint=f"GRANT {right} ON {on} TO {role}; `plan` reads, `apply` writes, `db upgrade` creates tables",
    )


_CONNECT_HINTS = (
    (re.compile(r'database "([^"]*)" does not exist'), "create it first, e.g. `createdb {0}`, or correct the URL"),
    (
        re.compile(r'role "([^"]*)" does not exist'),
        "create it first, e.g. `createuser {0}`, or name another user in the URL",
    ),
    (
        re.compile("password authentication failed|no password supplied"),
        "check the user, and the password in PGPASSFILE or RECONCILER_DATABASE_URL",
    ),
    (re.compile("no pg_hba.conf entry"), "the server admits this user, host and database in pg_hba.conf"),
)
"""What a server says that was reached, and what to do: it is not the network."""
_UNREACHED = "check the URL, the network and the server; --database and RECONCILER_DATABASE_URL override the project's"


def _connect_hint(reason: str) -> str:
    for pattern, hint in _CONNECT_HINTS:
        if found := pattern.search(reason):
            return hint.format(*found.groups())
    return _UNREACHED


_NOT_OPENED = (
    "can't be opened",
    "check that the file is readable and that its folder can be written (SQLite keeps its log beside the file)",
)
_SQLITE_REASONS = {
    "SQLITE_NOTADB": ("is not a SQLite database", "name another file, or restore it from a backup"),
    "SQLITE_CORRUPT": ("is damaged", "restore it from a backup"),
    "SQLITE_READONLY_CAN": _NOT_OPENED,
    "SQLITE_READONLY_DIRECTORY": _NOT_OPENED,
    "SQLITE_READONLY_RECOVERY": _NOT_OPENED,
    "SQLITE_READONLY": ("can't be written", "check the permissions of the file and of its folder"),
    "SQLITE_CANTOPEN": _NOT_OPENED,
    "SQLITE_FULL": ("can't grow; nothing was written", "free space on the disk"),
    "SQLITE_IOERR": ("can't be read or written", "check the disk"),
}


def _translate_sqlite(error: sqlite3.Error, database: Database) -> Exception:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LockNotHad()
    if name in {"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"}:
        return Contended()
    if _MISSING.match(str(error)):
        code, what, hint = _DAMAGED
        return DatabaseFailed(f"{database.display}: {what}", code=code, hint=hint)
    for prefix, (what, hint) in _SQLITE_REASONS.items():
        if name.startswith(prefix):
            return DatabaseFailed(f"{database.display} {what}", code="database-unreachable", hint=hint)
    return DatabaseFailed(f"{database.display}: the database refused a statement ({name or type(error).__name__})")
