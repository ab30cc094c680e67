"""Each fault of a server over HTTP ends the call that it concerns, within its bounds, and no other call."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reconciler.runtime.call import Failed
from reconciler.runtime.mcp import client as client_room
from reconciler.runtime.mcp.client import Client
from reconciler.runtime.mcp.http import HttpChannel
from tests.runtime.mcp import faulty_http as faults
from tests.runtime.mcp.faulty_http import Exchange, Faulty, serving
from tests.runtime.mcp.support import LOOPBACK, Permits, around, calling, over_http

FINE = {"content": [{"type": "text", "text": "fine"}], "isError": False}


@pytest.mark.parametrize(
    ("fault", "code", "outcome"),
    [
        (faults.reset, "unreachable", "unknown"),
        (faults.huge, "too-large", "unknown"),
        (faults.huge_event, "too-large", "unknown"),
        (faults.bomb, "invalid-response", "unknown"),
        (faults.endless, "timeout", "unknown"),
        (faults.wrong_id, "invalid-response", "unknown"),
        (faults.wrong_ids, "invalid-response", "unknown"),
        (faults.invalid_bytes, "invalid-response", "unknown"),
        (faults.redirect, "upstream-failed", "failure"),
        (faults.silent, "timeout", "unknown"),
        (faults.rude, "unreachable", "unknown"),
        (faults.many_headers, "unreachable", "unknown"),
        (faults.accepted, "upstream-failed", "unknown"),
        (faults.no_json, "invalid-response", "unknown"),
        (faults.deep, "invalid-response", "unknown"),
        (faults.failing, "tool-failed", "failure"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_a_fault_ends_its_call_and_no_other(fault: faults.Fault, code: str, outcome: str) -> None:
    """The connector is one; each second call meets the fault, and the others run beside it."""

    async def every_second(to: Exchange) -> None:
        await (fault(to) if to.message["params"]["arguments"] else Exchange.usual(to))

    async def scenario() -> None:
        async with serving(call=every_second) as server, calling(over_http(server.port), around()) as run:
            await run("look", {})
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            bad = asyncio.create_task(run("look", {"bad": True}, seconds=2.0))
            for _ in range(20):
                begun = time.monotonic()
                assert (await run("look", {})).content == FINE
                assert time.monotonic() - begun < 1.5
            with pytest.raises(Failed) as found:
                await bad
            assert (found.value.code, found.value.outcome) == (code, outcome)
            assert (await run("look", {})).content == FINE
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB
        for _ in range(50):
            if server.open == 0:
                return
            await asyncio.sleep(0.05)
        assert fault in {faults.silent}, "a connection was left open"

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [faults.empty_events, faults.flood], ids=lambda one: one.__name__)
def test_noise_before_an_answer_is_passed_over(fault: faults.Fault) -> None:
    async def scenario() -> None:
        async with serving(call=fault) as server, calling(over_http(server.port), around()) as run:
            assert (await run("look", {})).content == {"content": [], "isError": False}

    asyncio.run(scenario())


def client_of(server: Faulty) -> Client:
    async def headers(_anew: bool) -> dict[str, str]:
        return {}

    url = f"http://127.0.0.1:{server.port}/mcp"
    exceptions = [{"cidr": "127.0.0.0/8", "port": server.port}]
    return Client(HttpChannel(url, headers, exceptions, Permits(LOOPBACK), False))


GOOD = b'{"name":"good","inputSchema":{"type":"object"}}'
MALFORMED = {
    "no-name": b'{"inputSchema":{"type":"object"}}',
    "name-is-a-number": b'{"name":7,"inputSchema":{"type":"object"}}',
    "empty-name": b'{"name":"","inputSchema":{"type":"object"}}',
    "no-map": b'"good"',
    "null": b"null",
    "no-schema": b'{"name":"bad"}',
    "schema-is-a-list": b'{"name":"bad","inputSchema":[]}',
    "schema-of-no-object": b'{"name":"bad","inputSchema":{"type":"string"}}',
    "schema-is-none": b'{"name":"bad","inputSchema":{"type":"nonsense"}}',
    "schema-reads-a-file": b'{"name":"bad","inputSchema":{"type":"object","$ref":"file:///etc/passwd"}}',
    "description-is-a-map": b'{"name":"bad","description":{},"inputSchema":{"type":"object"}}',
    "annotations-are-text": b'{"name":"bad","annotations":"x","inputSchema":{"type":"object"}}',
    "large-number": b'{"name":"bad","inputSchema":{"type":"object","maxProperties":9007199254740993}}',
    "endless-number": b'{"name":"bad","inputSchema":{"type":"object","maximum":1e999}}',
    "long-number": b'{"name":"bad","inputSchema":{"type":"object","maximum":%b}}' % (b"9" * 5000),
    "not-a-number": b'{"name":"bad","inputSchema":{"type":"object","maximum":NaN}}',
    "lone-surrogate": b'{"name":"bad","description":"\\ud800","inputSchema":{"type":"object"}}',
    "surrogate-in-name": b'{"name":"\\ud800","inputSchema":{"type":"object"}}',
    "no-utf-8": b'{"name":"bad","description":"\xff","inputSchema":{"type":"object"}}',
    "key-twice": b'{"name":"bad","name":"bad","inputSchema":{"type":"object"}}',
    "key-twice-within": b'{"name":"bad","inputSchema":{"type":"object","type":"object"}}',
    "deep": b'{"name":"bad","inputSchema":{"type":"object","x":%b%b}}' % (b"[" * 90_000, b"]" * 90_000),
    "deep-schema": b'{"name":"bad","inputSchema":%b1%b}' % (b'{"not":' * 80, b"}" * 80),
    "long": b'{"name":"bad","description":"%b","inputSchema":{"type":"object"}}' % (b"x" * 70_000),
    "name-twice": b'{"name":"bad","inputSchema":{"type":"object"}},{"name":"bad","inputSchema":{"type":"object"}}',
    "name-twice-once-malformed": b'{"name":"bad","inputSchema":{"type":"object"}},{"name":"bad"}',
}


@pytest.mark.parametrize("tool", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_tool_concerns_itself_alone(tool: bytes) -> None:
    async def listing(to: Exchange) -> None:
        text = b'{"jsonrpc":"2.0","id":%d,"result":{"tools":[%b,%b,%b]}}'
        await to.body(text % (to.message["id"], GOOD, tool, GOOD.replace(b"good", b"other")))

    async def scenario() -> None:
        async with serving(list=listing) as server:
            client = client_of(server)
            try:
                found = await client.tools()
            finally:
                await client.close()
            assert {*found.tools} == {"good", "other"}
            assert len(found.malformed) == 1
            str(found.malformed).encode()  # a report that can be printed

    asyncio.run(scenario())


@pytest.mark.parametrize("page", [{"tools": {}}, {"tools": "x"}, {"tools": None}, {}, {"tools": [], "nextCursor": 7}])
def test_a_list_that_is_none_has_no_tools(page: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with serving(list=lambda to: to.result(page)) as server:
            client = client_of(server)
            assert not (await client.tools()).tools
            await client.close()

    asyncio.run(scenario())


def test_a_list_is_bounded() -> None:
    async def pages(to: Exchange) -> None:
        await to.result({"tools": [], "nextCursor": "more"})

    async def many(to: Exchange) -> None:
        await to.result({"tools": [{"name": f"t{number}"} for number in range(3000)], "nextCursor": "more"})

    async def scenario() -> None:
        for listing, most in ((pages, client_room.MOST_PAGES), (many, 2)):
            async with serving(list=listing) as server:
                client = client_of(server)
                with pytest.raises(Failed, match="more than") as found:
                    await client.tools()
                assert found.value.code == "too-large"
                assert server.asked.count("tools/list") == most
                await client.close()

    asyncio.run(scenario())


def discovering(answer: Callable[[Exchange], Awaitable[None]]) -> dict[str, Any]:
    return {"discover": answer}


@pytest.mark.parametrize(
    "discover",
    [lambda to: to.error(-32601), lambda to: to.error(-32602), lambda to: to.error(-32601, 404)]
    + [lambda to, status=status: to.body(b"?", status) for status in (400, 404, 405)],
)
def test_an_older_server_is_asked_with_the_handshake(discover: faults.Fault) -> None:
    async def begin(to: Exchange) -> None:
        told = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "old", "version": "1"}}
        await to.result(told, Mcp_Session_Id="s1")

    async def scenario() -> None:
        async with serving(discover=discover, initialize=begin) as server:
            client = client_of(server)
            assert [*(await client.tools()).tools] == ["look"]
            assert server.asked == ["server/discover", "initialize", "notifications/initialized", "tools/list"]
            await client.close()

    asyncio.run(scenario())


def test_a_server_that_takes_no_handshake_is_a_newer_one() -> None:
    async def scenario() -> None:
        async with serving(discover=lambda to: to.error(-32601), initialize=lambda to: to.error(-32022)) as server:
            client = client_of(server)
            assert (await client.server()).is_modern
            assert [*(await client.tools()).tools] == ["look"]
            await client.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault", [faults.silent, faults.endless, faults.huge, faults.reset, faults.redirect, faults.failing, faults.bomb]
)
@pytest.mark.parametrize("at", ["discover", "initialize", "list"])
def test_first_contact_is_bounded(fault: faults.Fault, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_room, "START_SECONDS", 0.5)
    old = {"discover": lambda to: to.error(-32601)} if at == "initialize" else {}

    async def scenario() -> None:
        async with serving(**{**old, at: fault}) as server:
            client = client_of(server)
            begun = time.monotonic()
            with pytest.raises(Failed):
                await asyncio.wait_for(client.tools(), 20)
            assert time.monotonic() - begun < 12
            await client.close()

    asyncio.run(scenario())


def test_a_server_that_takes_its_time_to_start_starts_once_for_all() -> None:
    """The first caller's time is up before; the start goes on, and the next one has the server."""

    async def slow(to: Exchange) -> None:
        await asyncio.sleep(0.6)
        await Exchange.usual(to)

    async def scenario() -> None:
        async with serving(discover=slow) as server:
            client = client_of(server)
            soon = asyncio.get_running_loop().time() + 0.2
            for found in await asyncio.gather(*(client.server(soon) for _ in range(5)), return_exceptions=True):
                assert isinstance(found, Failed)
                assert (found.code, found.outcome) == ("timeout", "blocked")
            await client.server()
            assert server.asked == ["server/discover"]
            await client.close()

    asyncio.run(scenario())


