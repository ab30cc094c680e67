"""One MCP server, as whoever pins and whoever calls sees it: its tools, and a call of one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from reconciler.kinds.connector.mcp_definition import Definition, Malformed, definition_of
from reconciler.model.characters import visible
from reconciler.runtime.call import Failed
from reconciler.runtime.mcp.channel import Channel, NotSpoken, SessionLost
from reconciler.runtime.mcp.messages import (
    INVALID_PARAMS,
    LEGACY,
    METHOD_NOT_FOUND,
    MODERN,
    UNSUPPORTED_VERSION,
    RpcError,
    Server,
    client_info,
    discovered,
    envelope,
    header_value,
    initialized,
)
from reconciler.runtime.tracing import METHOD, OPERATION, TOOL, TOOL_ERROR, Attribute, Attributes, part
from reconciler.strict_json import Unreadable

START_SECONDS = 30.0
LONGEST_NAME = 128
"""Characters of a tool's name in a report of a malformed one."""
MOST_PAGES, MOST_TOOLS, MOST_BYTES = 100, 5_000, 16 * 2**20
"""Of one list of tools, all pages together."""
_CALL = "tools/call"
_NONE: Mapping[str, str] = MappingProxyType({})


class Listed(NamedTuple):
    """The tools of a server by name, and why each of the others can't be used."""

    tools: Mapping[str, Definition]
    malformed: Mapping[str, str]


class Client:
    """``channel`` belongs to this client alone. First contact is made when something is asked, and once for all who wait."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._server: Server | None = None
        self._contact: asyncio.Task[Server] | None = None

    async def server(self, deadline: float = float("inf")) -> Server:
        """Return what the server says of itself, asking it if nobody has; that goes on when a caller's time is up. Raises Failed."""
        if self._server is not None:
            return self._server
        if self._contact is None or self._contact.done():
            self._contact = asyncio.create_task(self._begin(asyncio.get_running_loop().time() + START_SECONDS))
        contact = self._contact
        done, _ = await asyncio.wait({contact}, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        if not done:
            raise Failed("timeout", "the server took too long to start", "blocked")
        if contact.cancelled():
            raise Failed("unreachable", "the connection to the server was closed", "blocked")
        self._server = contact.result()
        return self._server

    async def tools(self, deadline: float = float("inf")) -> Listed:
        """Return what the server lists now. Raises Failed; RpcError is one."""
        within = min(deadline, asyncio.get_running_loop().time() + START_SECONDS)
        self.channel.changed = False
        found: list[Any] = []
        params: dict[str, Any] = {}
        for _ in range(MOST_PAGES):
            try:
                result = await self._ask("tools/list", params, within, MOST_BYTES)
            except RpcError:
                raise Failed("upstream-failed", "the server lists no tools", "failure") from None
            page = result.get("tools")
            found += page if isinstance(page, list) else []
            if len(found) > MOST_TOOLS:
                raise Failed("too-large", f"the server lists more than {MOST_TOOLS} tools")
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                return _listed(found)
            params = {"cursor": cursor}
        raise Failed("too-large", f"the server's list has more than {MOST_PAGES} pages")

    async def call(
        self, tool: str, arguments: Mapping[str, Any], headers: Mapping[str, str], deadline: float, most: int
    ) -> dict[str, Any]:
        """Return the result of a tool as the server gives it.

        ``headers`` are names of arguments whose values go into headers too, with the header's. Raises Failed, RpcError.
        """
        sent = {f"Mcp-Param-{header}": header_value(arguments.get(name)) for name, header in headers.items()}
        given = {name: value for name, value in sent.items() if value is not None}
        return await self._ask(_CALL, {"name": tool, "arguments": dict(arguments)}, deadline, most, given)

    async def close(self) -> None:
        if self._contact is not None:
            self._contact.cancel()
            await asyncio.wait({self._contact})
        await self.channel.close()

    async def _ask(
        self, method: str, params: Mapping[str, Any], deadline: float, most: int, headers: Mapping[str, str] = _NONE
    ) -> dict[str, Any]:
        for is_last in (False, True):
            server = await self.server(deadline)
            try:
                with part("mcp-client", method, _attributes, self.channel.reached, server, method, params) as asked:
                    own = _labelled(server, method, params) if server.is_modern else _NONE
                    meta = asked.beside(envelope(server.protocol) if server.is_modern else _NONE)
                    whole = {**params, "_meta": meta} if meta else params
                    labelled = asked.beside({**own, **headers})
                    result, _ = await self.channel.ask(method, whole, server, deadline, most, labelled)
                    if method == _CALL and result.get("isError") is True:
                        asked.fail(TOOL_ERROR)
                    return result
            except SessionLost:
                if is_last:
                    raise Failed("upstream-failed", "the server does not keep its sessions", "failure") from None
                self._server = None if self._server is server else self._server
        raise AssertionError

    async def _begin(self, deadline: float) -> Server:
        """Make first contact: the newest revision, or the handshake of the older ones. Raises Failed."""
        method = "server/discover"
        modern = Server(MODERN)
        headers = {**_labelled(modern, method, {}), "MCP-Protocol-Version": MODERN}
        try:
            result, _ = await self.channel.ask(method, {"_meta": envelope(MODERN)}, None, deadline, MOST_BYTES, headers)
            found = discovered(result)
            if found is not None:
                return found
        except NotSpoken:
            pass
        except RpcError as error:
            if error.code not in {METHOD_NOT_FOUND, INVALID_PARAMS, UNSUPPORTED_VERSION}:
                raise Failed("upstream-failed", "the server refuses to say what it is", "failure") from None
        return await self._initialize(deadline)

    async def _initialize(self, deadline: float) -> Server:
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client_info()}
        try:
            result, session = await self.channel.ask("initialize", params, None, deadline, MOST_BYTES, _NONE)
        except (RpcError, NotSpoken) as error:
            if isinstance(error, RpcError) and error.code == UNSUPPORTED_VERSION:
                return Server(MODERN)
            raise Failed("upstream-failed", "the server speaks no MCP that is known here", "failure") from None
        found = initialized(result, session)
        if found is None:
            raise Failed("upstream-failed", "the server speaks no revision of MCP that is known here", "failure")
        with contextlib.suppress(Failed):
            await self.channel.tell("notifications/initialized", found)
        return found


