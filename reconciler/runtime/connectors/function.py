"""Functions of any cloud: one function of a template, its event bounded, its result read within a cap.

A provider is a module with ``open_engine`` (``OpenEngine``), named in `kinds/connector/served.py`. No cloud knows an idempotency key
for a call: what may have begun is never sent again, and ends ``unknown`` where its answer is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, Protocol, TypeAlias

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.kinds.connector.served import SERVED
from reconciler.kinds.template.sql_values import least
from reconciler.model.body import Body
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings, ValuesRefused
from reconciler.runtime.deadline import until
from reconciler.runtime.tracing import part
from reconciler.strict_json import NotStrict

_PAUSE_SECONDS = 0.25
_AGAIN = frozenset({"upstream-limited", "unreachable"})
"""Failures after which nothing has begun, where their outcome says so."""


class Invocation(NamedTuple):
    """What is called: ``event`` is JSON, ``most`` the bytes of a result at most."""

    function: str
    event: bytes
    is_async: bool
    most: int


class Invoked(NamedTuple):
    """What came of it: the result's bytes, and the provider's id of the request ("" for none)."""

    data: bytes
    request_id: str


class Engine(Protocol):
    """A way to the functions of one connector."""

    most_bytes: int
    """The largest event that the provider takes from a caller who waits."""
    most_bytes_async: int

    async def authorize(self, function: str, anew: bool) -> None:
        """Get ready with the connector's credential; ``anew``: the one that was used was refused. Raises Failed."""
        ...

    async def invoke(self, asked: Invocation) -> Invoked:
        """Call a function. Raises Failed, whose outcome is ``unknown`` where the function may have begun."""
        ...

    async def ping(self, functions: list[str]) -> None: ...

    async def close(self) -> None: ...


OpenEngine: TypeAlias = Callable[[str, Body, Surroundings], Awaitable[Engine]]
"""From a tenant, its connector's body and what surrounds it."""


async def open_serverless(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet. Raises Failed."""
    body = {**connector.body, "network_exceptions": connector.body.get("network_exceptions") or ()}
    return _Functions(await _opener(body["provider"])(tenant, body, around), body)


async def judge_function(call: Call) -> None:
    """Raise Failed for a function that the connector does not list, or that may not be called."""
    body, connector = call.operation.body, call.connector.body
    if body["function"] not in connector["functions"]:
        raise Failed("function-not-in-connector", "the connector does not list that function", "blocked")
    if connector.get("read_only") is True:
        raise Failed("read-only", "the connector is read-only", "blocked")


@cache
def _opener(provider: str) -> OpenEngine:
    module = SERVED["serverless"].by[provider]
    found: OpenEngine = import_module(f"reconciler.runtime.connectors.{module}").open_engine
    return found


class _Functions:
    """One way to a cloud, for all calls."""

    def __init__(self, engine: Engine, body: Body) -> None:
        self._engine, self._body = engine, body

    async def run(self, call: Call) -> Answer:
        await judge_function(call)
        body = call.operation.body
        asked = Invocation(
            body["function"], _event(call), body["mode"] == "async", least(body, self._body, "max_response_bytes")
        )
        most = self._engine.most_bytes_async if asked.is_async else self._engine.most_bytes
        if len(asked.event) > most:
            raise ValuesRefused("too-large", f"the event is larger than {most} bytes", "blocked")
        try:
            with until(call.deadline), part("http-client", "invoke"):
                return _answer(await self._invoked(call, asked), asked)
        except TimeoutError:
            raise Failed("timeout", "it took too long", "unknown" if call.effect else "timeout") from None

    async def _invoked(self, call: Call, asked: Invocation) -> Invoked:
        left, anew = self._body["retries"], False
        while True:
            call.effect = False
            await self._engine.authorize(asked.function, anew)
            call.effect = True
            try:
                return await self._engine.invoke(asked)
            except Failed as error:
                if error.outcome != "failure":
                    raise
                if error.code == "credential-refused" and not anew:
                    anew = True
                elif error.code in _AGAIN and left > 0:
                    left -= 1
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    raise

    async def ping(self) -> None:
        await self._engine.ping([*self._body["functions"]])

    async def close(self) -> None:
        await self._engine.close()


def _event(call: Call) -> bytes:
    """Return the caller's body with the parameters in it: a value that comes from who calls can't be replaced."""
    if call.body is None or call.values:
        given = call.body if isinstance(call.body, dict) else {}
        return strict_json.write({**given, **call.values})
    return strict_json.write(call.body)


def _answer(invoked: Invoked, asked: Invocation) -> Answer:
    if asked.is_async:
        content: Any = {"status": "accepted", "request_id": invoked.request_id}
        return Answer(content, None, strict_json.size_of(content))
    try:
        content = strict_json.read(invoked.data) if invoked.data else None
    except NotStrict as error:
        raise Failed("invalid-response", f"the result is no JSON: {error}", "unknown") from None
    return Answer(content, None, len(invoked.data))


def too_large() -> Failed:
    """Return the failure of a result above its cap, of a function that has run."""
    return Failed("too-large", "the result is larger than allowed", "unknown")


def function_failed() -> Failed:
    """Return the failure of a function that says that it failed; what it says of that is shown to nobody."""
    return Failed("function-failed", "the function failed, and may have had an effect", "unknown")
