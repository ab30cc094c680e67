"""Finds out who holds a lock, for the message of the applier that waits for it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, select

from reconciler.errors import ReconcilerError
from reconciler.store.connect import reading, writing
from reconciler.store.dialect import insert, is_sqlite
from reconciler.store.failures import ConnectionLost, Contended, LockNotHad
from reconciler.store.schema import require_current, state_of
from reconciler.store.tables import announcements
from reconciler.store.url import Database

FIRST_LOOK = 0.2
LOOK_EVERY = 1.0
UNKNOWN = "unknown"


def announce(database: Database, apply_id: str, project: str, actor: str, wait_seconds: float) -> None:
    """SQLite: commit who is about to write, before the lock is taken; nobody can ask a file who locks it."""
    with writing(database, wait_seconds) as connection, connection.begin():
        require_current(state_of(connection), database)
        a = announcements.c
        for stale, host, pid in connection.execute(select(a.apply_id, a.host, a.pid)).all():
            if host == socket.gethostname() and not _alive(pid):
                withdraw(connection, stale)
        process = {"host": socket.gethostname(), "pid": os.getpid()}
        row = insert(connection, announcements).values(apply_id=apply_id, project=project, actor=actor, **process)
        connection.execute(row.on_conflict_do_nothing(index_elements=["apply_id"]))


def withdraw(connection: Connection, apply_id: str) -> None:
    """Remove an announcement in the transaction that was announced: it is gone with its commit."""
    if is_sqlite(connection):
        connection.execute(delete(announcements).where(announcements.c.apply_id == apply_id))


def withdraw_alone(database: Database, apply_id: str) -> None:
    """Remove an announcement after a rollback; a leftover is harmless: the next one clears it when the process is gone."""
    failures = (ReconcilerError, ConnectionLost, Contended, LockNotHad)
    with suppress(*failures), writing(database, 0.2) as connection, connection.begin():
        withdraw(connection, apply_id)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _state(host: str, pid: int) -> str:
    """Say of a process on this machine that it is stopped, and what to do: nobody can take a file's lock from it."""
    with suppress(OSError, IndexError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if host == socket.gethostname() and state in {"T", "t"}:
            return f", which is stopped: `kill -CONT {pid}` lets it go on, `kill -KILL {pid}` ends it"
    return ""


def holder_on_sqlite(database: Database, own_apply_id: str) -> str | None:
    """Return who announced a write and has not ended; None where nobody did."""
    with reading(database) as connection:
        a = announcements.c
        others = select(a.apply_id, a.actor, a.host, a.pid).where(a.apply_id != own_apply_id).order_by(a.at)
        rows: list[Any] = list(connection.execute(others))
    known = [
        f"apply {i} by {actor} (process {pid} on {host}{_state(host, pid)})"
        for i, actor, host, pid in rows
        if host != socket.gethostname() or _alive(pid)
    ]
    if len(known) > 1:
        return f"one of: {'; '.join(known[:4])}"
    return known[0] if known else None


class HolderWatch:
    """While the main connection waits, asks over a second one whom it waits for, and tells."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.holder = UNKNOWN
        self._tell = tell
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, look: Callable[[], str | None]) -> None:
        """``look`` names the holder; None while there is nobody to wait for."""
        self._thread = threading.Thread(target=self._watch, args=(look,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """From now on nobody is waited for."""
        self._ended.set()

    def join(self) -> None:
        """Wait a moment for the thread, so that it tells nothing while the process ends."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(0.5)

    def _watch(self, look: Callable[[], str | None]) -> None:
        told, pause = "", FIRST_LOOK
        while not self._ended.wait(pause):
            found = None
            with suppress(Exception):  # only the message would be poorer
                found = look()
            self.holder = found or self.holder
            if pause == LOOK_EVERY and found not in {told, None} and not self._ended.is_set():
                told = self.holder
                self._tell(f"Waiting for the lock, held by {told} ...")
            pause = LOOK_EVERY
