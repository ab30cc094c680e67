"""MCP over HTTP, message by message: both eras, what each refuses, and how."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from reconciler.access.judge import Caller
from reconciler.runtime.call import Answer
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_http import McpOverHttp
from tests.conftest import Db
from tests.runtime.surfaces.support import ENVELOPE, MODERN, VERSION, Endpoint, modern, request, routing
from tests.runtime.worlds import BOT, WORLD, World, apply, in_world

SERVER = "io.modelcontextprotocol/serverInfo"
CLIENT = {"capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


def test_the_era_of_the_handshake(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        endpoint = Endpoint(world)
        for asked, got in (("2024-11-05",) * 2, ("2025-06-18",) * 2, ("2025-11-25",) * 2, ("1999-01-01", "2025-11-25")):
            begun = await endpoint.send(request("initialize", protocolVersion=asked, **CLIENT))
            assert (begun.status, begun.body["result"]["protocolVersion"]) == (200, got)
            assert begun.body["result"]["capabilities"] == {"tools": {"listChanged": False}}
            assert "mcp-session-id" not in begun.headers
        notified = await endpoint.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (notified.status, notified.body) == (202, None)
        answered = await endpoint.send({"jsonrpc": "2.0", "id": 3, "result": {}})
        assert (answered.status, answered.body) == (202, None)
        version = {"MCP-Protocol-Version": "2025-11-25"}
        assert (await endpoint.send(request("ping", "p"), version)).body == {"jsonrpc": "2.0", "id": "p", "result": {}}
        listed = (await endpoint.send(request("tools/list"), version)).body["result"]
        assert [tool["name"] for tool in listed["tools"]] == ["add", "top"]
        assert listed["tools"][1]["inputSchema"]["required"] == ["region"]
        assert listed["tools"][1]["annotations"] == {"readOnlyHint": True, "destructiveHint": False}
        assert {*listed} == {"tools"}
        done = (await endpoint.send(request("tools/call", name="top", arguments={"region": "eu"}), version)).body
        assert done["result"]["structuredContent"]["result"] == [{"name": "Ann"}]
        assert done["result"]["content"] == [{"type": "text", "text": '[{"name":"Ann"}]'}]
        assert done["result"]["isError"] is False
        missing = await endpoint.send(request("prompts/list", 9), version)
        assert (missing.status, missing.body["id"], missing.body["error"]["code"]) == (200, 9, -32601)

    in_world(db, folder, work)


def test_the_era_without_a_handshake(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        endpoint = Endpoint(world)
        found = await endpoint.modern("server/discover")
        assert found.body["result"]["supportedVersions"] == [MODERN]
        listed = await endpoint.modern("tools/list")
        for answer in (found, listed):
            result = answer.body["result"]
            assert (answer.status, result["resultType"], result["ttlMs"], result["cacheScope"]) == (
                200,
                "complete",
                0,
                "private",
            )
            assert result["_meta"][SERVER]["name"] == "reconciler"
        done = (await endpoint.modern("tools/call", name="top", arguments={"region": "eu"})).body["result"]
        assert (done["resultType"], "ttlMs" in done) == ("complete", False)
        assert done["_meta"]["reconciler/evidence-id"] == done["structuredContent"]["evidence_id"]
        notification = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert (await endpoint.send(notification, {"MCP-Protocol-Version": MODERN})).status == 202
        for gone in ("initialize", "ping", "logging/setLevel", "subscriptions/listen", "x"):
            answer = await endpoint.modern(gone)
            assert (answer.status, answer.body["error"]["code"]) == (404, -32601), gone

    in_world(db, folder, work)


LACKING = [
    ({}, -32602),
    ({VERSION: MODERN}, -32602),
    ({**ENVELOPE, VERSION: 5}, -32602),
    ({**ENVELOPE, VERSION: None}, -32602),
    ({**ENVELOPE, VERSION: "2027-01-01"}, -32020),
]
LIST, TOP = {"Mcp-Method": "tools/list"}, {"Mcp-Method": "tools/call", "Mcp-Name": "top"}
HEADERS: list[tuple[str, Any, int]] = [
    ("tools/list", {}, 400),
    ("tools/list", LIST, 200),
    ("tools/list", {"mcp-method": "tools/list"}, 200),
    ("tools/list", {"Mcp-Method": "TOOLS/LIST"}, 400),
    ("tools/list", [("Mcp-Method", "tools/list"), ("Mcp-Method", "tools/list")], 400),
    ("tools/list", [("Mcp-Method", "tools/list"), ("Mcp-Method", "tools/call")], 400),
    ("tools/call", TOP, 200),
    ("tools/call", {**TOP, "Mcp-Name": " top  "}, 200),
    ("tools/call", {**TOP, "Mcp-Name": "=?base64?dG9w?="}, 200),
    ("tools/call", {**TOP, "Mcp-Name": "=?base64?dG9w!?="}, 400),
    ("tools/call", {**TOP, "Mcp-Name": "=?base64?/w==?="}, 400),
    ("tools/call", {**TOP, "Mcp-Name": "add"}, 400),
    ("tools/call", {"Mcp-Method": "tools/call"}, 400),
]


def test_a_modern_request_says_twice_what_it_is(db: Db, folder: Path) -> None:
    """A proxy that routes by the header, and a server that goes by the body, must see the same."""

    async def work(world: World) -> None:
        endpoint = Endpoint(world)
        for meta, code in LACKING:
            message = {"jsonrpc": "2.0", "id": 4, "method": "server/discover", "params": {"_meta": meta}}
            answer = await endpoint.send(message, routing(message))
            assert (answer.status, answer.body["id"], answer.body["error"]["code"]) == (400, 4, code), meta
        for method, headers, status in HEADERS:
            named = {"name": "top", "arguments": {"region": "eu"}} if method == "tools/call" else {}
            pairs = [*(headers.items() if isinstance(headers, dict) else headers), ("MCP-Protocol-Version", MODERN)]
            answer = await endpoint.send(modern(method, **named), pairs)
            assert answer.status == status, headers
            assert status == 200 or answer.body["error"]["code"] == -32020, headers
        other = modern("server/discover", meta={VERSION: "v999.0.0"})
        answer = await endpoint.send(other, {**routing(other), "MCP-Protocol-Version": "v999.0.0"})
        assert (answer.status, answer.body["error"]["code"]) == (400, -32022)
        assert answer.body["error"]["data"] == {"supported": [MODERN], "requested": "v999.0.0"}
        assert len(world.outside.seen) == 3

    in_world(db, folder, work)


BAD: list[tuple[bytes, int, int]] = [
    (b"", 400, -32700),
    (b"{", 400, -32700),
    (b"\xff", 400, -32700),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "method": "ping"}', 400, -32700),
    (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', 400, -32700),
    (b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}', 400, -32700),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": Infinity}}', 400, -32700),
    (b"[" * 5000 + b"]" * 5000, 400, -32700),
    (b"[]", 400, -32600),
    (b"null", 400, -32600),
    (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', 400, -32600),
    (b'{"id": 1, "method": "ping"}', 400, -32600),
    (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', 400, -32600),
    (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', 400, -32600),
    (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', 400, -32600),
    (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', 400, -32600),
    (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', 400, -32600),
    (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', 400, -32600),
    (b'{"jsonrpc": "2.0", "id": 1}', 400, -32600),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', 200, -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "initialize"}', 200, -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": 1}}', 200, -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": "x"}}', 200, -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}', 200, -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": []}}', 200, -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "top", "arguments": []}}', 200, -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "__init__"}', 200, -32601),
]


def test_what_is_no_message_is_an_error_and_nothing_else(
    db: Db, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(world: World) -> None:
        endpoint = Endpoint(world)
        for text, status, code in BAD:
            for headers in ({}, {"MCP-Protocol-Version": "2025-06-18"}):
                answer = await endpoint.send(text, headers)
                assert (answer.status, answer.body["error"]["code"]) == (status, code), text[:200]
            answer = await endpoint.send(text, {"MCP-Protocol-Version": MODERN})
            assert 400 <= answer.status < 500, text[:200]
        meta = {"reconciler/run-id": 5}
        for bad in (
            meta,
            {"reconciler/idempotency-key": "ü"},
            {"reconciler/run-id": "x" * 129},
            {"reconciler/run-id": "ü"},
        ):
            answer = await endpoint.send(request("tools/call", name="top", arguments={"region": "eu"}, _meta=bad))
            assert answer.body["error"]["code"] == -32602
        ping = request("ping")
        assert (await endpoint.send(ping, {"Content-Type": "text/plain"})).status == 415
        assert (await endpoint.send(ping, {"Accept": "text/html"})).status == 406
        assert (await endpoint.send(ping, {"Accept": "text/event-stream;q=1, */*;q=0.1"})).status == 200
        for method in ("GET", "DELETE", "PUT", "OPTIONS"):
            answer = await endpoint.send(b"", {"Mcp-Session-Id": "x"}, method)
            assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert world.outside.seen == []

    in_world(db, folder, work)
    assert not caplog.records


def test_missing_foreign_and_denied_look_the_same(db: Db, folder: Path) -> None:
    document = copy.deepcopy(WORLD)
    document["policies"]["no-writes"] = {"effect": "deny", "subjects": "any", "actions": ["write"], "targets": "any"}

    async def work(world: World) -> None:
        endpoint = Endpoint(world)
        seen = []
        for name in ("add", "none", "template/top", "acme/template/top", "x" * 1000, "\u202e", ""):
            for answer in (
                await endpoint.send(request("tools/call", name=name, arguments={})),
                await endpoint.send(request("tools/call", name=name)),
            ):
                error = answer.body["error"]
                assert error["data"].pop("evidence_id")
                seen.append((answer.status, error))
        assert all(one == seen[0] for one in seen)
        listed = (await endpoint.send(request("tools/list"))).body["result"]["tools"]
        assert [tool["name"] for tool in listed] == ["top"]
        stranger = Endpoint(world, Caller("globex", "bot"))
        assert (await stranger.send(request("tools/list"))).body["result"]["tools"] == []
        assert (await stranger.send(request("tools/call", name="top", arguments={"region": "eu"}))).body["error"][
            "code"
        ] == -32602
        assert world.outside.seen == []

    in_world(db, folder, work, document)


def test_what_is_listed_follows_what_is_in_force(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        endpoint = Endpoint(world)

        async def names() -> list[str]:
            return [tool["name"] for tool in (await endpoint.send(request("tools/list"))).body["result"]["tools"]]

        assert await names() == ["add", "top"]
        await asyncio.to_thread(world.command, "freeze", "acme/template/top", "--reason", "test")
        await world.look()
        assert await names() == ["add"]
        changed = copy.deepcopy(WORLD)
        changed["templates"]["top"]["description"] = "Other words."
        await asyncio.to_thread(apply, db, folder, changed)
        await asyncio.to_thread(world.command, "unfreeze", "acme/template/top", "--reason", "test")
        await world.look()
        listed = (await endpoint.send(request("tools/list"))).body["result"]["tools"]
        assert [tool.get("description") for tool in listed] == [None, "Other words."]

    in_world(db, folder, work)


def test_labels_go_in_meta_or_in_headers(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        endpoint = Endpoint(world)
        meta = {"reconciler/idempotency-key": "k1", "reconciler/run-id": "run-1"}
        call = request("tools/call", name="add", _meta=meta)
        first, again = (await endpoint.send(call)).body, (await endpoint.send(call)).body
        assert len(world.outside.seen) == 1
        assert "reconciler/replayed" not in first["result"]["_meta"]
        assert again["result"]["_meta"]["reconciler/replayed"] is True
        assert (
            again["result"]["structuredContent"]["evidence_id"] == first["result"]["structuredContent"]["evidence_id"]
        )
        plain = request("tools/call", name="add")
        for _ in range(2):
            await endpoint.send(plain, {"Idempotency-Key": "k2", "X-Run-Id": "run-2"})
        assert len(world.outside.seen) == 2
        await endpoint.send(call, {"Idempotency-Key": "k3", "X-Run-Id": "run-3"})  # what stands in the message wins
        assert len(world.outside.seen) == 2
        assert {one["run"] for one in await world.evidence() if one["decision"] == "allow"} == {"run-1", "run-2"}
        reused = await endpoint.send(request("tools/call", name="top", arguments={"region": "eu"}, _meta=meta))
        assert reused.body["result"]["isError"] is False  # a read has no use for a key

    in_world(db, folder, work)


def test_a_model_is_told_of_cut_rows_and_of_limits(db: Db, folder: Path) -> None:
    document = copy.deepcopy(WORLD)
    document["limits"] = {
        "soft": {"target": "template/top", "per": "day", "requests": 1, "on_exceed": "warn"},
        "hard": {"target": "template/add", "per": "day", "requests": 1},
    }

    async def work(world: World) -> None:
        endpoint = Endpoint(world)
        world.outside.does = lambda call: Answer([{"name": "Ann"}], 1, 14, cut=True)
        top = request("tools/call", name="top", arguments={"region": "eu"})
        await endpoint.send(top)
        result = (await endpoint.send(top)).body["result"]
        assert (result["structuredContent"]["cut"], len(result["content"])) == (True, 2)
        assert "Rows were cut" in result["content"][1]["text"]
        assert result["_meta"]["reconciler/warnings"] == ["template/top: requests per day"]
        assert result["structuredContent"]["warnings"] == ["template/top: requests per day"]
        add = request("tools/call", name="add")
        await endpoint.send(add)
        refused = (await endpoint.send(add)).body["result"]
        assert (refused["isError"], refused["structuredContent"]["code"]) == (True, "limit-exceeded")
        assert refused["structuredContent"]["retry_after"] > 0
        assert refused["_meta"]["reconciler/evidence-id"]
        wrong = (await endpoint.send(request("tools/call", name="top", arguments={"region": 5}))).body["result"]
        assert (wrong["isError"], wrong["structuredContent"]["errors"][0]["parameter"]) == (True, "region")

    in_world(db, folder, work, document)


def test_each_refusal_is_counted_by_its_code(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        endpoint = Endpoint(world)
        top = {"name": "top", "arguments": {"region": 5}}
        for message, code in (
            (request("tools/call", name="none"), "not-found"),
            (request("tools/call", **top), "invalid-values"),
            (request("tools/call", name="top", _meta={"reconciler/run-id": 5}), "invalid-run"),
            (request("tools/list"), ""),
            (request("x"), ""),
        ):
            assert (await endpoint.send(message)).refused == code
        assert (await endpoint.modern("tools/call", **top)).refused == "invalid-values"
        assert (await endpoint.send(b"", method="GET")).refused == "method-not-allowed"

    in_world(db, folder, work)


def test_a_client_that_leaves_gets_no_answer(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        async def receive() -> Any:
            return {"type": "http.disconnect"}

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")], "who": BOT}
        with pytest.raises(ClientDisconnect):
            await McpOverHttp(Mcp(world.mediator))(scope, receive, send)
        assert sent == []

    in_world(db, folder, work)


def test_a_defect_says_nothing_of_itself(db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(world: World) -> None:
        def broken(*_: Any) -> Any:
            raise ZeroDivisionError("a secret")

        monkeypatch.setattr(world.mediator, "target_of", broken)
        endpoint = Endpoint(world)
        for answer in (
            await endpoint.send(request("tools/call", 8, name="top")),
            await endpoint.modern("tools/call", name="top"),
        ):
            assert (answer.status, answer.body["error"]["code"]) == (200, -32603)
            assert "secret" not in str(answer.body)

    in_world(db, folder, work)
