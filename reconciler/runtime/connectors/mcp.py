"""MCP servers: a decided call becomes one call of a tool whose definition is still the pinned one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from reconciler.access.resource import Resource
from reconciler.kinds.connector.mcp_definition import headers_of
from reconciler.kinds.connector.mcp_lock import reached
from reconciler.kinds.schema_engine import UnusableSchema, schema_fault
from reconciler.model.body import Body
from reconciler.model.characters import visible
from reconciler.runtime.call import Answer, Call, Connection, Failed, StdioPermit, Subject, Surroundings
from reconciler.runtime.connectors.credential import with_credential
from reconciler.runtime.connectors.oauth import Wanted
from reconciler.runtime.mcp.channel import Channel
from reconciler.runtime.mcp.client import MOST_BYTES, Client, Listed
from reconciler.runtime.mcp.http import HttpChannel
from reconciler.runtime.mcp.messages import RpcError, Server
from reconciler.runtime.mcp.processes import PROCESSES
from reconciler.runtime.mcp.stdio import StdioChannel
from reconciler.strict_json import size_of

CHECK_SECONDS, TRUST_SECONDS = 60.0, 120.0
"""A check of the pins is made in the background once the last is older than the first, and before a call beyond the second."""
MOST_WAYS, IDLE_SECONDS = 1_000, 60.0
"""Ways of one connector to its server, and how long one is kept that nobody uses."""
REVIVE_SECONDS = 1.0
"""Between two starts of a server's process."""
_KINDS: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "image": ("data", "mimeType"),
    "audio": ("data", "mimeType"),
}
"""By the type of content that is passed on: what of it is."""
LEFT_OUT = "(a resource was left out here: those are not passed on)"


