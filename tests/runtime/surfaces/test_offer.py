"""What other endpoints of MCP offer: the actions of one plane, and tools to find tools with."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.judge import Caller, judge, surface
from reconciler.access.snapshot import snapshot_of
from reconciler.kinds.connector.mcp_definition import digest_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec
from reconciler.runtime.surfaces.offer import AllTools, PlaneTools, listing
from reconciler.runtime.surfaces.search import index_of, words
from tests.conftest import Db
from tests.runtime.servers import served, world_with_data
from tests.runtime.surfaces.support import Endpoint
from tests.runtime.surfaces.test_planes import with_planes
from tests.runtime.worlds import BOT, WORLD, World, in_world


def names(response: Any) -> list[str]:
    return [tool["name"] for tool in response.body["result"]["tools"]]


def test_a_plane_is_a_list_of_its_actions(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        desk, hall, vault, none = (
            Endpoint(world, BOT, PlaneTools(world.mediator, plane)) for plane in ("desk", "hall", "vault", "a/../b")
        )
        listed = await desk.modern("tools/list")
        assert names(listed) == ["query", "write"]
        query = listed.body["result"]["tools"][0]
        assert query["inputSchema"]["required"] == ["region"]
        assert query["annotations"]["readOnlyHint"] is True
        assert names(await hall.modern("tools/list")) == ["query"]
        assert names(await vault.modern("tools/list")) == names(await none.modern("tools/list")) == []

        done = (await hall.modern("tools/call", name="query", arguments={"region": "eu"})).body["result"]
        assert done["structuredContent"]["rows"] == 1
        refused = [
            (await endpoint.modern("tools/call", name=name, arguments={"region": "eu"})).body["error"]
            for endpoint, name in ((hall, "write"), (vault, "query"), (none, "query"), (hall, "top"), (hall, "delete"))
        ]
        assert {one["message"] for one in refused} == {"There is no tool of this name that you may use."}
        (entry,) = [one for one in await world.evidence() if one["id"] == done["_meta"]["reconciler/evidence-id"]]
        assert (entry["target"], entry["outcome"]) == ("plane/hall:query", "success")
        denied = {one["data"]["evidence_id"] for one in refused}
        assert denied <= {one["id"] for one in await world.evidence()}

        world.command("freeze", "acme/plane/hall", "--reason", "incident")
        await world.look()
        assert names(await hall.modern("tools/list")) == []
        assert names(await desk.modern("tools/list")) == ["query", "write"]

    in_world(db, folder, work, with_planes(WORLD))


def test_planes_of_mcp_over_http(db: Db, folder: Path) -> None:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    with served(folder, db, with_planes(world_with_data(folder))) as server, server.client() as client:
        found = client.post("/mcp/planes/desk", json=asked).json()
        assert [tool["name"] for tool in found["result"]["tools"]] == ["query", "write"]
        call = {"name": "query", "arguments": {"region": "eu"}}
        done = client.post("/mcp/planes/desk", json={**asked, "method": "tools/call", "params": call}).json()
        assert done["result"]["structuredContent"]["result"] == [{"name": "Ann"}]
        assert client.get("/mcp/planes/desk").status_code == 405
        with server.client(key="wrong") as stranger:
            assert stranger.post("/mcp/planes/desk", json=asked).status_code == 401
        for unknown in ("/mcp/planes/", "/mcp/planes/desk/x", "/mcp/planes"):
            assert client.post(unknown, json=asked).status_code == 404


def test_tools_are_found_and_called_as_if_they_were_listed(db: Db, folder: Path) -> None:
    document = copy.deepcopy(WORLD)
    document["templates"]["top"]["description"] = "The best customers of a region."
    document["templates"]["add"]["description"] = "Removes all customers."
    document["policies"]["read"]["targets"] = {"names": ["template/top"]}

    async def work(world: World) -> None:
        endpoint = Endpoint(world, BOT, AllTools(world.mediator, searches=True))
        assert names(await endpoint.modern("tools/list")) == ["find_tools", "call_tool"]
        asked = {"query": "which customers are best"}
        found = (await endpoint.modern("tools/call", name="find_tools", arguments=asked)).body["result"]
        (tool,) = found["structuredContent"]["tools"]  # the other one is denied
        assert (tool["name"], tool["inputSchema"]["required"]) == ("top", ["region"])
        assert json.loads(found["content"][0]["text"]) == found["structuredContent"]

        called = {"name": "top", "arguments": {"region": "eu"}}
        done = (await endpoint.modern("tools/call", name="call_tool", arguments=called)).body["result"]
        assert done["structuredContent"]["rows"] == 1
        (entry,) = [one for one in await world.evidence() if one["id"] == done["_meta"]["reconciler/evidence-id"]]
        assert entry["target"] == "template/top"
        wrong = {"name": "top", "arguments": {"region": 7}}
        told = (await endpoint.modern("tools/call", name="call_tool", arguments=wrong)).body["result"]
        assert told["structuredContent"]["code"] == "invalid-values"
        for name in ("add", "none", "find_tools"):
            refused = await endpoint.modern("tools/call", name="call_tool", arguments={"name": name})
            assert refused.body["error"]["data"]["code"] == "not-found"
        for bad in ({}, {"query": 7}, {"query": "x", "limit": 0}, {"query": "x", "limit": True}):
            answer = await endpoint.modern("tools/call", name="find_tools", arguments=bad)
            assert answer.body["error"]["code"] == -32602
        for bad in ({}, {"name": 7}, {"name": "top", "arguments": []}, {"name": "top", "more": 1}):
            answer = await endpoint.modern("tools/call", name="call_tool", arguments=bad)
            assert answer.body["error"]["code"] == -32602
        # without search nothing of it is there
        usual = Endpoint(world)
        assert names(await usual.modern("tools/list")) == ["top"]
        assert (await usual.modern("tools/call", name="find_tools", arguments=asked)).body["error"]

    in_world(db, folder, work, document)


def test_a_plane_may_be_searched(db: Db, folder: Path) -> None:
    document = with_planes(WORLD)
    document["planes"]["desk"]["discovery"] = "search"

    async def work(world: World) -> None:
        endpoint = Endpoint(world, BOT, PlaneTools(world.mediator, "desk"))
        assert names(await endpoint.modern("tools/list")) == ["find_tools", "call_tool"]
        called = {"name": "query", "arguments": {"region": "eu"}}
        done = (await endpoint.modern("tools/call", name="call_tool", arguments=called)).body["result"]
        assert done["isError"] is False

    in_world(db, folder, work, document)


def many(count: int) -> Any:
    """A tenant with that many pinned tools, all of which the bot may call."""
    nouns = ("issue", "branch", "invoice", "ticket", "server", "page", "customer", "report", "alert", "file")
    verbs = ("create", "list", "close", "search", "update")
    raws: dict[str, dict[str, Any]] = {}
    for number in range(count):
        name = f"{verbs[number % 5]}_{nouns[number // 5 % 10]}_{number}"
        properties = {"owner": {"type": "string", "description": f"Whose {nouns[number % 10]} it is."}}
        definition = {
            "description": f"Does {verbs[number % 5]} the {nouns[number // 5 % 10]} in system {number}. " * 8,
            "input": {"type": "object", "properties": properties},
        }
        connector = raws.setdefault(
            f"server-{number // 500}", {"type": "mcp", "transport": "streamable_http", "tools": {}}
        )
        connector["url"] = "https://mcp.example.com"
        connector["tools"][name] = {"pin": digest_of(name, definition), "definition": definition}
    known = [_known("connector", name, raw) for name, raw in raws.items()]
    known.append(_known("caller", "bot", WORLD["callers"]["bot"]))
    known.append(_known("policy", "all", WORLD["policies"]["read"] | {"targets": {"names": ["tool/*"]}}))
    return snapshot_of(known).tenant("acme")


def _known(kind: str, name: str, raw: dict[str, Any]) -> Known:
    address = Address("acme", kind, name)
    spec = parse(KINDS[kind], raw, address)
    assert isinstance(spec, Spec), spec
    return Known(address, f"{kind}-{name}", Text(canonical(spec.normalised()), 1), "p1", True)


def test_what_is_listed_is_what_the_judge_allows() -> None:
    tenant = many(40)
    for who in (BOT, Caller("acme", "nobody")):
        found = surface(tenant, None, who)
        assert [*found] == [
            name for name, target in found.items() if judge(tenant, None, who, _ask(target.name)).allowed
        ]
    assert len(surface(tenant, None, BOT)) == 40


def _ask(name: str) -> Any:
    from reconciler.access.decide import Ask

    return Ask(name)


def test_the_best_match_comes_first() -> None:
    index = index_of(surface(many(200), None, BOT))
    for query, wanted in (("close an invoice", "close_invoice_"), ("searching tickets: search", "search_ticket_")):
        found = [json.loads(tool)["name"] for tool in index.find(query, 3)]
        assert all(name.startswith(f"server-0__{wanted}") for name in found), (query, found)
    assert index.find("zzz", 5) == index.find("", 5) == []
    assert words("createIssues for HTTPServer_2 über") == ["create", "issue", "for", "http", "server", "2", "über"]


@pytest.mark.parametrize("query", ["close the invoice of system 7 in the server", "issue"])
def test_a_search_in_a_thousand_tools_is_quick(query: str) -> None:
    index = index_of(surface(many(1000), None, BOT))
    index.find(query, 5)
    took = min(_seconds(lambda: index.find(query, 5)) for _ in range(20))
    assert took < 0.01  # 2 ms alone


def test_a_list_of_many_tools_is_made_once() -> None:
    tenant = many(500)
    listing(surface(tenant, None, BOT))
    took = min(_seconds(lambda: surface(tenant, None, BOT)) for _ in range(20))
    assert took < 0.005  # 1 ms alone


def _seconds(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def test_what_asks_its_caller_is_judged_for_each() -> None:
    """A tool whose argument comes from a claim is not listed for who has no such claim."""
    definition = {"input": {"type": "object", "properties": {"user": {"type": "string"}}}}
    tool = {
        "pin": digest_of("mine", definition),
        "definition": definition,
        "arguments": {"user": {"from": "claims.email"}},
    }
    raw = {"type": "mcp", "transport": "streamable_http", "url": "https://mcp.example.com", "tools": {"mine": tool}}
    known = [
        _known("connector", "web", raw),
        _known("caller", "bot", WORLD["callers"]["bot"]),
        _known("policy", "all", WORLD["policies"]["read"] | {"targets": {"names": ["tool/*"]}}),
    ]
    tenant = snapshot_of(known).tenant("acme")
    assert [*surface(tenant, None, BOT)] == []
    assert [*surface(tenant, None, BOT._replace(claims={"email": "ann@example.com"}))] == ["web__mine"]
