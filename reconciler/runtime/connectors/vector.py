"""Connectors of type `vector`: a call turned into one operation of the engine that the connector names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from reconciler.access.resource import Resource
from reconciler.kinds.connector.served import SERVED
from reconciler.kinds.template.vector_values import filled, text_of, vector_fault
from reconciler.runtime.call import Answer, Call, Connection, EmbeddedText, Failed, Surroundings
from reconciler.runtime.connectors.vector_asked import Engine, asked_of, delete_of, search_of, upsert_of


async def open_vector(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Import the engine when it is used. Raises Failed for one that is not served: such a target is not even listed."""
    name = connector.body["engine"]
    module = SERVED["vector"].by.get(name)
    if module is None:
        raise Failed("not-supported", f"the engine {name} can't be used yet", "blocked")
    opens: Any = import_module(f"reconciler.runtime.connectors.{module}").open_engine
    return _Vector(await opens(tenant, connector, around))


class _Vector:
    """What all engines do alike: judge the call, find its vector, and ask for nothing where nothing can be found."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, call: Call) -> Answer:
        asked = asked_of(call)
        operation = call.operation.body["operation"]
        if operation == "delete":
            if asked.is_empty or (removed := delete_of(call, asked)).ids == ():
                return Answer({"deleted": 0}, 0, 0)
            return await self._engine.delete(call, removed)
        if operation == "search" and asked.is_empty:
            return Answer([], 0, 0)
        vector = await _vector(call)
        if operation == "search":
            return await self._engine.search(call, search_of(call, asked, vector))
        return await self._engine.upsert(call, upsert_of(call, asked, vector))

    async def ping(self) -> None:
        await self._engine.ping()

    async def close(self) -> None:
        await self._engine.close()


async def _vector(call: Call) -> Sequence[float]:
    """Return the vector of a call: the caller's, or the one that a model makes of a text. Raises Failed."""
    body, connector = call.operation.body, call.connector.body
    embed = body.get("embed")
    if embed is None:
        found: Sequence[float] = filled(body["vector"], call.values)
        return found
    if call.embed is None:
        raise Failed("not-supported", "no model can be called from here", "blocked")
    text = EmbeddedText(
        embed["integration"], embed["model"], text_of(embed["text"], call.values), embed.get("dimensions")
    )
    found = await call.embed(text, call.deadline)
    if vector_fault(found, connector.get("dimensions"), connector["metric"]):
        raise Failed("embedding-failed", "the model's vector is none of this collection")
    return found