async def open_mcp(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet, but starts the program of a connector with the transport `stdio`. Raises Failed."""
    made = _Mcp(tenant, connector, around)
    if connector.body["transport"] == "stdio":
        await made.way(None)
    return made


async def channel_of(tenant: str, connector: Resource, around: Surroundings, subject: Subject | None = None) -> Channel:
    """Return the way to a server, for calls and for pinning alike. Raises Failed."""
    body = connector.body
    if body["transport"] == "stdio":
        return await _started(tenant, body, around)

    async def headers(anew: bool) -> dict[str, str]:
        resolve = around.resolve_anew if anew else around.resolve

        async def secret(reference: str) -> str:
            return await resolve(tenant, reference)

        async def token() -> str:
            found: str = await around.tokens.token(Wanted(tenant, connector.known.uid, body, subject), around, anew)
            return found

        found, _ = await with_credential(body, {}, [], secret, token)
        return found

    renews = body["auth"]["type"] != "none"
    return HttpChannel(body["url"], headers, body["network_exceptions"], around.permits, renews)


async def _started(tenant: str, body: Body, around: Surroundings) -> Channel:
    permit, arguments = permitted(body, around.permits.stdio)
    environment = {}
    for name, given in body["env"].items():
        environment[name] = given["plain"] if isinstance(given, dict) else await around.resolve(tenant, given)
    started = await PROCESSES.start(permit, arguments, environment)
    return StdioChannel(reached(body), started, PROCESSES, max(body["max_response_bytes"], MOST_BYTES))


def permitted(body: Body, permits: Mapping[str, StdioPermit]) -> tuple[StdioPermit, list[str]]:
    """Return the permit that a connector's `command` names, and the arguments to start it with. Raises Failed.

    One that gives no arguments gets those of the permit, if they leave nothing open.
    """
    named = body["command"]
    found = permits.get(named) or next((one for one in permits.values() if one.command == named), None)
    if found is None:
        raise Failed("not-permitted", "the server's operator does not permit this program", "blocked")
    is_closed = not any("*" in one or "?" in one or "[" in one for one in found.args)
    return found, [*found.args] if is_closed and not body["args"] else [*body["args"]]


class _Mcp:
    """The ways to one server: one for everybody, or one for each subject whose own token is sent there."""

    def __init__(self, tenant: str, connector: Resource, around: Surroundings) -> None:
        self._tenant, self._connector, self._around = tenant, connector, around
        self._ways: OrderedDict[str, _Way] = OrderedDict()
        self._opening = asyncio.Lock()

    async def run(self, call: Call) -> Answer:
        tool, name = call.target.part, call.target.part_name
        if tool is None:
            raise Failed("not-supported", "this is no tool", "blocked")
        way = await self.way(call.subject)
        way.users += 1
        try:
            await way.require_pinned(name, tool["pin"], call.deadline)
            return await self._called(way, call, name, tool)
        finally:
            way.users -= 1

    async def _called(self, way: _Way, call: Call, name: str, tool: Body) -> Answer:
        body = self._connector.body
        headers = headers_of(tool["definition"]["input"]) if body["transport"] != "stdio" else {}
        after = "unknown" if call.target.writes else "failure"
        call.effect = True
        try:
            result = await way.client.call(name, call.values, headers, call.deadline, body["max_response_bytes"])
        except RpcError:
            raise Failed("tool-failed", "the server answered with an error", "failure") from None
        except Failed as error:
            if error.outcome == "blocked":
                call.effect = False  # nobody was reached
            is_open = error.outcome == "" or (error.outcome == "timeout" and call.target.writes)
            raise Failed(error.code, str(error), after if is_open else error.outcome, *error.said) from None
        return _answer(result, tool["definition"].get("output"), after)

    async def ping(self) -> None:
        way = await self.way(None)
        listed = await way.client.tools()
        self._saw(await way.client.server(), listed)

    def _saw(self, server: Server, listed: Listed) -> None:
        if self._around.seen is not None:
            name = self._connector.known.address.name
            self._around.seen.note(self._tenant, name, reached(self._connector.body), server, listed)

    async def way(self, subject: Subject | None) -> _Way:
        """Return the way for a subject. Raises Failed."""
        key = sha256(subject.token.encode()).hexdigest() if subject is not None else ""
        async with self._opening:
            found = self._ways.get(key)
            if found is None or found.has_ended:
                if found is not None:
                    if asyncio.get_running_loop().time() - found.begun < REVIVE_SECONDS:
                        message = "the server ends as soon as it has started"
                        raise Failed("unreachable", message, "blocked", retry_after=1)
                    await found.close()
                await self._make_room()
                client = Client(await channel_of(self._tenant, self._connector, self._around, subject))
                found = self._ways[key] = _Way(client, self._saw)
            self._ways.move_to_end(key)
            found.used = asyncio.get_running_loop().time()
            return found

    async def _make_room(self) -> None:
        """Close what nobody has used for a while, the oldest first, and more of it where there are too many."""
        before = asyncio.get_running_loop().time() - IDLE_SECONDS
        for key, way in [*self._ways.items()]:
            if not way.users and (way.used < before or len(self._ways) >= MOST_WAYS):
                del self._ways[key]
                await way.close()
        if len(self._ways) >= MOST_WAYS:
            raise Failed("overloaded", "as many ways to this server are in use as may be", "blocked")

    async def close(self) -> None:
        await asyncio.gather(*(way.close() for way in self._ways.values()))


class _Way:
    """One client, and what its server listed last."""

    def __init__(self, client: Client, saw: Callable[[Server, Listed], None]) -> None:
        self.client, self.used, self.users = client, 0.0, 0
        self._saw = saw
        self.begun = asyncio.get_running_loop().time()
        self._listed: Listed | None = None
        self._at = 0.0
        self._checking: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        return self.client.channel.has_ended

    async def require_pinned(self, name: str, pin: str, deadline: float) -> None:
        """Raise Failed (``blocked``) unless the server's definition of a tool is the pinned one."""
        age = asyncio.get_running_loop().time() - self._at
        if self._listed is None or age > TRUST_SECONDS or self.client.channel.changed:
            await self._check(deadline)
        elif age > CHECK_SECONDS and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self._check_quietly())
        found = self._listed.tools.get(name) if self._listed is not None else None
        if found is None or found.digest != pin:
            raise Failed("tool-changed", "the server's definition of the tool is not the pinned one", "blocked")

    async def close(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
        await self.client.close()

    async def _check(self, deadline: float) -> None:
        try:
            self._listed = await self.client.tools(deadline)
            self._saw(await self.client.server(deadline), self._listed)
        except Failed as error:
            # whatever became of it, the tool was not called
            raise Failed(error.code, str(error), "blocked", *error.said) from None
        self._at = asyncio.get_running_loop().time()

    async def _check_quietly(self) -> None:
        try:
            await self._check(float("inf"))
        except Failed:
            return  # the next call asks again once nothing is trusted any more


def _answer(result: Mapping[str, Any], output: Any, after: str) -> Answer:
    """Return what is passed on of a result. Raises Failed for one that can't be."""
    if result.get("resultType", "complete") != "complete":
        raise Failed("unsupported-result", "the server wants to be asked further, which is not done", after)
    is_error = result.get("isError") is True
    told = result.get("content")
    content: dict[str, Any] = {"content": [_shown(one) for one in told] if isinstance(told, list) else []}
    structured = result.get("structuredContent")
    if output is not None and not is_error:
        _require_output(output, structured, after)
    if structured is not None:
        content["structuredContent"] = structured
    content["isError"] = is_error
    return Answer(content, None, size_of(content), is_error=is_error)


def _require_output(schema: Any, structured: Any, after: str) -> None:
    try:
        fault = schema_fault(schema, structured, "result", foreign=True)
    except UnusableSchema:
        return
    if fault is not None:
        raise Failed("invalid-response", f"the tool's result is not what it promises: {fault.parameter}", after)


def _shown(item: Any) -> dict[str, Any]:
    kind = item.get("type") if isinstance(item, dict) else None
    names = _KINDS.get(kind) if isinstance(kind, str) else None
    if names is None or not all(isinstance(item.get(name), str) for name in names):
        return {"type": "text", "text": LEFT_OUT}
    found = {name: visible(item[name]) if kind == "text" else item[name] for name in names}
    return {"type": kind, **found}
