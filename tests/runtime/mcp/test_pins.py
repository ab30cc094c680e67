"""Every edit of a pinned field is found before a call, on a real server."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.access.resource import Resource
from reconciler.kinds.connector.mcp_definition import definition_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.known import Known
from reconciler.model.spec import Spec
from reconciler.runtime.call import Failed, Permits, Surroundings
from reconciler.runtime.connectors.mcp import open_mcp
from tests.cli.test_mcp_pin import BASE, Served, edits
from tests.cli.test_mcp_pin import running as running
from tests.runtime.mcp.test_calls import LOOPBACK, nothing, over_http


def test_200_single_edits_are_each_refused(running: Served) -> None:
    names = [f"tool_{number}" for number in range(200)]
    pins = {name: definition_of({**BASE, "name": name}).digest for name in names}

    async def scenario() -> None:
        address = Address("acme", "connector", "demo")
        spec = parse(KINDS["connector"], over_http(running.port), address)
        assert isinstance(spec, Spec)
        connector = Resource(Known(address, "uid", None, "p1", True), spec.normalised())
        around = Surroundings(nothing, nothing, Permits(LOOPBACK))
        for is_edited in (False, True):
            told = [*edits()] if is_edited else [BASE] * len(names)
            running.lists(*({**one, "name": name} for one, name in zip(told, names, strict=True)))
            connection = await open_mcp("acme", connector, around)
            try:
                way = await connection.way(None)  # type: ignore[attr-defined]
                for name in names:
                    deadline = asyncio.get_running_loop().time() + 20
                    if is_edited:
                        with pytest.raises(Failed) as caught:
                            await way.require_pinned(name, pins[name], deadline)
                        assert (caught.value.code, caught.value.outcome) == ("tool-changed", "blocked")
                    else:
                        await way.require_pinned(name, pins[name], deadline)
            finally:
                await connection.close()

    asyncio.run(scenario())


def test_the_digests_of_the_edits_all_differ() -> None:
    digests = {definition_of(one).digest for one in (BASE, *edits())}
    assert len(digests) == 201
