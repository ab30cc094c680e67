"""The runtime's own events for the destinations of serve.yaml, kept in its store until each was delivered, at least once."""

from __future__ import annotations

from reconciler.model.notification import Destination, RuntimeEvent, subscribed
from reconciler.notify.send import send
from reconciler.runtime.ledger.letters import claim, drop_old, enqueue, settle
from reconciler.runtime.ledger.writing import writing_store
from reconciler.runtime.threads import in_thread
from reconciler.store.url import Database


class Outbox:
    """``store`` is the runtime's."""

    def __init__(self, store: Database, destinations: tuple[Destination, ...]) -> None:
        self._store, self.destinations = store, destinations

    async def emit(self, event: RuntimeEvent) -> None:
        """Keep an event durably, to be sent by whichever server comes first. Raises what the store says.

        To keep it in the transaction of what it tells of, use ``letters.enqueue``.
        """
        if subscribed(self.destinations, event.type):
            await in_thread(self._emit, event)

    def _emit(self, event: RuntimeEvent) -> None:
        with writing_store(self._store) as connection:
            enqueue(connection, self.destinations, event)

    async def deliver(self) -> list[str]:
        """Send what is due; return why letters were not delivered. Raises what the store says."""
        return await in_thread(self._deliver)

    def _deliver(self) -> list[str]:
        reasons = []
        for destination in self.destinations:
            while claimed := claim(self._store, destination):
                reason = send(destination, claimed.letter)
                settle(self._store, claimed, reason)
                if reason is not None:
                    reasons.append(f"{destination.name}: {reason}")
                    break  # the rest would fare the same
        return reasons

    async def drop_old(self) -> list[str]:
        """Give up what is older than a week; return a sentence about each event that was not delivered."""
        return [f"{name}: an event was given up after a week" for name in await in_thread(drop_old, self._store)]
