"""Functions: what is called, what an event holds, how a call ends, and who is reached.

Real parts: the server of moto (Lambda without Docker) and `functions-framework`.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import Request, urlopen

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.access.resource import Resource
from reconciler.kinds.connector.served import SERVED, unserved
from reconciler.runtime.call import Answer, Failed, Permits, Surroundings, ValuesRefused
from reconciler.runtime.connectors.aws import Aws
from reconciler.runtime.connectors.function import Invocation, Invoked, open_serverless
from tests.runtime.calls import LOOPBACK, SECRETS, around, call, resolve, resource
from tests.runtime.connectors.file_stores import moto, near, program
from tests.runtime.connectors.test_http import serving
from tests.runtime.servers import free_port
from tests.runtime.test_addresses import PRIVATE

KEYS = {"access_key_id": "env://LAMBDA_ID", "secret_access_key": "env://LAMBDA_SECRET"}
SECRETS.update({"env://LAMBDA_ID": "AKIDTESTS", "env://LAMBDA_SECRET": "secret-of-lambda"})
ROLE = "arn:aws:iam::123456789012:role/of-the-tests"
TEXT = {"type": "string", "max_length": 200}
KEY = rsa.generate_private_key(65537, 2048)
PROGRAM = """
import functions_framework, json

@functions_framework.http
def resize(request):
    said = request.get_json()
    if said.get("fails"):
        raise RuntimeError("CANARY")
    return json.dumps({"event": said, "authorization": request.headers["Authorization"][:7]})
"""


def aws(port: int, **more: Any) -> Resource:
    base = {"type": "serverless", "provider": "aws_lambda", "region": "eu-west-1", "functions": ["resize", "other"]}
    raw = {**base, **KEYS, "endpoint_url": f"http://127.0.0.1:{port}", "network_exceptions": near(port), **more}
    return resource("connector", raw)


def template(parameters: dict[str, Any] | None = None, **more: Any) -> Resource:
    base = {"type": "function", "connector": "it", "function": "resize", "parameters": parameters or {}}
    return resource("template", {**base, **more})


def ran(
    connector: Resource,
    what: Resource,
    values: dict[str, Any] | None = None,
    body: Any = None,
    seconds: float = 20.0,
    surroundings: Surroundings | None = None,
) -> Answer | Failed:
    async def main() -> Answer | Failed:
        try:
            connection = await open_serverless("acme", connector, surroundings or around())
            try:
                return await connection.run(call(connector, what, values or {}, seconds, body))
            finally:
                await connection.close()
        except Failed as error:
            return error

    return asyncio.run(main())


def told(answer: Answer | Failed) -> Any:
    assert isinstance(answer, Answer), (getattr(answer, "code", ""), answer)
    return answer.content


@pytest.fixture(scope="module")
def cloud() -> Iterator[int]:
    """The port of moto's server, with one function, which answers with its event."""
    port = free_port()
    with program(moto(port), f"http://127.0.0.1:{port}/moto-api/"):
        _say(f"http://127.0.0.1:{port}/moto-api/config", {"lambda": {"use_docker": False}})

        async def main() -> None:
            raw = {
                **KEYS,
                "endpoint_url": f"http://127.0.0.1:{port}",
                "network_exceptions": near(port),
                "region": "eu-west-1",
            }
            roles, functions = Aws("iam", "acme", raw, around()), Aws("lambda", "acme", raw, around())
            try:
                await (await roles.client()).create_role(RoleName="of-the-tests", AssumeRolePolicyDocument="{}")
                code = io.BytesIO()
                with zipfile.ZipFile(code, "w") as file:
                    file.writestr("index.py", "def handler(event, context): return event")
                await (await functions.client()).create_function(
                    FunctionName="resize",
                    Runtime="python3.11",
                    Role=ROLE,
                    Handler="index.handler",
                    Code={"ZipFile": code.getvalue()},
                )
            finally:
                await roles.close()
                await functions.close()

        asyncio.run(main())
        yield port


def _say(url: str, content: Any) -> None:
    request = Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"}, method="POST")
    with urlopen(request, timeout=20):
        pass


def test_moto_runs_it(cloud: int) -> None:
    parameters = {"name": TEXT, "width": {"type": "integer"}}
    answer = ran(aws(cloud), template(parameters), {"name": "a\"'\n{}", "width": 5})
    assert told(answer) == {"name": "a\"'\n{}", "width": 5}
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    answer = ran(aws(cloud), template({"who": TEXT}, body=schema), {"who": "ann"}, {"x": 1, "who": "eve"})
    assert told(answer) == {"x": 1, "who": "ann"}
    answer = ran(aws(cloud), template(mode="async"))
    assert told(answer)["status"] == "accepted"


