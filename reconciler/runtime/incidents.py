"""Incidents that calls meet: a server's definition of a tool is no longer the pinned one."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.access.target import Target
from reconciler.model.notification import INCIDENT, RuntimeEvent

MOST = 1000
"""Events that wait; what comes beyond them is met again by later calls."""


class Incidents:
    """Noted by calls, taken by the worker that emits them. The same pin is one incident, however many calls meet it."""

    def __init__(self) -> None:
        self._waiting: dict[str, RuntimeEvent] = {}

    def note(self, target: Target, code: str) -> None:
        """Note a call that ended with ``code``."""
        if code != "tool-changed" or target.part is None or len(self._waiting) >= MOST:
            return
        pin = str(target.part.get("pin"))
        identity = f"tool-changed-{target.connector.known.uid}-{target.part_name}-{pin}"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        summary = f"{target.name} is not what was pinned: agents can't call it until it is pinned anew"
        data = {"address": str(target.connector.known.address), "tool": target.part_name, "pin": pin}
        self._waiting.setdefault(identity, RuntimeEvent(identity, INCIDENT, now, target.tenant, summary, data))

    def take(self) -> list[RuntimeEvent]:
        """Return what was noted, and begin anew."""
        taken, self._waiting = [*self._waiting.values()], {}
        return taken
