"""What this server last saw of each MCP server: for who pins from outside, and reaches none of them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from reconciler.runtime.mcp.client import Listed
from reconciler.runtime.mcp.messages import Server

KEEP_SECONDS, FRESH_SECONDS = 86_400.0, 60.0
"""How long what was seen is kept, and how long nobody asks again."""
MOST = 2_000
"""Connectors of all tenants; the one that was seen longest ago is forgotten first."""


class SeenServer(NamedTuple):
    """What a server said and listed; ``at`` in Unix time."""

    reached: str
    server: Server
    listed: Listed
    at: float


class Seen:
    """By tenant and connector. In memory: after a restart a server is asked again."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._found: OrderedDict[tuple[str, str], SeenServer] = OrderedDict()

    def note(self, tenant: str, connector: str, reached: str, server: Server, listed: Listed) -> SeenServer:
        """Keep what a server listed just now."""
        found = self._found[tenant, connector] = SeenServer(reached, server, listed, self._now())
        self._found.move_to_end((tenant, connector))
        if len(self._found) > MOST:
            self._found.popitem(last=False)
        return found

    def of(self, tenant: str, connector: str, reached: str, within: float = KEEP_SECONDS) -> SeenServer | None:
        """Return what was seen of a connector's server within so many seconds; None if that was another server."""
        found = self._found.get((tenant, connector))
        if found is None or found.reached != reached or self._now() - found.at > within:
            return None
        return found