def test_health(cloud: int) -> None:
    async def main() -> None:
        connection = await open_serverless("acme", aws(cloud), around())
        await connection.ping()
        await connection.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("functions", "path"),
    [(["resize"], "/2015-03-31/functions/resize/invocations"), ([], "/2016-08-19/account-settings")],
)
def test_health_calls_no_function(functions: list[str], path: str) -> None:
    async def main() -> list[web.Request]:
        async with serving(_lambda(b"{}", 200)) as server:
            connection = await open_serverless("acme", aws(server.port, functions=functions), around())
            await connection.ping()
            await connection.close()
            return server.seen

    (request,) = asyncio.run(main())
    assert request.path == path
    assert request.headers.get("X-Amz-Invocation-Type", "DryRun") == "DryRun"


@pytest.mark.parametrize(
    ("more", "what", "code"),
    [
        ({"functions": ["other"]}, {}, "function-not-in-connector"),
        ({"functions": []}, {}, "function-not-in-connector"),
        ({"read_only": True}, {}, "read-only"),
        ({"functions": ["resize"]}, {"function": "resize:1"}, "function-not-in-connector"),
        ({"functions": ["resize"]}, {"function": "RESIZE"}, "function-not-in-connector"),
    ],
)
def test_only_what_the_connector_lists_is_called(more: dict[str, Any], what: dict[str, Any], code: str) -> None:
    async def main() -> tuple[Answer | Failed, int]:
        async with serving(_lambda()) as server:
            connector = aws(server.port, **more)
            connection = await open_serverless("acme", connector, around())
            try:
                return await connection.run(call(connector, template(**what), {})), len(server.seen)
            except Failed as error:
                return error, len(server.seen)
            finally:
                await connection.close()

    answer, seen = asyncio.run(main())
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome, seen) == (code, "blocked", 0)


def _lambda(body: bytes = b"{}", status: int = 200, headers: dict[str, str] | None = None) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(body=body, status=status, headers={"x-amzn-RequestId": "r-1", **(headers or {})})

    return handle


def met(
    handler: Any, what: Resource | None = None, values: dict[str, Any] | None = None, seconds: float = 20.0, **more: Any
) -> tuple[Answer | Failed, list[web.Request]]:
    """What comes of a call to a service that answers like this."""

    async def main() -> tuple[Answer | Failed, list[web.Request]]:
        async with serving(handler) as server:
            connector = aws(server.port, **more)
            connection = await open_serverless("acme", connector, around())
            try:
                return await connection.run(call(connector, what or template(), values or {}, seconds)), server.seen
            except Failed as error:
                return error, server.seen
            finally:
                await connection.close()

    return asyncio.run(main())


def test_what_is_sent() -> None:
    answer, seen = met(_lambda(b'{"a": 1.50}'), template({"v": TEXT}), {"v": "x"})
    assert json.dumps(told(answer)) == '{"a": 1.5}'
    (request,) = seen
    assert request.path == "/2015-03-31/functions/resize/invocations"
    assert request.headers["X-Amz-Invocation-Type"] == "RequestResponse"
    assert request.headers["X-Amz-Log-Type"] == "None"
    answer, seen = met(_lambda(b"", 202), template(mode="async"))
    assert told(answer) == {"status": "accepted", "request_id": "r-1"}
    assert seen[0].headers["X-Amz-Invocation-Type"] == "Event"


def test_parameters_win() -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await request.read())

    async def main() -> Any:
        async with serving(echo) as server:
            connection = await open_serverless("acme", aws(server.port), around())
            what = template({"who": TEXT}, body={"type": "object"})
            answer = await connection.run(call(aws(server.port), what, {"who": "ann"}, 20.0, {"who": "eve", "x": [1]}))
            await connection.close()
            return answer.content

    assert asyncio.run(main()) == {"who": "ann", "x": [1]}


