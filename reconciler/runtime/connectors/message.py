"""Channels of messages: a call is accepted by the outbox, and one attempt of a delivery goes to one address.

A provider is a module with ``send`` and ``ping``, named in `kinds/connector/served.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.codes import Code
from reconciler.kinds.connector.served import SERVED
from reconciler.kinds.template.message_text import written
from reconciler.model.body import Body
from reconciler.runtime.call import Answer, Call, Connection, Failed, Permits, Surroundings
from reconciler.runtime.connectors.credential import Secret


class Outgoing(NamedTuple):
    """What goes to one address. ``id`` stays the same at each attempt; ``messages`` is more than 1 for a digest."""

    id: str
    tenant: str
    template: str
    to: tuple[str, ...]
    subject: str
    text: str
    messages: int = 1


class Way(NamedTuple):
    """What a provider's module sends with."""

    body: Body
    secret: Secret
    permits: Permits


class Undelivered(Exception):
    """An attempt that did not deliver. The text holds nothing that the other side said.

    ``again``: another attempt may help, after ``wait`` seconds if the other side asked for that.
    """

    def __init__(
        self, reason: str, again: bool = True, wait: float | None = None, code: Code = "upstream-failed"
    ) -> None:
        super().__init__(reason)
        self.again, self.wait, self.code = again, wait, code


async def open_notification(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet."""
    return _Notification(tenant, connector, around)


async def send(outgoing: Outgoing, address: str, way: Way) -> None:
    """Make one attempt. Raises Undelivered, Failed; the caller bounds the time."""
    await _module(way.body).send(outgoing, address, way)


def is_askable(body: Body) -> bool:
    """Whether a channel can be asked whether it is well, without a message."""
    found: bool = _module(body).is_askable(body)
    return found


def _module(body: Body) -> Any:
    return import_module(f"reconciler.runtime.connectors.{SERVED['notification'].by[body['provider']]}")


class _Notification:
    """Calls reach the outbox only; `runtime/delivering.py` sends."""

    def __init__(self, tenant: str, connector: Resource, around: Surroundings) -> None:
        self._tenant, self._body, self._around = tenant, connector.body, around

    async def run(self, call: Call) -> Answer:
        if self._around.messages is None:
            raise Failed("not-supported", "nobody delivers messages here", "blocked")
        made = written(call.operation.body, call.values)
        accepted = await self._around.messages.accept(call, *made)
        content = {"status": "duplicate" if accepted.is_duplicate else "accepted", "id": accepted.id}
        return Answer(content, None, strict_json.size_of(content))

    async def ping(self) -> None:
        async def secret(reference: str) -> str:
            return await self._around.resolve_anew(self._tenant, reference)

        try:
            await _module(self._body).ping(Way(self._body, secret, self._around.permits))
        except Undelivered as error:
            raise Failed(error.code, str(error)) from None

    async def close(self) -> None:
        return None