def _labelled(server: Server, method: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers by which a modern request over HTTP says what it is."""
    named = header_value(params["name"]) if method == _CALL else None
    return {"Mcp-Method": method, **({"Mcp-Name": named} if named is not None else {})}


def _attributes(reached: str, server: Server, method: str, params: Mapping[str, Any]) -> Attributes:
    """Return what a trace shows of a request; of what was reached the host alone."""
    found: dict[str, Attribute] = {METHOD: method, "mcp.protocol.version": server.protocol}
    if method == _CALL:
        found |= {OPERATION: "execute_tool", TOOL: params["name"]}
    parts = urlsplit(reached)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return {**found, "network.transport": "pipe"}
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {**found, "network.transport": "tcp", "server.address": parts.hostname, "server.port": port}


def _name_of(told: Any) -> str:
    whole = told.value if isinstance(told, Unreadable) else told
    name = whole.get("name") if isinstance(whole, dict) else None
    return name if isinstance(name, str) else ""


def _reported(name: str) -> str:
    return visible(name)[:LONGEST_NAME]


def _listed(told: list[Any]) -> Listed:
    tools: dict[str, Definition] = {}
    malformed: dict[str, str] = {}
    seen: set[str] = set()
    for number, one in enumerate(told):
        name = _name_of(one) or f"tool {number + 1}"
        try:
            tools[name] = definition_of(one)
        except Malformed as error:
            malformed[_reported(name)] = str(error)
        if name in seen:
            tools.pop(name, None)
            malformed[_reported(name)] = "the server lists two tools of this name"
        seen.add(name)
    return Listed(tools, malformed)
