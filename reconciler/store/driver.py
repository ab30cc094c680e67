"""PostgreSQL's driver with a bound on every exchange with the server."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import waiting

from reconciler.store.bounds import Bounds

CANCEL_SECONDS = 1.0
"""Given to the server to end the statement before its connection is closed."""
GRACE = 3.0
"""Beyond what the server bounds by itself: its answer has to arrive."""
INTERVAL = 0.1
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}

# what the drivers log about a connection that ended is said by our own errors
for _name in ("psycopg", "sqlalchemy"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class Late(psycopg.OperationalError):
    """The server did not answer within ``seconds``; the connection is closed."""

    seconds = 0.0


class BoundedConnection(psycopg.Connection[Any]):
    """A connection of which no statement, commit or COPY outlives its bound, whatever the server or a proxy does.

    When the time is over, or the process is interrupted, the server is asked to cancel, and the connection is closed.
    """

    ends = float("inf")
    """The moment (time.monotonic) at which the connection ends."""
    allowed = 60.0
    """Seconds for one exchange."""
    seconds_late: float | None = None
    """Set once the time was over: the bound that was missed."""

    def wait(self, gen: Any, interval: float = INTERVAL, timeout: float | None = None) -> Any:
        """Consume ``gen`` as the base class does, within the bounds. Raises Late."""
        started = time.monotonic()
        until = min(self.ends, started + (self.allowed if timeout is None else min(timeout, self.allowed)))
        try:
            return waiting.wait(_until(gen, until), self.pgconn.socket, interval)
        except Late as late:
            late.seconds = self.seconds_late = max(0.0, until - started)
            self._give_up()
            raise
        except (KeyboardInterrupt, SystemExit):
            self._give_up()
            raise

    def _give_up(self) -> None:
        try:
            with suppress(Exception):
                if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                    self.cancel_safe(timeout=CANCEL_SECONDS)
        finally:
            self.pgconn.finish()


def _until(gen: Generator[Any, Any, Any], until: float) -> Generator[Any, Any, Any]:
    """Pass on what ``gen`` waits for. Raises Late once time.monotonic() is beyond ``until``."""
    try:
        waits = next(gen)
        while True:
            ready = yield waits
            if time.monotonic() > until:
                raise Late("the server did not answer in time")
            waits = gen.send(ready)
    except StopIteration as ended:
        return ended.value


def timeouts(connection: BoundedConnection, bounds: Bounds, lock: float, idle: float) -> str:
    """Return the statement that makes the server hold the bounds for one transaction; ``lock`` and ``idle`` in seconds.

    A lower timeout that the role has stays. Session settings would survive into a pooling proxy's next client.
    """
    settings = [f"set_config('lock_timeout', '{_ms(lock)}', true)"]
    bounded = {
        "statement_timeout": max(bounds.statement, lock + GRACE),
        "idle_in_transaction_session_timeout": idle,
        "transaction_timeout": bounds.total + lock,
    }
    if connection.info.server_version < 170000:
        del bounded["transaction_timeout"]
    for name, seconds in bounded.items():
        own, ours = f"current_setting('{name}')", _ms(seconds)
        lower = f"{own}::interval BETWEEN '1 ms' AND '{ours} ms'"
        settings.append(f"set_config('{name}', CASE WHEN {lower} THEN {own} ELSE '{ours}' END, true)")
    settings.append(f"set_config('tcp_user_timeout', '{_ms(idle)}', true)")
    settings += [f"set_config('tcp_{name}', '{value}', true)" for name, value in KEEPALIVES.items()]
    return f"SELECT {', '.join(settings)}"


def _ms(seconds: float) -> int:
    return max(1, min(int(seconds * 1000), 2**31 - 1))
