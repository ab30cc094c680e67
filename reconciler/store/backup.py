"""A consistent copy of a SQLite database, write-ahead log included, while others use it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from reconciler.committed import written
from reconciler.errors import ReconcilerError, Refused, UsageError
from reconciler.model.live import DatabaseState
from reconciler.store.connect import exists, reading
from reconciler.store.failures import translated
from reconciler.store.pending import Pending, encoded, pending_in
from reconciler.store.schema import state_of
from reconciler.store.url import Database


def backup(database: Database, target: Path) -> int:
    """Write ``target`` whole or not at all; return its size in bytes. Raises Refused if it exists."""
    if database.path is None:
        raise UsageError(
            "`db backup` copies SQLite databases only",
            hint=f"for PostgreSQL use pg_dump: pg_dump --format=custom --file={target} '{database.display}'",
        )
    if not exists(database):
        raise ReconcilerError(
            f"{database.display} does not exist", code="database-missing", hint="nothing was applied to it yet"
        )
    if target.exists() or target.is_symlink():
        raise Refused(f"{target} exists already", code="backup-exists", hint="name another file, or remove it")
    pending = _pending(database)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise ReconcilerError(f"can't write {target}: {error.strerror}", code="backup-not-written") from None
    try:
        with (
            translated(database),
            closing(sqlite3.connect(f"file:{quote(str(database.path))}?mode=ro", uri=True, timeout=30)) as source,
            closing(sqlite3.connect(name)) as copy,
        ):
            source.backup(copy)
            _add(copy, pending)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
        with open(name, "rb") as file:
            os.fsync(file.fileno())
        _publish(name, target)
        written(f"the backup {target}")
    except FileExistsError:
        raise Refused(
            f"{target} exists already", code="backup-exists", hint="name another file, or remove it"
        ) from None
    except OSError as error:
        raise ReconcilerError(f"can't write {target}: {error.strerror}", code="backup-not-written") from None
    finally:
        Path(name).unlink(missing_ok=True)
    return target.stat().st_size


def _pending(database: Database) -> list[Pending]:
    """Return the decisions that lie beside the file, and not in it yet."""
    with reading(database) as connection:
        return pending_in(connection) if state_of(connection) is DatabaseState.CURRENT else []


def _add(copy: sqlite3.Connection, pending: list[Pending]) -> None:
    sql = "INSERT INTO switch (id, decision) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"
    copy.executemany(sql, [(one.id, encoded(one)) for one in pending])
    copy.commit()


def _publish(name: str, target: Path) -> None:
    """Give the file its name; fails, unlike a rename, if somebody made one of that name meanwhile."""
    try:
        os.link(name, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
        os.replace(name, target)
