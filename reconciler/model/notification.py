"""What people and other programs are told after the fact, and where: events and destinations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from reconciler.model.address import Address

APPLY, DRIFT, HEARTBEAT, HEAD = "apply", "drift", "heartbeat", "audit-head"
HEALTH, APPROVAL, INCIDENT, LIMIT = "health", "approval", "incident", "limit"
"""Events of a runtime."""
MAX_LISTED = 100
"""Addresses that one event names; it says how many more there were."""


class Destination(Struct, frozen=True):
    """``url`` and ``secret`` may be secret references; they are resolved when something is sent."""

    name: str
    type: str
    url: str
    secret: str | None
    events: frozenset[str]


class RuntimeEvent(Struct, frozen=True):
    """What a runtime tells of itself. ``id`` is its idempotency key: an event that is emitted twice is sent once.

    ``type`` is one of HEALTH, APPROVAL, INCIDENT and LIMIT, ``at`` ISO 8601 in UTC, ``summary`` one sentence for people. ``data``
    holds no values of calls and no secrets.
    """

    id: str
    type: str
    at: str
    tenant: str
    summary: str
    data: Mapping[str, Any]

    def document(self) -> Event:
        """Return what is sent."""
        more = {"format_version": "1.0", "tenant": self.tenant, "summary": self.summary}
        return {"type": f"reconciler.{self.type}", "timestamp": self.at, "data": {**self.data, **more}}


def subscribed(destinations: Iterable[Destination], event: str) -> tuple[str, ...]:
    """Return the names of the destinations that want to hear of this."""
    return tuple(destination.name for destination in destinations if event in destination.events)


def event(type_: str, at: str, data: Mapping[str, Any], items: Iterable[tuple[Address, Mapping[str, Any]]]) -> Event:
    """``at`` is ISO 8601 in UTC; of ``items`` the first are listed. Values of fields never are: they stay in the database."""
    listed = [{"address": str(address), **more} for address, more in items]
    return {
        "type": f"reconciler.{type_}",
        "timestamp": at,
        "data": {
            "format_version": "1.0",
            **data,
            "resources": listed[:MAX_LISTED],
            "left_out": max(0, len(listed) - MAX_LISTED),
        },
    }


Event = dict[str, Any]
