"""What the MCP servers of a tenant's connectors list, as this server sees them: for operators who reach none of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.errors import ReconcilerError
from reconciler.kinds.connector.mcp_definition import Definition
from reconciler.kinds.connector.mcp_lock import reached
from reconciler.kinds.connector.served import unserved
from reconciler.runtime.call import Failed
from reconciler.runtime.ledger.seen_rows import SeenRow, keep_seen, seen_in
from reconciler.runtime.mcp.seen import FRESH_SECONDS, KEEP_SECONDS, Seen, SeenServer, packed, unpacked
from reconciler.runtime.pools import Pools
from reconciler.runtime.source import Source
from reconciler.runtime.threads import in_thread
from reconciler.store.url import Database

HELD = "it holds a secret that was sent to the server"


class ConnectorSeen(NamedTuple):
    """One connector, and what is known of its server: ``seen``, or why nothing is."""

    name: str
    reached: str
    seen: SeenServer | Failed


class Servers:
    """The MCP servers behind the connectors in force."""

    def __init__(self, source: Source, pools: Pools, store: Database | None = None) -> None:
        self._source, self._pools, self._store = source, pools, store

    async def of(self, tenant: str) -> list[ConnectorSeen]:
        """Return what each server lists: one that was seen a minute ago is not asked, one that is away is as it was seen last.

        Tools in which a secret of the tenant stands are left out as malformed.
        """
        # asking loads aiohttp: not before somebody wants that
        from reconciler.runtime.mcp.pin import Answered, Asked, ask_all

        around = self._pools.around(tenant)
        seen = around.seen
        connectors = [*self._connectors(tenant)]
        await self._learn(tenant, connectors, seen)
        stale = [one for one in connectors if seen.of(tenant, _name(one), reached(one.body), FRESH_SECONDS) is None]
        answers = await ask_all([Asked(one.known.address, one.body, around) for one in stale])
        failed: dict[str, Failed] = {}
        for one, answer in zip(stale, answers, strict=True):
            if isinstance(answer, Answered):
                seen.note(tenant, _name(one), reached(one.body), *answer)
            else:
                failed[_name(one)] = answer
        found = []
        for one in connectors:
            last: SeenServer | None = seen.of(tenant, _name(one), reached(one.body))
            shown = self.shown(tenant, last) if last is not None else failed[_name(one)]
            found.append(ConnectorSeen(_name(one), reached(one.body), shown))
        return found

    async def _learn(self, tenant: str, connectors: list[Resource], seen: Seen) -> None:
        """Read what was seen before this process began, or by another one. A store that fails costs this alone."""
        if self._store is None or all(seen.of(tenant, _name(one), reached(one.body)) for one in connectors):
            return
        with contextlib.suppress(ReconcilerError):
            for row in await in_thread(seen_in, self._store, tenant):
                if (found := unpacked(row.reached, row.at, row.seen)) is not None:
                    seen.learn(tenant, row.connector, found)

    async def keep(self) -> None:
        """Write what was seen into the store, without secrets that were sent. Raises what the store says."""
        seen = self._pools.seen
        taken = seen.take()
        shown = ((tenant, name, self.shown(tenant, one)) for (tenant, name), one in taken.items())
        rows = [
            SeenRow(tenant, name, one.reached, one.at, data)
            for tenant, name, one in shown
            if (data := packed(one)) is not None
        ]
        try:
            if self._store is not None and rows:
                await in_thread(keep_seen, self._store, rows, KEEP_SECONDS)
        except BaseException:
            seen.put_back(taken)
            raise

    def _connectors(self, tenant: str) -> Iterator[Resource]:
        """Yield the connectors that may be used: none that is frozen or suspended."""
        in_force = self._source.current()
        found = in_force.snapshot.tenant(tenant)
        for name in found.names("connector"):
            one = found.resource(name)
            if one is None or one.body["type"] != "mcp" or one.body.get("runtime") is False or unserved(one.body):
                continue
            if not one.known.suspended and in_force.status.freeze_over(one.known.address, one.known.uid) is None:
                yield one

    def shown(self, tenant: str, found: SeenServer) -> SeenServer:
        """Return what was seen without the secrets of the tenant: a tool in which one stands is malformed."""
        secrets = self._pools.secrets(tenant)
        held = {name for name, one in found.listed.tools.items() if secrets.is_in(_json(one))}
        server = found.server._replace(name=secrets.text(found.server.name), version=secrets.text(found.server.version))
        tools = {name: one for name, one in found.listed.tools.items() if name not in held}
        unusable = {**found.listed.malformed, **dict.fromkeys(held, HELD)}
        malformed = {secrets.text(name): why for name, why in unusable.items()}
        return found._replace(server=server, listed=found.listed._replace(tools=tools, malformed=malformed))


def _name(connector: Resource) -> str:
    return connector.known.address.name


def _json(tool: Definition) -> str:
    return strict_json.write({"name": tool.name, **tool.members}).decode()
