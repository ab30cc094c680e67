"""Ways to connectors, one for each tenant and life of a connector: opened when first used, closed when nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping

from msgspec import Struct, field

from reconciler.access.resource import Resource
from reconciler.runtime import tracing
from reconciler.runtime.call import Answer, Call, Connection, Failed, Open, Resolve, Surroundings
from reconciler.runtime.mcp.seen import Seen
from reconciler.secrets.scrub import Scrubber

IDLE_SECONDS = 60.0
MOST = 200
MASK = "***"
MOST_SECRETS = 256
"""Of one tenant: those that were rotated away are known until so many others came after them."""
Key = tuple[str, str, str]


class _Way(Struct):
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: Connection | None = None
    users: int = 0
    used: float = 0.0


class Pools:
    """``may_run`` says whether a call was admitted: without a durable intent nothing goes anywhere."""

    def __init__(self, opens: Mapping[str, Open], around: Surroundings, may_run: Callable[[str], bool]) -> None:
        self._around = around._replace(
            resolve=self._noting(around.resolve),
            resolve_anew=self._noting(around.resolve_anew),
            note=lambda tenant, secret: self.secrets(tenant).add(secret),
            seen=Seen(),
        )
        self._opens, self._may_run = opens, may_run
        self._secrets: dict[str, Scrubber] = {}
        self._ways: dict[Key, _Way] = {}

    async def run(self, evidence_id: str, call: Call) -> Answer:
        """Run a call on a connection of the pool. Raises Failed."""
        async with self.using(evidence_id, call.tenant, call.connector) as connection:
            body = call.connector.body
            if body["type"] != "sql":
                return await connection.run(call)  # which traces each request that it sends
            with tracing.part("database", body["dialect"], _attributes, call):
                return await connection.run(call)

    @contextlib.asynccontextmanager
    async def using(self, evidence_id: str, tenant: str, connector: Resource) -> AsyncIterator[Connection]:
        """Yield the connection to a connector, which stays open meanwhile. Raises Failed."""
        if not self._may_run(evidence_id):
            raise Failed("not-admitted", "no intent was recorded for this call", "blocked")
        way = self._ways.setdefault(_key(tenant, connector), _Way())
        way.users += 1
        try:
            async with way.lock:
                if way.connection is None:
                    await self._make_room()
                    way.connection = await self._open(tenant, connector)
            yield way.connection
        finally:
            way.users -= 1
            way.used = time.monotonic()

    async def ping(self, tenant: str, connector: Resource, starts: bool) -> bool:
        """Ask a connector for its cheapest answer, by a way of its own where none is open.

        Returns False where that would start a program, and ``starts`` says not to. Raises Failed.
        """
        way = self._ways.get(_key(tenant, connector))
        if way is not None and way.connection is not None:
            way.users += 1
            try:
                await way.connection.ping()
            finally:
                way.users -= 1  # it stays as idle as it was: nobody used it
            return True
        if connector.body.get("transport") == "stdio" and not starts:
            return False
        opened = await self._open(tenant, connector)
        try:
            await opened.ping()
        finally:
            with contextlib.suppress(Exception):
                await opened.close()
        return True

    @property
    def seen(self) -> Seen:
        """What was seen of MCP servers by the ways of these pools."""
        found: Seen = self._around.seen
        return found

    def around(self, tenant: str) -> Surroundings:
        """Return what a tenant's connectors are opened with."""
        if self._around.tokens is None:
            from reconciler.runtime.connectors.oauth import Tokens  # an extra, which not every command needs

            self._around = self._around._replace(tokens=Tokens())
        return self._around._replace(permits=self._around.permits.of(tenant))

    def secrets(self, tenant: str) -> Scrubber:
        """Return what knows the secrets that were resolved for a tenant: none of its answers may hold one."""
        if tenant not in self._secrets:
            self._secrets[tenant] = Scrubber(MASK, MOST_SECRETS)
        return self._secrets[tenant]

    def _noting(self, resolve: Resolve) -> Resolve:
        async def noted(tenant: str, reference: str) -> str:
            found = await resolve(tenant, reference)
            self.secrets(tenant).add(found)
            return found

        return noted

    async def _open(self, tenant: str, connector: Resource) -> Connection:
        kind = connector.known.address.kind
        kind = connector.body["type"] if kind == "connector" else kind
        opens = self._opens.get(kind)
        if opens is None:
            raise Failed("not-supported", f"connectors of the type {kind} can't be used yet", "blocked")
        return await opens(tenant, connector, self.around(tenant))

    async def _make_room(self) -> None:
        idle = sorted((way.used, key) for key, way in self._ways.items() if way.connection and not way.users)
        for _, key in idle[: max(0, len(self._ways) - MOST + 1)]:
            await self._close(self._ways.pop(key))

    async def close_idle(self) -> None:
        """Also those of connectors that have changed: nobody uses them any more."""
        before = time.monotonic() - IDLE_SECONDS
        for key, way in [*self._ways.items()]:
            if not way.users and way.used < before:
                del self._ways[key]
                await self._close(way)

    async def close(self) -> None:
        ways, self._ways = [*self._ways.values()], {}
        await asyncio.gather(*map(self._close, ways))

    async def _close(self, way: _Way) -> None:
        if way.connection is not None:
            with contextlib.suppress(Exception):
                await way.connection.close()


def _attributes(call: Call) -> tracing.Attributes:
    return {"db.system.name": call.connector.body["dialect"]}


def _key(tenant: str, connector: Resource) -> Key:
    live = connector.known.live
    return tenant, connector.known.uid, live.json if live else ""
