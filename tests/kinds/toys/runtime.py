"""A connector of the runtime for tests: it tells a template's text, signed."""

from __future__ import annotations

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Connection, Surroundings


class Note:
    def __init__(self, signature: str) -> None:
        self._signature = signature

    async def run(self, call: Call) -> Answer:
        call.effect = True
        text = f"{call.operation.body['text']} {call.values['name']}, {self._signature}"
        return Answer(text, 1, len(text))

    async def close(self) -> None:
        return None


async def open_note(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    return Note(await around.resolve(tenant, connector.body["signature"]))
