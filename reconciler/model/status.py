"""What is decided about callers and systems while they run, and no apply touches: keys and freezes."""

from __future__ import annotations

from typing import NamedTuple

FREEZABLE = ("caller", "connector", "integration", "template", "datasource", "plane", "tool")
"""What of a tenant may be frozen; beside these: a tenant, a key, and the whole platform."""


class CallerKey(NamedTuple):
    """An issued key: never the key itself. Times are ISO 8601 in UTC."""

    id: str
    tenant: str
    caller: str
    uid: str
    digest: str
    created_at: str
    created_by: str
    expires_at: str
    revoked_at: str | None = None
    revoked_by: str | None = None

    def is_active(self, now: str) -> bool:
        return self.revoked_at is None and now < self.expires_at


class Freeze(NamedTuple):
    """``target`` is ``platform``, ``tenant/NAME``, ``key/ID`` or ``TENANT/KIND/NAME``."""

    id: str
    target: str
    reason: str
    frozen_at: str
    frozen_by: str


class Status(NamedTuple):
    """Keys that may still be good, by id; and what is frozen."""

    keys: dict[str, CallerKey]
    frozen: frozenset[str]
