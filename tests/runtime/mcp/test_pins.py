"""Every edit of a pinned field is found before a call, on a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.access.resource import Resource
from reconciler.access.snapshot import snapshot_of
from reconciler.kinds.connector.mcp_definition import definition_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec
from reconciler.model.status import Freeze, Status
from reconciler.runtime.call import Failed, Permits, Surroundings
from reconciler.runtime.connectors.mcp import open_mcp
from reconciler.runtime.mcp.client import Listed
from reconciler.runtime.mcp.messages import Server
from reconciler.runtime.mcp.seen import FRESH_SECONDS, KEEP_SECONDS, MOST, Seen, SeenServer
from reconciler.runtime.mcp.servers import Servers
from reconciler.runtime.pools import Pools
from reconciler.runtime.source import InForce
from tests.cli.test_mcp_pin import BASE, Served, edits
from tests.cli.test_mcp_pin import running as running
from tests.conftest import Db, Ran, reconciler
from tests.runtime.mcp.support import LOOPBACK, nothing, over_http
from tests.runtime.servers import OPERATOR, served, world_with_data


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


def test_what_a_server_saw_is_pinned_from_outside(tmp_path: Path, running: Served) -> None:
    """The token of an operator reads it; what was never seen is asked then, and what was just seen is not asked again."""
    world = world_with_data(tmp_path)
    exceptions = [{"cidr": "127.0.0.0/8", "port": running.port}]
    reach = {"transport": "streamable_http", "url": running.url, "network_exceptions": exceptions}
    world["connectors"]["calc"] = {"type": "mcp", **reach, "tools": {"add": {}}}
    running.lists(BASE)
    with served(tmp_path, Db(f"sqlite:///{tmp_path}/control.db"), world) as server:
        project = tmp_path / "elsewhere"
        project.mkdir()
        (project / "reconciler.yaml").write_text("version: 1\n")
        text = yaml.safe_dump({"version": 1, "tenant": "acme", "connectors": {"calc": world["connectors"]["calc"]}})
        (project / "c.yaml").write_text(text)

        def pin(*arguments: str, token: str = OPERATOR) -> Ran:
            given = {"RECONCILER_OPERATOR_TOKEN": token}
            return reconciler("mcp", "pin", "--from-runtime", server.operators, *arguments, cwd=project, env=given)

        assert "401" in pin("--write", token="another").ok(1).err
        pin("--write").ok()
        assert "add:" in (project / "mcp.lock/calc.yaml").read_text()
        running.lists({**BASE, "description": "Another."})
        pin("--check").ok()
        assert reconciler("mcp", "pin", "--check", "--config", str(tmp_path / "serve.yaml"), cwd=project).code == 2
        (project / "c.yaml").write_text(text.replace("/mcp", "/other"))
        assert "apply the manifests first" in pin().ok(1).err
    assert "Traceback" not in server.log.read_text()


def test_what_was_seen_is_kept_for_a_day_and_for_that_server() -> None:
    clock = [1000.0]
    seen = Seen(lambda: clock[0])
    seen.note("acme", "calc", "a", Server("2026-07-28"), Listed({}, {}))
    assert seen.of("acme", "calc", "a") is not None
    assert seen.of("acme", "calc", "b") is None
    assert seen.of("other", "calc", "a") is None
    clock[0] += FRESH_SECONDS + 1
    assert seen.of("acme", "calc", "a", FRESH_SECONDS) is None
    assert seen.of("acme", "calc", "a") is not None
    clock[0] += KEEP_SECONDS
    assert seen.of("acme", "calc", "a") is None
    for number in range(MOST + 5):
        seen.note("acme", f"c{number}", "a", Server("2026-07-28"), Listed({}, {}))
    assert seen.of("acme", "c4", "a") is None
    assert seen.of("acme", "c5", "a") is not None


SECRET = "s3cr3t-of-the-connector-0815"


class _Stub:
    """A source with one connector, and the freezes that are in force."""

    def __init__(self, freezes: tuple[Freeze, ...] = ()) -> None:
        address = Address("acme", "connector", "calc")
        spec = parse(KINDS["connector"], over_http(9), address)
        assert isinstance(spec, Spec)
        known = Known(address, "uid", Text(canonical(spec.normalised()), 1), "p1", True)
        self.found = InForce(snapshot_of([known]), Status(freezes=freezes))
        self.reached = "http://127.0.0.1:9/mcp"

    def current(self) -> InForce:
        return self.found


def test_a_tool_that_repeats_a_secret_is_shown_to_no_operator() -> None:
    stub: Any = _Stub()
    pools = Pools({}, Surroundings(nothing, nothing, Permits()), lambda _: False)
    pools.secrets("acme").add(SECRET)
    tools = {text: definition_of({**BASE, "name": text, "description": text}) for text in ("plain", SECRET)}
    server = Server("2026-07-28", f"of {SECRET}", "1")
    pools.around("acme").seen.note("acme", "calc", stub.reached, server, Listed(tools, {}))
    ((_, _, found),) = asyncio.run(Servers(stub, pools).of("acme"))
    assert isinstance(found, SeenServer)
    assert ([*found.listed.tools], [*found.listed.malformed], found.server.name) == (["plain"], ["***"], "of ***")


def test_nothing_that_is_frozen_is_asked() -> None:
    frozen = Freeze("1", "tenant/acme", "incident", "2026-01-01T00:00:00Z", "ada", None, None, "1")
    pools = Pools({}, Surroundings(nothing, nothing, Permits()), lambda _: False)
    for freezes, count in (((), 1), ((frozen,), 0)):
        stub: Any = _Stub(freezes)
        assert len(asyncio.run(Servers(stub, pools).of("acme"))) == count
