"""Command lines that run while a test does something else."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import forked
from tests.conftest import Db, Ran, command_environment


class Running:
    """One command line in the background."""

    def __init__(self, url: str, folder: Path, *arguments: str, **variables: str) -> None:
        own = {"RECONCILER_DATABASE_URL": url, "RECONCILER_PROJECT": "shop", **variables}
        self.started = time.monotonic()
        self._process = forked.start(arguments, folder, command_environment(own))

    def send(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def end(self, timeout: float = 60) -> Ran:
        """What it said; never a traceback, never a driver's own words."""
        out, err = self._process.communicate(timeout=timeout)
        for words in ("Traceback", "is locked", "internal-error", "DETAIL"):
            assert words not in out + err, out + err
        return Ran(self._process.wait(), out, err)


def limits(**requests: int) -> str:
    """A manifest of limits by name."""
    bodies = {name: {"target": "tenant", "per": "day", "requests": n} for name, n in requests.items()}
    return json.dumps({"version": 1, "tenant": "acme", "limits": bodies})


def until(happens: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def until_locked(db: Db) -> None:
    """Until an apply holds the lock and sleeps."""
    if db.is_sqlite:
        until(lambda: db.sql("SELECT 1 FROM announcements"))
        time.sleep(0.2)
        return
    idle = "state = 'idle in transaction' AND application_name ~ '^reconciler '"
    until(lambda: db.sql(f"SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND {idle}"))


def until_waiting(db: Db, count: int = 1) -> None:
    """PostgreSQL: until that many sessions wait for a lock."""
    waiting = "datname = current_database() AND wait_event_type = 'Lock'"
    until(lambda: db.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {waiting}")[0][0] >= count)
