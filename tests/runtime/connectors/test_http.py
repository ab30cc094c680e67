"""HTTP templates against real servers: what goes out, what comes back, and what never gets anywhere."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from reconciler.runtime.call import Answer, Call, Failed, Permits, Surroundings
from reconciler.runtime.connectors.http import open_http
from reconciler.runtime.gate import passed
from reconciler.secrets.scrub import Scrubber
from tests.runtime.calls import SECRETS, around, call, resolve, resource

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """What it was asked."""

    def __init__(self, handler: Handler) -> None:
        self.handler, self.seen = handler, list[web.Request]()
        self.bodies: list[bytes] = []
        self.port = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)  # type: ignore[arg-type]
        self.bodies.append(await request.read())
        return await self.handler(request)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(handler: Handler) -> Any:
    server = Server(handler)
    runner = web.ServerRunner(web.Server(server), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


async def hello(request: web.Request) -> web.StreamResponse:
    return web.json_response({"path": request.raw_path, "query": [*request.query.items()]})


def asked(
    handler: Handler,
    template: dict[str, Any],
    values: dict[str, Any] | None = None,
    connector: dict[str, Any] | None = None,
    seconds: float = 10.0,
    body: Any = None,
    surroundings: Surroundings | None = None,
) -> tuple[Answer | Failed, Server, Call]:
    async def main() -> tuple[Answer | Failed, Server, Call]:
        async with serving(handler) as server:
            exception = [{"cidr": "127.0.0.0/8", "port": server.port}]
            base = {"type": "http", "base_url": f"http://127.0.0.1:{server.port}/api", "network_exceptions": exception}
            http = resource("connector", {**base, "retries": 0, **(connector or {})})
            one = call(
                http,
                resource("template", {"type": "http", "connector": "it", "method": "GET", **template}),
                values or {},
                seconds,
                body,
            )
            connection = await open_http("acme", http, surroundings or around())
            try:
                async with asyncio.timeout(seconds + 1):
                    return await connection.run(one), server, one
            except Failed as error:
                return error, server, one
            finally:
                await connection.close()

    return asyncio.run(main())


def exit_of(answer: Answer) -> Any:
    """What the mediator lets out of an answer, of a tenant that has used its secrets."""
    known = Scrubber("***")
    for secret in SECRETS.values():
        known.add(secret)
    return passed(answer, known).content


ORDERS = {
    "path": "/orders/{id}/lines",
    "query": {"region": "{region}", "kind": "open", "tag": "{tags}"},
    "headers": {"X-Trace": "{trace}"},
    "parameters": {
        "id": {"type": "string"},
        "region": {"type": "string", "nullable": True},
        "tags": {"type": "array", "items": "string"},
        "trace": {"type": "string", "nullable": True},
    },
}


def test_values_go_where_they_belong() -> None:
    answer, server, _ = asked(
        hello, ORDERS, {"id": "a/b?c#d %2e", "region": "e&u=1", "tags": ["x", "y"], "trace": "t1"}
    )
    assert isinstance(answer, Answer)
    assert answer.content["status"] == 200
    assert answer.content["body"]["path"].startswith("/api/orders/a%2Fb%3Fc%23d%20%252e/lines?")
    assert answer.content["body"]["query"] == [["region", "e&u=1"], ["kind", "open"], ["tag", "x"], ["tag", "y"]]
    assert server.seen[0].headers["X-Trace"] == "t1"
    assert "User-Agent" not in server.seen[0].headers


def test_null_leaves_out() -> None:
    answer, server, _ = asked(hello, ORDERS, {"id": "1", "region": None, "tags": [], "trace": None})
    assert isinstance(answer, Answer)
    assert answer.content["body"]["query"] == [["kind", "open"]]
    assert "X-Trace" not in server.seen[0].headers


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_no_value_climbs(value: str) -> None:
    answer, server, _ = asked(hello, ORDERS, {"id": value, "region": None, "tags": [], "trace": None})
    assert isinstance(answer, Failed)
    assert (answer.code, server.seen) == ("invalid-value", [])


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x00b", "ü", "a\nb"])
def test_no_value_makes_a_header(value: str) -> None:
    answer, server, _ = asked(hello, ORDERS, {"id": "1", "region": None, "tags": [], "trace": value})
    assert isinstance(answer, Failed)
    assert (answer.code, server.seen) == ("invalid-value", [])


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"type": "bearer", "token": "env://TOKEN"}, "Authorization", "Bearer s3cret-token-value"),
        ({"type": "api_key", "key": "env://TOKEN"}, "X-API-Key", "s3cret-token-value"),
        (
            {"type": "basic", "username": "me", "password": "env://TOKEN"},
            "Authorization",
            "Basic bWU6czNjcmV0LXRva2VuLXZhbHVl",
        ),
    ],
)
def test_credentials_go_out_and_never_come_back(auth: dict[str, Any], header: str, value: str) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response({"echo": request.headers[header], "again": SECRETS["env://TOKEN"]})

    answer, server, _ = asked(echo, {"path": "/x"}, connector={"auth": auth})
    assert isinstance(answer, Answer)
    assert server.seen[0].headers[header] == value
    told = json.dumps(exit_of(answer))
    assert "s3cret" not in told
    assert "czNjcmV0" not in told


def test_a_key_in_the_query_is_the_connector_s() -> None:
    auth = {"type": "api_key", "key": "env://PASSWORD", "in": "query", "header": "key"}
    template = {"path": "/x", "query": {"q": "{q}"}, "parameters": {"q": {"type": "string"}}}
    answer, server, _ = asked(hello, template, {"q": "1"}, {"auth": auth})
    assert isinstance(answer, Answer)
    assert server.seen[0].query["key"] == SECRETS["env://PASSWORD"]
    told = json.dumps(exit_of(answer), ensure_ascii=False)
    assert SECRETS["env://PASSWORD"] not in told
    assert "pa%2Fss" not in told


def test_no_template_takes_the_place_of_a_header() -> None:
    template = {"path": "/x", "headers": {"x-team": "{team}"}, "parameters": {"team": {"type": "string"}}}
    answer, server, _ = asked(hello, template, {"team": "theirs"}, {"headers": {"X-Team": "ours"}})
    assert isinstance(answer, Answer)
    assert server.seen[0].headers.getall("X-Team") == ["ours"]


def test_no_redirect_is_followed() -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest"}, text="moved")

    answer, server, _ = asked(away, {"path": "/x"})
    assert isinstance(answer, Answer)
    assert (answer.content["status"], len(server.seen)) == (302, 1)


def test_what_unpacks_to_too_much_is_stopped() -> None:
    bomb = gzip.compress(b"0" * 67_000_000)

    async def sends(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    answer, _, _ = asked(sends, {"path": "/x", "max_response_bytes": 100_000})
    assert isinstance(answer, Failed)
    assert answer.code == "too-large"


def test_what_trickles_is_cut_at_the_deadline() -> None:
    async def trickles(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    async def main() -> None:
        async with serving(trickles) as server:
            exception = [{"cidr": "127.0.0.0/8", "port": server.port}]
            http = resource(
                "connector",
                {"type": "http", "base_url": f"http://127.0.0.1:{server.port}", "network_exceptions": exception},
            )
            connection = await open_http("acme", http, around())
            one = call(
                http, resource("template", {"type": "http", "connector": "it", "method": "GET", "path": "/x"}), {}
            )
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):  # as the mediator does
                    await connection.run(one)
            await connection.close()

    asyncio.run(main())


@pytest.mark.parametrize(("method", "times"), [("GET", 3), ("POST", 1)])
def test_only_what_changes_nothing_is_repeated(method: str, times: int) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=503)

    answer, server, _ = asked(
        busy, {"path": "/x", "method": method}, connector={"retries": 2, "allowed_methods": ["GET", "POST"]}
    )
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome, answer.status, len(server.seen)) == ("upstream-failed", "failure", 503, times)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "credential-refused"),
        (429, "upstream-limited"),
        (500, "upstream-failed"),
        (504, "upstream-failed"),
        (599, "upstream-failed"),
    ],
)
def test_a_status_that_says_that_nothing_was_done(status: int, code: str) -> None:
    """Whatever stands in the body: nobody reads it."""

    async def refuses(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=b"\xff" * 10**6, headers={"Retry-After": "7"})

    template = {"path": "/x", "method": "POST", "body": {}}
    answer, _, _ = asked(refuses, template, {}, {"allowed_methods": ["POST"]}, body=1)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome, answer.status, answer.retry_after) == (code, "failure", status, 7)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 409, 422])
def test_a_status_that_is_an_answer(status: int) -> None:
    async def says(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    answer, _, _ = asked(says, {"path": "/x"})
    assert isinstance(answer, Answer)
    assert (answer.content["status"], answer.status) == (status, status)


@pytest.mark.parametrize(("method", "outcome"), [("GET", "failure"), ("POST", "unknown")])
def test_a_connection_that_ends_after_it_was_asked(method: str, outcome: str) -> None:
    async def gone(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    answer, _, _ = asked(gone, {"path": "/x", "method": method}, connector={"allowed_methods": ["GET", "POST"]})
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("unreachable", outcome)


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def test_bodies_are_what_the_schema_says() -> None:
    template = {"path": "/x", "method": "POST", "body": SCHEMA}
    post = {"allowed_methods": ["POST"]}
    answer, server, _ = asked(hello, template, {}, post, body={"n": 1})
    assert isinstance(answer, Answer)
    assert (server.bodies, server.seen[0].headers["Content-Type"]) == ([b'{"n":1}'], "application/json")
    for wrong in ({"n": "CANARY"}, {"n": 1, "more": 1}, [], None):
        answer, server, _ = asked(hello, template, {}, post, body=wrong)
        assert isinstance(answer, Failed)
        assert (answer.code, server.seen) == ("invalid-body", [])
        assert "CANARY" not in str(answer)


def test_a_schema_fetches_nothing() -> None:
    async def fetched(request: web.Request) -> web.StreamResponse:
        return web.json_response({"type": "object"})

    async def main() -> None:
        async with serving(fetched) as server:
            exception = [{"cidr": "127.0.0.0/8", "port": server.port}]
            base = {
                "type": "http",
                "base_url": f"http://127.0.0.1:{server.port}",
                "network_exceptions": exception,
                "allowed_methods": ["POST"],
            }
            http = resource("connector", base)
            template = resource(
                "template", {"type": "http", "connector": "it", "method": "POST", "path": "/x", "body": SCHEMA}
            )
            template.body["body"] = {"$ref": f"http://127.0.0.1:{server.port}/schema.json"}
            connection = await open_http("acme", http, around())
            with pytest.raises(Failed, match="schema"):
                await connection.run(call(http, template, {}, body={"n": 1}))
            await connection.close()
            assert not server.seen

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "application/zip"])
def test_what_is_no_text_is_refused(kind: str) -> None:
    async def sends(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"abc", content_type=kind)

    answer, _, _ = asked(sends, {"path": "/x"})
    assert isinstance(answer, Failed)
    assert answer.code == "invalid-response"


@pytest.mark.parametrize("charset", ["undefined", "idna", "hex", "none-such", "utf-7"])
def test_a_charset_that_decodes_nothing_is_refused(charset: str) -> None:
    async def sends(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\xff", headers={"Content-Type": f"text/plain; charset={charset}"})

    answer, _, _ = asked(sends, {"path": "/x"})
    assert isinstance(answer, Failed)
    assert answer.code == "invalid-response"


def test_a_method_that_the_connector_does_not_allow() -> None:
    answer, server, _ = asked(hello, {"path": "/x", "method": "DELETE"})
    assert isinstance(answer, Failed)
    assert (answer.code, server.seen) == ("method-not-allowed", [])


def test_a_refused_credential_is_fetched_once_more() -> None:
    async def kept(_tenant: str, _reference: str) -> str:
        return "old-token"

    async def anew(_tenant: str, _reference: str) -> str:
        return "new-token"

    async def judges(request: web.Request) -> web.StreamResponse:
        good = request.headers["Authorization"] == "Bearer new-token"
        return web.json_response({}, status=200 if good else 401)

    surroundings = around()._replace(resolve=kept, resolve_anew=anew)
    answer, server, _ = asked(
        judges, {"path": "/x"}, connector={"auth": {"type": "bearer", "token": "env://T"}}, surroundings=surroundings
    )
    assert isinstance(answer, Answer)
    assert (answer.content["status"], len(server.seen)) == (200, 2)


def test_names_that_change_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name says a public address when it is judged, and the victim's a moment later."""
    victims: list[Any] = []

    async def main() -> None:
        victim = await asyncio.start_server(lambda reader, writer: victims.append(writer), "127.0.0.1", 0)
        port = victim.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        looks = iter(range(10**6))

        async def rebinding(host: str, number: Any, **_: Any) -> Any:
            address = "192.0.0.171" if next(looks) % 2 == 0 else "127.0.0.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, number))]

        monkeypatch.setattr(loop, "getaddrinfo", rebinding)
        monkeypatch.setattr("reconciler.runtime.addresses._NEVER", ())
        http = resource("connector", {"type": "http", "base_url": f"http://rebind.example:{port}", "retries": 0})
        template = resource("template", {"type": "http", "connector": "it", "method": "GET", "path": "/x"})
        nobody = Surroundings(resolve, resolve, Permits())
        for _ in range(1000):
            connection = await open_http("acme", http, nobody)
            with pytest.raises((Failed, TimeoutError)):
                async with asyncio.timeout(0.01):
                    await connection.run(call(http, template, {}))
            await connection.close()
        victim.close()

    asyncio.run(main())
    assert not victims


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "localhost"])
def test_a_victim_on_this_machine_hears_nothing(host: str) -> None:
    heard: list[Any] = []

    async def main() -> None:
        victim = await asyncio.start_server(lambda reader, writer: heard.append(writer), "127.0.0.1", 0)
        port = victim.sockets[0].getsockname()[1]
        http = resource("connector", {"type": "http", "base_url": f"http://{host}:{port}", "retries": 0})
        template = resource("template", {"type": "http", "connector": "it", "method": "GET", "path": "/x"})
        connection = await open_http("acme", http, Surroundings(resolve, resolve, Permits()))
        with pytest.raises(Failed) as caught:
            await connection.run(call(http, template, {}))
        # an odd spelling may be no host at all for the client, before anybody resolves it
        assert caught.value.outcome == ("failure" if host.isdigit() else "blocked")
        await connection.close()
        victim.close()

    asyncio.run(main())
    assert not heard


def test_a_refused_address_has_seen_nothing() -> None:
    """It is refused inside of the client, where the request is on its way already: the call reached nothing all the same."""
    failed, server, one = asked(hello, {"path": "/x"}, connector={"network_exceptions": []})
    assert isinstance(failed, Failed)
    assert (failed.code, failed.outcome, one.effect) == ("address-refused", "blocked", False)
    assert server.seen == []
