"""Ask MCP servers for their tools, by the same way as calls are made; several servers at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from reconciler.access.resource import Resource
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.known import Known
from reconciler.model.target import is_per_user
from reconciler.runtime.call import Failed, Subject, Surroundings
from reconciler.runtime.connectors.mcp import channel_of
from reconciler.runtime.connectors.oauth import Tokens
from reconciler.runtime.mcp.client import Client, Listed
from reconciler.runtime.mcp.messages import Server

AT_ONCE = 8
"""Servers that are asked at the same time; of programs one at a time, since a permit bounds how many run."""
LIST_SECONDS = 60.0


class Asked(NamedTuple):
    """One connector, and what it is opened with."""

    address: Address
    body: Body
    around: Surroundings
    subject: Subject | None = None
    """Whose token is exchanged, where the connector's tokens are its callers' own."""


class Answered(NamedTuple):
    """What a server says of itself, and its tools."""

    server: Server
    listed: Listed


async def ask_all(asked: Sequence[Asked]) -> list[Answered | Failed]:
    """Return what each server answers, or why it does not: a failure is that of one connector alone."""
    many, one = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(1)

    async def bounded(each: Asked) -> Answered | Failed:
        async with one if each.body["transport"] == "stdio" else many:
            try:
                return await ask(each)
            except Failed as error:
                return error

    return [*await asyncio.gather(*map(bounded, asked))]


async def ask(asked: Asked) -> Answered:
    """Return what one server answers. Raises Failed."""
    address, body, around, subject = asked
    if subject is None and is_per_user(body):
        raise Failed("token-refused", "its access tokens are made of its callers' own, and none is given", "blocked")
    deadline = asyncio.get_running_loop().time() + LIST_SECONDS
    connector = Resource(Known(address, address.name, None, None, False), body)
    own = around._replace(permits=around.permits.of(address.tenant), tokens=around.tokens or Tokens())
    client = Client(await channel_of(address.tenant, connector, own, subject))
    try:
        listed = await client.tools(deadline)
        return Answered(await client.server(deadline), listed)
    finally:
        with contextlib.suppress(Failed, OSError):
            await client.close()