@pytest.mark.parametrize(
    ("handler", "code", "outcome", "requests"),
    [
        (
            _lambda(b'{"errorMessage": "CANARY"}', 200, {"X-Amz-Function-Error": "Unhandled"}),
            "function-failed",
            "unknown",
            1,
        ),
        (_lambda(b'{"message": "x"}', 500, {"x-amzn-ErrorType": "ServiceException"}), "upstream-failed", "unknown", 1),
        (
            _lambda(b'{"message": "x"}', 429, {"x-amzn-ErrorType": "TooManyRequestsException"}),
            "upstream-limited",
            "failure",
            3,
        ),
        (
            _lambda(b'{"message": "x"}', 403, {"x-amzn-ErrorType": "AccessDeniedException"}),
            "credential-refused",
            "failure",
            2,
        ),
        (
            _lambda(b'{"message": "x"}', 404, {"x-amzn-ErrorType": "ResourceNotFoundException"}),
            "upstream-failed",
            "failure",
            1,
        ),
        (_lambda(b"no json"), "invalid-response", "unknown", 1),
        (_lambda(b'"' + b"x" * 200_000 + b'"'), "too-large", "unknown", 1),
        (_lambda(b"[" * 100_000), "too-large", "unknown", 1),
    ],
)
def test_how_a_call_ends(handler: Any, code: str, outcome: str, requests: int) -> None:
    """What may have begun is sent once; what the cloud refused to begin, as often as the connector says."""
    answer, seen = met(handler, retries=2, max_response_bytes=50_000)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome, len(seen)) == (code, outcome, requests)
    assert "CANARY" not in str(answer)


def test_a_lost_answer_is_unknown() -> None:
    async def lost(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"a": 1')
        assert request.transport is not None
        request.transport.abort()
        return response

    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    for handler, code, seconds in ((lost, "unreachable", 20.0), (cut, "unreachable", 20.0), (slow, "timeout", 3.0)):
        answer, seen = met(handler, retries=5, seconds=seconds)
        assert isinstance(answer, Failed)
        assert (answer.code, answer.outcome, len(seen)) == (code, "unknown", 1)


def test_an_event_has_a_bound() -> None:
    parameters = {"v": {"type": "array", "items": "string"}}
    for mode, size in (("sync", 6 * 1024 * 1024), ("async", 256 * 1024)):
        answer, seen = met(_lambda(b"{}"), template(parameters, mode=mode), {"v": ["x" * size]})
        assert isinstance(answer, ValuesRefused)
        assert (answer.outcome, seen) == ("blocked", [])


def test_no_identity_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHEMACHINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "machine")
    answer, seen = met(_lambda(), access_key_id=None, secret_access_key=None)
    assert isinstance(answer, Failed)
    assert (answer.code, seen) == ("credential-unresolved", [])


@pytest.mark.parametrize("provider", ["aws_lambda", "gcp_functions"])
@pytest.mark.parametrize("host", PRIVATE)
def test_a_victim_hears_nothing(host: str, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []

    async def main() -> None:
        victim = await asyncio.start_server(lambda reader, writer: heard.append(writer), "127.0.0.1", 0)
        port = victim.sockets[0].getsockname()[1]
        name = f"[{host.strip('[]')}]" if ":" in host else host
        url = f"http://{name}:{port}"
        monkeypatch.setitem(SECRETS, "env://ACCOUNT", _account(f"{url}/token"))
        connector = aws(port, network_exceptions=[]) if provider == "aws_lambda" else gcp(port, network_exceptions=[])
        connector.body["endpoint_url"] = url
        try:
            connection = await open_serverless("acme", connector, Surroundings(resolve, resolve, Permits(LOOPBACK)))
            with pytest.raises(Failed):
                await connection.run(call(connector, template(), {}, 10.0))
            await connection.close()
        finally:
            victim.close()

    asyncio.run(main())
    assert not heard


def _account(tokens: str) -> str:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps({"client_email": "tests@acme.iam", "private_key": pem, "token_uri": tokens})


def gcp(port: int, **more: Any) -> Resource:
    base = {"type": "serverless", "provider": "gcp_functions", "region": "europe-west4", "project": "acme"}
    where = {"endpoint_url": f"http://127.0.0.1:{port}", "network_exceptions": near(port)}
    return resource("connector", {**base, **where, "credential": "env://ACCOUNT", "functions": ["resize"], **more})


class Google:
    """A server of tokens, which holds the assertion against the account's key, and keeps what was asked for."""

    def __init__(self, handler: Any = None) -> None:
        self.handler = handler
        self.audiences: list[str] = []
        self.functions: list[web.Request] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/token":
            self.functions.append(request)
            return await self.handler(request)  # type: ignore[no-any-return]
        form = await request.post()
        said = jwt.decode(str(form["assertion"]), KEY.public_key(), ["RS256"], audience=str(request.url))
        self.audiences.append(said["target_audience"])
        return web.json_response({"id_token": f"eyJ.id.{len(self.audiences)}"})


def met_google(google: Google, monkeypatch: pytest.MonkeyPatch, calls: int = 1, **more: Any) -> list[Answer | Failed]:
    async def main() -> list[Answer | Failed]:
        async with serving(google.handle) as server:
            monkeypatch.setitem(SECRETS, "env://ACCOUNT", _account(f"http://127.0.0.1:{server.port}/token"))
            connector = gcp(server.port, **more)
            connection = await open_serverless("acme", connector, around())
            found: list[Answer | Failed] = []
            for _ in range(calls):
                try:
                    found.append(await connection.run(call(connector, template({"v": TEXT}), {"v": "a"})))
                except Failed as error:
                    found.append(error)
            await connection.close()
            return found

    return asyncio.run(main())


def test_google_s_tokens_are_for_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"path": request.raw_path, "said": await request.json()})

    google = Google(answer)
    for found in met_google(google, monkeypatch, calls=2):
        assert told(found) == {"path": "/resize", "said": {"v": "a"}}
    assert [one.rpartition("/")[2] for one in google.audiences] == ["resize"]
    assert {one.headers["Authorization"] for one in google.functions} == {"Bearer eyJ.id.1"}


