"""How long a connection, a statement, a lock's wait and a silent holder of a lock may take, in seconds."""

from __future__ import annotations

import os

from msgspec import Struct

from reconciler.errors import UsageError

TIMEOUT_VARIABLE = "RECONCILER_TIMEOUT"
LEASE_VARIABLE = "RECONCILER_LOCK_LEASE"
MOST = 86400.0


class Bounds(Struct, frozen=True):
    """Bounds in seconds.

    ``connect`` until a connection stands, ``statement`` until the server has answered one, ``total`` from the opening of a
    connection to its end.

    ``lease``: the server ends the session of a writer that sends nothing for so long while it holds locks.
    """

    connect: float = 10.0
    statement: float = 60.0
    total: float = 600.0
    lease: float = 30.0


def bounds_of_environment() -> Bounds:
    """Return the bounds of a command: RECONCILER_TIMEOUT is its total, a tenth of that a statement's. Raises UsageError."""
    plain = Bounds()
    total = _seconds(TIMEOUT_VARIABLE, plain.total)
    return Bounds(
        connect=min(plain.connect, total),
        statement=max(min(total, 1.0), total / 10),
        total=total,
        lease=_seconds(LEASE_VARIABLE, plain.lease),
    )


def _seconds(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= MOST:
        raise UsageError(
            f"{variable} is not a number of seconds", hint=f"expected 0.1 to {MOST:.0f}, such as {default:.0f}"
        )
    return seconds