def test_a_notification_that_nobody_answers_does_not_keep_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.runtime.mcp.http.TELL_SECONDS", 0.2)

    async def begin(to: Exchange) -> None:
        await to.result({"protocolVersion": "2025-06-18", "capabilities": {}})

    async def scenario() -> None:
        for fault in (faults.silent, faults.reset, faults.rude):
            async with serving(discover=lambda to: to.error(-32601), initialize=begin, initialized=fault) as server:
                client = client_of(server)
                assert [*(await asyncio.wait_for(client.tools(), 10)).tools] == ["look"]
                await client.close()

    asyncio.run(scenario())


class Sessions:
    """A server of the older era that forgets its sessions when it is told to."""

    def __init__(self, status: int, text: bytes) -> None:
        self.status, self.text = status, text
        self.begun = 0

    async def begin(self, to: Exchange) -> None:
        self.begun += 1
        await to.result({"protocolVersion": "2025-11-25", "capabilities": {}}, Mcp_Session_Id=f"s{self.begun}")

    async def answer(self, to: Exchange) -> None:
        is_lost = to.headers.get("mcp-session-id") == "s1" and to.server.asked.count("tools/call") > 1
        await (to.body(self.text, self.status) if is_lost else Exchange.usual(to))


@pytest.mark.parametrize(
    ("status", "text", "begun"),
    [(404, b"", 2), (400, b'{"error":{"message":"No valid session ID provided"}}', 2), (400, b"bad arguments", 1)],
)
def test_a_session_is_begun_anew_once(status: int, text: bytes, begun: int) -> None:
    async def scenario() -> None:
        sessions = Sessions(status, text)
        known = {"discover": lambda to: to.body(b"", 404), "initialize": sessions.begin, "call": sessions.answer}
        async with serving(**known) as server, calling(over_http(server.port), around()) as run:
            await run("look", {})
            found = await asyncio.gather(*(run("look", {}) for _ in range(5)), return_exceptions=True)
            assert sessions.begun == begun
            if begun == 1:  # a 400 that is about something else
                assert {(one.code, one.outcome) for one in found} == {("upstream-failed", "failure")}
                assert server.asked.count("tools/call") == 6
            else:
                assert [one.content for one in found] == [FINE] * 5

    asyncio.run(scenario())