@pytest.mark.parametrize(
    ("status", "code", "outcome", "requests"),
    [(401, "credential-refused", "failure", 2), (429, "upstream-limited", "failure", 2), (500, "function-failed", "unknown", 1),
     (503, "function-failed", "unknown", 1), (302, "upstream-failed", "failure", 1), (400, "upstream-failed", "failure", 1)],
)  # fmt: skip
def test_how_a_call_of_google_s_ends(
    status: int, code: str, outcome: str, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="CANARY", headers={"Location": "/elsewhere"})

    google = Google(answer)
    (found,) = met_google(google, monkeypatch, retries=1)
    assert isinstance(found, Failed)
    assert (found.code, found.outcome, len(google.functions)) == (code, outcome, requests)
    assert "CANARY" not in str(found)
    assert "store" not in str(found)


def test_results_of_google_s_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=json.dumps("x" * 200_000))

    (found,) = met_google(Google(answer), monkeypatch, max_response_bytes=50_000)
    assert isinstance(found, Failed)
    assert (found.code, found.outcome) == ("too-large", "unknown")


def test_the_framework_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "main.py").write_text(PROGRAM)
    port = free_port()
    command = [sys.executable, "-m", "functions_framework", "--target", "resize", "--source", str(tmp_path / "main.py")]
    with program([*command, "--host", "127.0.0.1", "--port", str(port)], f"http://127.0.0.1:{port}/"):

        async def main() -> list[Any]:
            google = Google()
            async with serving(google.handle) as tokens:
                monkeypatch.setitem(SECRETS, "env://ACCOUNT", _account(f"http://127.0.0.1:{tokens.port}/token"))
                connector = gcp(port, network_exceptions=[*near(port), *near(tokens.port)])
                connection = await open_serverless("acme", connector, around())
                await connection.ping()
                found: list[Any] = []
                for values in ({"name": "ü😀'\"", "fails": None}, {"name": "x", "fails": "yes"}):
                    what = template({"name": TEXT, "fails": {**TEXT, "nullable": True}})
                    try:
                        found.append((await connection.run(call(connector, what, values))).content)
                    except Failed as error:
                        found.append((error.code, error.outcome))
                await connection.close()
                return found

        assert asyncio.run(main()) == [
            {"event": {"name": "ü😀'\"", "fails": None}, "authorization": "Bearer "},
            ("function-failed", "unknown"),
        ]


def test_a_provider_is_a_file_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with ``open_engine``, named in the table of what is served: calls, health and the end go through it."""
    done: list[str] = []

    class Toy:
        most_bytes = most_bytes_async = 1000

        async def authorize(self, function: str, anew: bool) -> None:
            done.append(f"authorize {function}")

        async def invoke(self, asked: Invocation) -> Invoked:
            return Invoked(asked.event, "")

        async def ping(self, functions: list[str]) -> None:
            done.append(f"ping {functions}")

        async def close(self) -> None:
            done.append("close")

    async def open_engine(_tenant: str, _body: Any, _around: Surroundings) -> Toy:
        return Toy()

    module = ModuleType("reconciler.runtime.connectors.function_toy")
    module.open_engine = open_engine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    served = SERVED["serverless"]
    monkeypatch.setitem(SERVED, "serverless", served._replace(by={**served.by, "toy": "function_toy"}))  # type: ignore[arg-type]
    connector = aws(1)
    connector.body["provider"] = "toy"
    assert unserved(connector.body) is None

    async def main() -> Any:
        connection = await open_serverless("acme", connector, around())
        await connection.ping()
        answer = await connection.run(call(connector, template({"v": TEXT}), {"v": "x"}))
        await connection.close()
        return answer.content

    assert asyncio.run(main()) == {"v": "x"}
    assert done == ["ping ['other', 'resize']", "authorize resize", "close"]
