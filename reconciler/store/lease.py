"""The lease of PostgreSQL's lock: who waits ends a holder that has been silent for too long.

The server ends a session that is idle inside of a transaction by itself. It does not while it waits for the rest of a COPY
or for a reader of its answer, whatever timeout is set [measured on 18]; ``pg_terminate_backend`` ends those too.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, text

from reconciler.store.connect import reading
from reconciler.store.url import Database

_HOLDER = """
WITH RECURSIVE queue (pid, depth) AS (
  SELECT unnest(pg_blocking_pids(:pid)), 1
  UNION SELECT b.pid, q.depth + 1 FROM queue q, unnest(pg_blocking_pids(q.pid)) AS b (pid) WHERE q.depth < 50)
SELECT a.pid, COALESCE(NULLIF(a.application_name, ''), 'another session') AS name, a.usename AS role,
  a.state = 'idle in transaction' AS idle, a.wait_event_type = 'Client' AS waits,
  concat_ws(' ', a.pid, a.backend_start, a.state_change, c.bytes_processed) AS progress
FROM queue q JOIN pg_stat_activity a ON a.pid = q.pid LEFT JOIN pg_stat_progress_copy c ON c.pid = a.pid
ORDER BY q.depth DESC LIMIT 1"""


class Lease:
    """The holder of what one server process waits for, looked at again and again."""

    def __init__(self, database: Database, pid: int) -> None:
        self._database = database
        self._pid = pid
        self._silent: tuple[str, float] | None = None
        """What the holder had done when it was found silent, and when that was."""

    def look(self) -> str | None:
        """Name the holder, None while there is nobody to wait for; end it if its lease is over."""
        with reading(self._database) as connection:
            found: Any = connection.execute(text(_HOLDER), {"pid": self._pid}).first()
            if found is None:
                return None
            if self._is_over(found):
                _end(connection, found.pid)
            return f"{found.name} (role {found.role}, server process {found.pid})"

    def _is_over(self, holder: Any) -> bool:
        """Whether an applier of ours has done nothing since ``lease`` seconds but wait for its own process."""
        if not (holder.name.startswith("reconciler ") and (holder.idle or holder.waits)):
            self._silent = None
            return False
        if self._silent is None or self._silent[0] != holder.progress:
            self._silent = holder.progress, time.monotonic()
        return time.monotonic() - self._silent[1] > self._database.bounds.lease


def _end(connection: Connection, pid: int) -> None:
    """Another role may not, and the message names the process for whoever may."""
    with suppress(Exception):
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
