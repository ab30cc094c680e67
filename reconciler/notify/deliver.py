"""What waits in the outbox, sent to those who subscribed; what can't be sent now stays for the next time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from reconciler.model.notification import Destination
from reconciler.notify.send import send
from reconciler.store.outbox import claim, delivered, drop_old, failed
from reconciler.store.url import Database

TOTAL_SECONDS = 30.0
"""No command takes longer than this, and one attempt, for the sake of notifications."""


def deliver(database: Database, project: str, destinations: Iterable[Destination], tell: Callable[[str], None]) -> None:
    """At least once each: whoever is killed between sending and noting it sends again, under the same id.

    ``tell`` gets a line for what was not delivered. Raises ReconcilerError where the database can't be used.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    for destination in destinations:
        while time.monotonic() < deadline and (letter := claim(database, project, destination.name)):
            reason = send(destination, letter)
            if reason is None:
                delivered(database, letter)
                continue
            failed(database, letter, reason)
            tell(
                f"Warning: the notification {destination.name!r} was not delivered: {reason}. It is kept, and tried again "
                "by the next apply or `drift --notify`."
            )
            break  # the rest would fare the same; it need not wait for it
    for name, count in drop_old(database, project).items():
        tell(
            f"Warning: {count} notification(s) to {name!r} were given up, since they could not be delivered for a week."
        )
