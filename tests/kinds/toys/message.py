"""A toy provider of messages: what it is given goes into a list."""

from __future__ import annotations

from reconciler.model.body import Body
from reconciler.runtime.connectors.message import Outgoing, Way

SENT: list[tuple[str, str]] = []


async def send(outgoing: Outgoing, _address: str, way: Way) -> None:
    SENT.append((await way.secret(way.body["webhook_url"]), outgoing.text))


async def ping(_way: Way) -> None:
    return None


def is_askable(_body: Body) -> bool:
    return True
