"""What this server last saw of each MCP server: for who pins from outside, and reaches none of them."""

from __future__ import annotations

import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from reconciler import strict_json
from reconciler.kinds.connector.mcp_definition import Definition
from reconciler.runtime.mcp.client import Listed
from reconciler.runtime.mcp.messages import Server
from reconciler.strict_json import NotStrict

KEEP_SECONDS, FRESH_SECONDS = 86_400.0, 60.0
"""How long what was seen is kept, and how long nobody asks again."""
REKEPT_SECONDS = 600.0
"""How often what stays the same is written again, so that it is not taken to be old."""
MOST = 2_000
"""Connectors of all tenants; the one that was seen longest ago is forgotten first."""
MOST_KEPT_BYTES = 2**20
"""Compressed, of one server: what is longer is kept in memory alone."""
MOST_BYTES = 64 * 2**20
Key = tuple[str, str]
"""Tenant and connector."""


class SeenServer(NamedTuple):
    """What a server said and listed; ``at`` in Unix time."""

    reached: str
    server: Server
    listed: Listed
    at: float


class Seen:
    """By tenant and connector. In memory; a worker keeps what is new in the store, where it outlives this process."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._found: OrderedDict[Key, SeenServer] = OrderedDict()
        self._unkept: set[Key] = set()
        self._kept: dict[Key, SeenServer] = {}

    def note(self, tenant: str, connector: str, reached: str, server: Server, listed: Listed) -> SeenServer:
        """Keep what a server listed just now."""
        found = self._found[tenant, connector] = SeenServer(reached, server, listed, self._now())
        self._found.move_to_end((tenant, connector))
        if len(self._found) > MOST:
            gone, _ = self._found.popitem(last=False)
            self._kept.pop(gone, None)
        kept = self._kept.get((tenant, connector))
        if kept is None or kept[:3] != found[:3] or found.at - kept.at > REKEPT_SECONDS:
            self._unkept.add((tenant, connector))
        return found

    def learn(self, tenant: str, connector: str, found: SeenServer) -> None:
        """Take what a server saw before, or another one, where it is newer."""
        own = self._found.get((tenant, connector))
        if own is None or own.at < found.at:
            self._found[tenant, connector] = self._kept[tenant, connector] = found

    def take(self) -> dict[Key, SeenServer]:
        """Return what is not in the store yet, and take it to be there."""
        found = {key: self._found[key] for key in self._unkept if key in self._found}
        self._unkept.clear()
        self._kept |= found
        return found

    def put_back(self, keys: dict[Key, SeenServer]) -> None:
        """Take what could not be written not to be in the store."""
        self._unkept |= keys.keys()

    def of(self, tenant: str, connector: str, reached: str, within: float = KEEP_SECONDS) -> SeenServer | None:
        """Return what was seen of a connector's server within so many seconds; None if that was another server."""
        found = self._found.get((tenant, connector))
        if found is None or found.reached != reached or self._now() - found.at > within:
            return None
        return found


def packed(found: SeenServer) -> bytes | None:
    """Return what a server said and listed as compressed JSON; None for what is too long to be kept."""
    tools = {name: dict(one.members) for name, one in found.listed.tools.items()}
    # the id of a session is the running process's alone
    told = [*found.server[:3], tools, dict(found.listed.malformed)]
    data = zlib.compress(strict_json.write(told))
    return data if len(data) <= MOST_KEPT_BYTES else None


def unpacked(reached: str, at: float, data: bytes) -> SeenServer | None:
    """Return what ``packed`` made; None for anything else."""
    try:
        decompressor = zlib.decompressobj()
        protocol, name, version, tools, malformed = strict_json.read(decompressor.decompress(data, MOST_BYTES))
        listed = Listed({one: Definition(one, members) for one, members in tools.items()}, malformed)
        return SeenServer(reached, Server(protocol, name, version), listed, at)
    except (zlib.error, NotStrict, ValueError, TypeError, AttributeError):
        return None
