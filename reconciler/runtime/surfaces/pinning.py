"""What MCP servers list, in the operators' API: for `mcp pin --from-runtime`, where nobody outside reaches the servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict

from starlette.requests import Request

from reconciler.runtime.call import Failed
from reconciler.runtime.mcp.servers import ConnectorSeen
from reconciler.runtime.surfaces.operator import OperatorsApi
from reconciler.runtime.surfaces.routes import Route


class SeenTool(TypedDict):
    """What can be pinned of a tool, by the names that a lock has."""

    name: str
    members: dict[str, Any]


class ServerSeen(TypedDict):
    """What one connector's server listed, and when; or the ``problem``, a code, why nobody knows."""

    connector: str
    reached: str
    problem: NotRequired[str]
    message: NotRequired[str]
    seen_at: NotRequired[str]
    protocol: NotRequired[str]
    server: NotRequired[dict[str, str]]
    tools: NotRequired[list[SeenTool]]
    malformed: NotRequired[dict[str, str]]


class ServersSeen(TypedDict):
    """The connectors of one tenant that reach MCP servers."""

    servers: list[ServerSeen]


async def list_servers(api: OperatorsApi, request: Request, _: None) -> ServersSeen:
    """Return what each MCP server lists to the connectors of a tenant."""
    found = await api.servers.of(request.path_params["tenant"])
    return {"servers": [_shown(one) for one in found]}


def _shown(one: ConnectorSeen) -> ServerSeen:
    if isinstance(one.seen, Failed):
        return {"connector": one.name, "reached": one.reached, "problem": one.seen.code, "message": str(one.seen)}
    _, server, listed, at = one.seen
    return {
        "connector": one.name,
        "reached": one.reached,
        "seen_at": datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
        "protocol": server.protocol,
        "server": {"name": server.name, "version": server.version},
        "tools": [{"name": name, "members": {**tool.members}} for name, tool in sorted(listed.tools.items())],
        "malformed": dict(listed.malformed),
    }


def routes(top: str) -> Iterator[Route[OperatorsApi]]:
    """Yield the route under ``top``, which names the tenant."""
    path = f"{top}/mcp-servers"
    yield Route("GET", path, "List what MCP servers list.", list_servers, ServersSeen, scope="operate")