def test_a_server_that_keeps_no_session_is_given_up() -> None:
    async def scenario() -> None:
        sessions = Sessions(404, b"")
        known = {"discover": lambda to: to.body(b"", 404), "initialize": sessions.begin}
        known["call"] = lambda to: to.body(b"", 404)
        async with serving(**known) as server, calling(over_http(server.port), around()) as run:
            with pytest.raises(Failed, match="does not keep its sessions"):
                await run("look", {})
            assert (sessions.begun, server.asked.count("tools/call")) == (2, 2)

    asyncio.run(scenario())


def test_who_stops_waiting_says_so_to_an_older_server() -> None:
    async def begin(to: Exchange) -> None:
        await to.result({"protocolVersion": "2025-11-25", "capabilities": {}})

    async def scenario() -> None:
        old = {"discover": lambda to: to.body(b"", 404), "initialize": begin}
        async with serving(**old, call=faults.silent) as server, calling(over_http(server.port), around()) as run:
            with pytest.raises(Failed):
                await run("look", {}, seconds=0.3)
            for _ in range(100):
                if "notifications/cancelled" in server.asked:
                    break
                await asyncio.sleep(0.05)
            call = next(one for one in server.messages if one["method"] == "tools/call")
            assert server.messages[-1]["params"] == {"requestId": call["id"]}

    asyncio.run(scenario())


