"""Values pass every way in and out unchanged, or are refused; nothing that an upstream answers leaves a call open."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.runtime.call import Answer, Call
from reconciler.runtime.mediator import Done, Refusal
from reconciler.strict_json import MAX_DEPTH
from tests.conftest import ROOT, Db, command_environment
from tests.runtime.servers import Served, served, settings, world_with_data
from tests.runtime.test_ledger import intent
from tests.runtime.worlds import BOT, WORLD, World, apply, in_world, outcomes

LONG = "12345678901234567.89"
HUGE = "9" * 30
DEEP: Any = 1
for _ in range(300):
    DEEP = [DEEP]
UNWRITABLE = [math.nan, [math.inf], "\ud800", {"deep": DEEP}, {"odd": object()}]


class Upstream(BaseHTTPRequestHandler):
    answers, status = b"{}", 200
    bodies: list[bytes]
    paths: list[str]

    def do_POST(self) -> None:
        self.paths.append(self.path)
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.answers)))
        self.end_headers()
        self.wfile.write(self.answers)

    def log_message(self, *_arguments: Any) -> None:
        return None


@contextmanager
def upstream() -> Iterator[tuple[type[Upstream], int]]:
    handler = type("Handler", (Upstream,), {"bodies": [], "paths": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def with_api(folder: Path, port: int) -> dict[str, Any]:
    document = world_with_data(folder)
    exception = [{"cidr": "127.0.0.0/8", "port": port}]
    document["connectors"]["api"] = {
        "type": "http",
        "base_url": f"http://127.0.0.1:{port}",
        "allowed_methods": ["POST"],
        "network_exceptions": exception,
    }
    body = {"type": "object", "properties": {"amount": {"type": "number"}}}
    document["templates"]["pay"] = {"type": "http", "connector": "api", "method": "POST", "path": "/pay", "body": body}
    document["limits"] = {"once": {"target": "template/pay", "concurrent": 1}}
    return document


def send(server: Served, path: str, text: str, **headers: str) -> Any:
    with server.client() as client:
        return client.post(path, content=text.encode(), headers={"Content-Type": "application/json", **headers})


def message(arguments: str, meta: str = '{"io.modelcontextprotocol/protocolVersion": "2026-07-28"}') -> str:
    params = f'{{"name": "pay", "arguments": {arguments}, "_meta": {meta}}}'
    return f'{{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {params}}}'


def amount(number: object) -> str:
    return f'{{"body": {{"amount": {number}}}}}'


def body(text: str) -> str:
    return f'{{"arguments": {text}}}'


MCP_HEADERS = {"Accept": "application/json, text/event-stream"}


def test_numbers_pass_unchanged_and_lies_are_refused(db: Db, folder: Path) -> None:
    with upstream() as (api, port), served(folder, db, with_api(folder, port)) as server:
        for number in (LONG, HUGE, "0.1", "-5"):
            api.answers = b'{"paid": %b}' % number.encode()
            answer = send(server, "/v1/tools/pay/call", body(amount(number)))
            assert answer.status_code == 200, answer.text
            assert f'"paid":{number}' in answer.text
            assert api.bodies[-1] == b'{"amount":%b}' % number.encode()
            answer = send(server, "/mcp", message(amount(number)), **MCP_HEADERS)
            assert answer.status_code == 200, answer.text
            assert api.bodies[-1] == b'{"amount":%b}' % number.encode()
            text = answer.json()["result"]["content"][0]["text"]
            assert f'"paid":{number}' in text
        asked, before = len(api.bodies), len(server.evidence())
        for lie in ('{"amount": NaN}', '{"amount": 1, "amount": 2}', '{"amount": 1e999}', '{"a": "\\ud800"}'):
            assert send(server, "/v1/tools/pay/call", body(f'{{"body": {lie}}}')).status_code == 400
            assert send(server, "/mcp", message(f'{{"body": {lie}}}'), **MCP_HEADERS).status_code == 400
        assert len(api.bodies) == asked
        assert len(server.evidence()) == before


def test_what_an_upstream_answers_leaves_no_call_open(db: Db, folder: Path) -> None:
    hostile = (b'{"n": NaN}', b'"\\ud800"', b"[" * 300 + b"]" * 300, b'{"a":1,"a":2}', b"{", b"\xff", b'{"n":1e999}')
    with upstream() as (api, port), served(folder, db, with_api(folder, port)) as server:
        for number, api.answers in enumerate(hostile):
            key = {"Idempotency-Key": f"k{number}"}
            text = body(amount(number))
            answer = send(server, "/v1/tools/pay/call", text, **key)
            assert answer.status_code == 502, answer.text
            assert answer.json()["evidence_id"]
            assert answer.json()["outcome"] == "unknown"
            again = send(server, "/v1/tools/pay/call", text, **key)
            assert (again.status_code, again.json()["code"]) == (409, "outcome-unknown")
        assert len(api.bodies) == len(hostile)
        found = [one for one in server.evidence() if one["decision"] == "allow"]
        assert {one["outcome"] for one in found} == {"unknown"}
        api.answers = b"{}"
        assert send(server, "/v1/tools/pay/call", '{"arguments": {"body": {}}}').status_code == 200  # the slot is free


@pytest.mark.parametrize("number", range(len(UNWRITABLE)))
def test_an_answer_that_json_can_not_hold_is_settled(db: Db, folder: Path, number: int) -> None:
    """Whatever connector gives it: the outcome is durable, the key knows it, and the slot is free."""

    async def work(world: World) -> None:
        world.outside.does = lambda call: Answer(UNWRITABLE[number], 1, 1)
        for _ in range(2):
            with pytest.raises(Refusal) as caught:
                await world.mediator.access(BOT, Ask("template/top"), {"region": "eu"})
            assert caught.value.code == "unreadable-result"
            assert caught.value.evidence_id

        def changes(call: Call) -> Answer:
            call.effect = True
            return Answer(UNWRITABLE[number], 1, 1)

        world.outside.does = changes
        codes = []
        for _ in range(2):
            with pytest.raises(Refusal) as caught:
                await world.mediator.access(BOT, Ask("template/add"), {}, key="k")
            codes.append(caught.value.code)
            await world.ledger.admit(intent())  # written with the same flush, or a later one
        assert codes == ["unreadable-result", "outcome-unknown"]
        told = outcomes(await world.evidence())
        assert told[:3] == [("allow", "failure"), ("allow", "failure"), ("allow", "unknown")]

    document = copy.deepcopy(WORLD)
    document["limits"] = {"once": {"target": "template/top", "concurrent": 1}}
    in_world(db, folder, work, document)


@pytest.mark.parametrize("levels", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1])
def test_an_answer_at_the_bound_of_levels_is_settled(db: Db, folder: Path, levels: int) -> None:
    """What the repeat seals is one level deeper than the answer itself: that must not fail after the effect."""
    content: Any = 1
    for _ in range(levels):
        content = [content]

    async def work(world: World) -> None:
        def changes(call: Call) -> Answer:
            call.effect = True
            return Answer(content, 1, 1)

        world.outside.does = changes
        got: list[object] = []
        for _ in range(2):
            try:
                got.append(
                    (await world.mediator.access(BOT, Ask("template/add"), {}, key="k")).answer.content == content
                )
            except Refusal as refusal:
                got.append(refusal.code)
            await world.ledger.admit(intent())
        fits = levels <= MAX_DEPTH
        assert got == ([True, True] if fits else ["unreadable-result", "outcome-unknown"])
        assert ("allow", "success" if fits else "unknown") in outcomes(await world.evidence())

    in_world(db, folder, work)


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", DEEP])
def test_no_surface_lets_such_values_in(db: Db, folder: Path, value: Any) -> None:
    async def work(world: World) -> None:
        with pytest.raises(Refusal) as caught:
            await world.mediator.access(BOT, Ask("template/top"), {"region": value})
        assert caught.value.code == "invalid-values"
        assert world.outside.seen == []

    in_world(db, folder, work)


def test_a_repeated_result_is_the_same(db: Db, folder: Path) -> None:
    content = {"n": json.loads(HUGE), "text": "ä"}

    async def work(world: World) -> None:
        world.outside.does = lambda call: Answer(content, 1, 1)
        done = [await world.mediator.access(BOT, Ask("template/add"), {}, key="k") for _ in range(2)]
        assert [one.replayed for one in done] == [False, True]
        assert (
            done[0].answer.json
            == done[1].answer.json
            == json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        )
        assert isinstance(done[1], Done)

    in_world(db, folder, work)


def test_over_stdio(db: Db, folder: Path) -> None:
    """Two equal keys and what would be rounded are refused, by the id of the request; exact numbers pass."""
    with upstream() as (api, port):
        apply(db, folder, with_api(folder, port))
        settings(folder, 1, 2)
        env = command_environment(
            {"PYTHONPATH": str(ROOT), "RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}
        )
        arguments = ["serve", "--config", "serve.yaml", "--stdio", "acme/bot", "--store", f"sqlite:///{folder}/r.db"]
        process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(text: str) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(text + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        try:
            client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            begun = ask(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}))
            assert begun["result"]["serverInfo"]["name"] == "reconciler"
            process.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
            process.stdin.flush()
            for lie in (
                '{"body": {"amount": 1, "amount": 2}}',
                '{"body": {"amount": 1e999}}',
                '{"body": {"amount": NaN}}',
                '{"body": {"amount": 1, "note": "\\ud800"}}',
                '{"body": {"amount": %s}}' % ("9" * 5000),
                '{"body": {"amount": 1, "note": "\0"}}',
            ):
                refused = ask(message(lie, "{}"))
                assert (refused["id"], refused["error"]["code"]) == (7, -32700)
            process.stdin.buffer.write(message('{"body": {"note": "?"}}', "{}").encode().replace(b"?", b"\xff") + b"\n")
            assert "not UTF-8" in ask("")["error"]["message"]
            assert api.bodies == []
            assert "error" not in ask(message(amount(LONG), "{}"))
            assert api.bodies == [b'{"amount":%b}' % LONG.encode()]
        finally:
            process.stdin.close()
            process.wait(20)
            process.stdout.close()