def test_a_connection_is_kept_after_a_stream() -> None:
    async def stream(to: Exchange) -> None:
        await to.head(kind="text/event-stream", Transfer_Encoding="chunked")
        await to.chunk(b"event: message\ndata: " + to.answer({"content": []}) + b"\n\n")
        await asyncio.sleep(0.01)
        to.writer.write(b"0\r\n\r\n")
        await to.writer.drain()

    async def scenario() -> None:
        async with serving(call=stream) as server, calling(over_http(server.port), around()) as run:
            for _ in range(10):
                await run("look", {})
                await asyncio.sleep(0.03)
            assert server.open == 1

    asyncio.run(scenario())


def test_closing_under_load_ends_every_call() -> None:
    async def slow(to: Exchange) -> None:
        await asyncio.sleep(0.5)
        await Exchange.usual(to)

    async def scenario() -> None:
        async with serving(call=slow) as server:
            async with calling(over_http(server.port), around()) as run:
                await run("look", {})
                tasks = [asyncio.create_task(run("look", {})) for _ in range(40)]
                await asyncio.sleep(0.1)
            for found in await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 15):
                assert isinstance(found, Failed), found
            for _ in range(50):
                if not server.open:
                    break
                await asyncio.sleep(0.1)
            assert not server.open

    asyncio.run(scenario())
