"""Every connector that is served, asked for an echo of its tenant's credential in every form, and what a caller gets of it."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from aiohttp import web

from reconciler.access.resource import Resource
from reconciler.access.snapshot import snapshot_of
from reconciler.access.target import Target
from reconciler.kinds.connector.mcp_definition import digest_of
from reconciler.kinds.provider.wire import Key
from reconciler.model.body import canonical
from reconciler.model.known import Text
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.connectors.message import Outgoing as Message
from reconciler.runtime.connectors.message import Undelivered, Way, send
from reconciler.runtime.connectors.model import ModelConnection
from reconciler.runtime.gate import passed
from reconciler.runtime.llm.outgoing import Outgoing
from reconciler.runtime.llm.reading import request_of
from reconciler.runtime.llm.request import ENDPOINTS
from reconciler.runtime.llm.scrubbing import scrubbed, scrubbed_event
from reconciler.runtime.llm.tries import Reader
from reconciler.runtime.pools import Pools
from tests.mariadb import Mariadb
from tests.runtime.calls import SECRETS, call_of, resource
from tests.runtime.connectors import support
from tests.runtime.connectors.echo_forms import SECRET, TEXTS, in_quotes, is_json
from tests.runtime.connectors.file_stores import near
from tests.runtime.connectors.file_support import Files
from tests.runtime.connectors.support import TEXT, duckdb_place, mysql_place, postgresql_place, sqlite_place
from tests.runtime.connectors.test_function import Google, _account, gcp
from tests.runtime.connectors.test_http import serving
from tests.runtime.connectors.vector_places import NORTH, Place, pgvector_place, search, template
from tests.runtime.connectors.vector_servers import chroma_place, pinecone_place, qdrant_place

ECHO_SERVER = str(Path(__file__).parent / "echo_stdio.py")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
INPUTS = cast(Any, None)


class Asked(NamedTuple):
    """``pools`` are the runtime's, ``folder`` a place for files, ``part`` the fixture that the engine runs in, if it has one."""

    pools: Pools
    folder: Path
    part: Any

    async def answer(self, chain: Sequence[Resource], values: Mapping[str, Any], uid: str = "uid") -> Any:
        """Return what a caller gets, by the way that the mediator goes. The tenant has used its secret before."""
        await self.pools._around.resolve("acme", "env://TOKEN")
        connector = Resource(chain[-1].known._replace(uid=uid), chain[-1].body)
        answer = await self.pools.run("id", call_of((*chain[:-1], connector), values))
        return self.passed(answer)

    def passed(self, answer: Answer) -> Any:
        return passed(answer, self.pools.secrets("acme")).content


class Echo(NamedTuple):
    """``tells`` returns an answer for each form; ``part`` names the fixture that it needs.

    ``is_silent``: nothing is passed on of what the other side says, so that an echo is not even masked.
    """

    tells: Callable[[Asked], Awaitable[list[Any]]]
    part: str = ""
    is_silent: bool = False


@asynccontextmanager
async def saying(body: str | bytes, kind: str = "application/json", status: int = 200) -> AsyncIterator[int]:
    """Yield the port of a server that answers everything with these bytes."""

    async def echo(_: web.Request) -> web.StreamResponse:
        content = body.encode() if isinstance(body, str) else body
        return web.Response(body=content, status=status, headers={"Content-Type": kind})

    async with serving(echo) as upstream:
        yield upstream.port


async def of_http(asked: Asked) -> list[Any]:
    """In values and in keys of JSON, and in a text; the escapes of JSON stand in the bytes, as other programs write them."""
    found: list[Any] = []
    in_json = [f'"{text}"' for text in TEXTS if is_json(text)]
    once = {json.loads(text): text for text in in_json}
    bodies = {
        "application/json": [
            f"[{', '.join(in_json)}]",
            "{" + ", ".join(f"{text}: 1" for text in once.values()) + "}",
            json.dumps(TEXTS),
        ],
        "text/plain": TEXTS,
    }
    for kind, texts in bodies.items():
        for text in texts:
            async with saying(text, f"{kind}; charset=utf-8") as port:
                raw = {
                    "type": "http",
                    "base_url": f"http://127.0.0.1:{port}",
                    "retries": 0,
                    "network_exceptions": near(port),
                }
                connector = resource("connector", {**raw, "auth": {"type": "bearer", "token": "env://TOKEN"}})
                what = resource("template", {"type": "http", "connector": "it", "method": "GET", "path": "/"})
                found.append(await asked.answer((what, connector), {}, f"h{len(found)}"))
    return found


def of_sql(made: Callable[[Asked], support.Place]) -> Callable[[Asked], Awaitable[list[Any]]]:
    async def tells(asked: Asked) -> list[Any]:
        place = made(asked)
        typed = "SELECT :v::text AS v" if place.is_postgresql else "SELECT :v AS v"
        what = support.template(typed, {"v": {**TEXT, "max_length": 4000}})
        more = {"password": "env://TOKEN"} if place.is_postgresql else {}
        return [await asked.answer((what, place.connector(**more)), {"v": text}) for text in TEXTS]

    return tells


def _tool_target(raw: dict[str, Any], uid: str) -> Target:
    """Return the tool of a server, pinned as it is."""
    definition = {"input": {"type": "object", "properties": {"number": {"type": "integer"}}}}
    tools = {"echo": {"pin": digest_of("echo", definition), "definition": definition}}
    connector = resource("connector", {"type": "mcp", **raw, "tools": tools}, "tools")
    known = connector.known._replace(uid=uid, live=Text(canonical(connector.body), 1))
    target = snapshot_of([known]).tenant("acme").target("tool/tools/echo")
    assert isinstance(target, Target)
    return target


async def _of_tool(asked: Asked, target: Target) -> list[Any]:
    await asked.pools._around.resolve("acme", "env://TOKEN")
    found = []
    for number in range(len(TEXTS)):
        made = Call(target, {"number": number}, asyncio.get_running_loop().time() + 10)
        found.append(asked.passed(await asked.pools.run("id", made)))
    return found


def results(text: str) -> dict[str, str]:
    """Return the JSON of an MCP server's results: a text, and values and keys of structured content, escaped as the text is."""
    written = in_quotes(text)
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}}
    return {
        "server/discover": '{"supportedVersions": ["2026-07-28"], "capabilities": {}}',
        "tools/list": json.dumps({"tools": [{"name": "echo", "inputSchema": schema}]}),
        "tools/call": f'{{"content": [{{"type": "text", "text": {written}}}], "structuredContent": {{{written}: {written}}}}}',
    }


async def of_tools_over_http(asked: Asked) -> list[Any]:
    async def answer(request: web.Request) -> web.StreamResponse:
        said = await request.json()
        number = said.get("params", {}).get("arguments", {}).get("number", 0)
        body = f'{{"jsonrpc": "2.0", "id": {said["id"]}, "result": {results(TEXTS[number])[said["method"]]}}}'
        return web.Response(body=body.encode(), headers={"Content-Type": "application/json"})

    async with serving(answer) as upstream:
        url = f"http://127.0.0.1:{upstream.port}/mcp"
        raw = {"transport": "streamable_http", "url": url, "network_exceptions": near(upstream.port)}
        raw["auth"] = {"type": "bearer", "token": "env://TOKEN"}
        return await _of_tool(asked, _tool_target(raw, "over-http"))


async def of_tools_over_pipes(asked: Asked) -> list[Any]:
    """The permit of `ECHO_COMMAND` starts a server that is told what to answer by a file."""
    (asked.folder / "results.json").write_text(json.dumps([results(text) for text in TEXTS]))
    return await _of_tool(asked, _tool_target({"transport": "stdio", "command": "echo"}, "over-pipes"))


def echo_command(folder: Path) -> tuple[str, tuple[str, ...]]:
    return sys.executable, (ECHO_SERVER, str(folder / "results.json"))


async def of_models(asked: Asked) -> list[Any]:
    """In values and keys of an answer, and in events of a stream; the escapes of JSON stand in the bytes."""
    found: list[Any] = []
    request = request_of(ENDPOINTS["chat"], b'{"model": "m", "stream": true}', {})
    for text in TEXTS:
        body = f"{{{in_quotes(text)}: [{in_quotes(text)}]}}"

        async def answer(request: web.Request, body: str = body) -> web.StreamResponse:
            if request.path == "/whole":
                return web.Response(body=body.encode(), headers={"Content-Type": "application/json"})
            return web.Response(body=f"data: {body}\n\n".encode(), headers={"Content-Type": "text/event-stream"})

        async with serving(answer) as upstream:
            url = f"http://127.0.0.1:{upstream.port}"
            one = resource("integration", {"provider": "custom", "base_url": url, "credential": "env://TOKEN"})
            one = Resource(one.known._replace(uid=f"m{len(found)}"), one.body)
            for path in ("whole", "stream"):
                out = Outgoing(f"{url}/{path}", {}, b"{}", Key(), "env://TOKEN")
                made = Call(Target("acme", "integration/x", "invoke", False, (one,), one, INPUTS), {}, 1e9)
                async with asked.pools.using("id", "acme", one) as connection:
                    reply = await cast(ModelConnection, connection).send(out, made)
                    data = await reply.whole(10**6)
                secrets = asked.pools.secrets("acme")
                if path == "whole":
                    found.append(json.loads(scrubbed(data, json.loads(data), secrets)[0]))
                else:
                    (read,) = Reader(request).feed(data)
                    left = scrubbed_event(read, secrets)
                    assert left.event.data is not None
                    found += [json.loads(left.event.data), left.body]
    return found


async def _of_vectors(asked: Asked, place: Place) -> list[Any]:
    """In the fields of what is found."""
    parameters = {"id": {"type": "uuid"}, "title": {"type": "string"}}
    payload = {"title": "{title}"}
    upsert = template("upsert", parameters, vector="{vector}", id="{id}", payload=payload)
    only = {"filter": {"title": "{title}"}, "parameters": {"title": {"type": "string"}}, "return": ["title"]}
    connector, source = place.connector(read_only=False), place.datasource()
    found: list[Any] = []
    for number, text in enumerate(TEXTS):
        values = {"id": f"00000000-0000-4000-8000-{number + 100:012}", "vector": NORTH, "title": text}
        await asked.answer((upsert, source, connector), values)
        found.append(await asked.answer((search(**only), source, connector), {"vector": NORTH, "title": text}))
    return found


async def of_pgvector(asked: Asked) -> list[Any]:
    return await _of_vectors(asked, pgvector_place(asked.part))


async def of_chroma(asked: Asked) -> list[Any]:
    return await _of_vectors(asked, chroma_place(asked.part))


async def of_qdrant(asked: Asked) -> list[Any]:
    with qdrant_place() as place:
        return await _of_vectors(asked, place)


async def of_pinecone(asked: Asked) -> list[Any]:
    with pinecone_place() as place:
        return await _of_vectors(asked, place)


async def _undelivered(asked: Asked, raw: dict[str, Any], address: str) -> list[str]:
    """Return the reason of a failed attempt, and that of a failed check where the channel can be checked."""
    connector = resource("connector", {"type": "notification", **raw})
    way = Way(connector.body, lambda one: asked.pools._around.resolve("acme", one), asked.pools.around("acme").permits)
    with pytest.raises(Undelivered) as undelivered:
        await send(Message("0" * 32, "acme", "t", ("a",), "", "text"), address, way)
    if raw["provider"] == "webhook":
        return [str(undelivered.value)]
    with pytest.raises(Failed) as failed:
        await asked.pools.ping("acme", connector, starts=False)
    return [str(undelivered.value), str(failed.value)]


async def of_slack(asked: Asked) -> list[Any]:
    found: list[Any] = []
    for text in map(in_quotes, TEXTS):
        async with saying(f'{{"ok": false, "error": {text}, {text}: 1}}') as port:
            raw = {"base_url": f"http://127.0.0.1:{port}", "token": "env://TOKEN", "network_exceptions": near(port)}
            found.append(await _undelivered(asked, {"provider": "slack", **raw, "recipients": {"a": ["#a"]}}, "#a"))
    return found


async def of_webhook(asked: Asked) -> list[Any]:
    found: list[Any] = []
    for text in TEXTS:
        async with saying(text, "text/plain", 500) as port:
            raw = {"url": f"http://127.0.0.1:{port}/", "network_exceptions": near(port), "recipients": {"a": []}}
            found.append(await _undelivered(asked, {"provider": "webhook", **raw}, "a"))
    return found


async def of_smtp(asked: Asked) -> list[Any]:
    found: list[Any] = []
    for text in TEXTS:
        line = " ".join(text.split()).encode()

        async def meets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes = line) -> None:
            writer.write(b"220 here\r\n")
            while await reader.readline():
                writer.write(b"550 " + line + b"\r\n")
            writer.close()

        server = await asyncio.start_server(meets, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            raw = {"host": "127.0.0.1", "port": port, "tls": "none", "from": "bot@shop.example"}
            more = {"network_exceptions": near(port), "recipients": {"a": ["a@b.example"]}}
            found.append(await _undelivered(asked, {"provider": "smtp", **raw, **more}, "a@b.example"))
    return found


def _file_chain(raw: Mapping[str, Any], **does: Any) -> tuple[Resource, ...]:
    connector = resource("connector", {"type": "file", "read_only": False, **raw})
    source = resource("datasource", {"type": "file", "connector": "it"}, "d")
    return resource("template", {"type": "file", "datasource": "d", **does}), source, connector


async def of_local_files(asked: Asked) -> list[Any]:
    """In a text, in bytes that are none, wherever it begins among them, and in the name of a file."""
    raw = {"provider": "local", "root": str(asked.folder)}
    found: list[Any] = []
    for number, content in enumerate(
        [text.encode() for text in TEXTS] + [b"\xff" * n + SECRET.encode() for n in range(1, 5)]
    ):
        (asked.folder / f"{number}.txt").write_bytes(content)
        found.append(await asked.answer(_file_chain(raw, operation="read", path=f"{number}.txt"), {}))
    assert not any(
        SECRET.encode() in base64.b64decode(one["base64"].replace("***", "")) for one in found if "base64" in one
    )
    (asked.folder / "names").mkdir()
    (asked.folder / "names" / SECRET.replace("/", "")).write_text("")
    (asked.folder / "names" / SECRET.encode().hex()).write_text("")
    return [*found, await asked.answer(_file_chain(raw, operation="list", path="names"), {})]


async def of_stored_files(asked: Asked) -> list[Any]:
    """The same of a store that is reached over HTTP, in the texts of its objects; many at once, since a server may be slow."""
    raw, at_once = cast(Files, asked.part).raw, asyncio.Semaphore(16)
    taken = {"text": {"type": "string", "max_length": 4000}}

    async def told(number: int, text: str) -> Any:
        path = f"echo/{number}.txt"
        write = _file_chain(raw, operation="write", path=path, content="{text}", parameters=taken)
        async with at_once:
            await asked.answer(write, {"text": text})
            return await asked.answer(_file_chain(raw, operation="read", path=path), {})

    return await asyncio.gather(*(told(number, text) for number, text in enumerate(TEXTS)))


FUNCTION = resource("template", {"type": "function", "connector": "it", "function": "resize"})


async def of_lambda(asked: Asked) -> list[Any]:
    """In values and keys of a result; the escapes of JSON stand in the bytes."""
    found: list[Any] = []
    for text in map(in_quotes, TEXTS):
        async with saying(f"{{{text}: [{text}]}}") as port:
            where = {"endpoint_url": f"http://127.0.0.1:{port}", "network_exceptions": near(port)}
            keys = {"access_key_id": "env://TOKEN", "secret_access_key": "env://TOKEN"}
            base = {"type": "serverless", "provider": "aws_lambda", "region": "eu-west-1", "functions": ["resize"]}
            connector = resource("connector", {**base, **where, **keys})
            found.append(await asked.answer((FUNCTION, connector), {}, f"l{len(found)}"))
    return found


async def of_cloud_functions(asked: Asked) -> list[Any]:
    found: list[Any] = []
    for text in map(in_quotes, TEXTS):

        async def answer(_: web.Request, text: str = text) -> web.StreamResponse:
            return web.Response(body=f"{{{text}: [{text}]}}".encode())

        async with serving(Google(answer).handle) as server:
            SECRETS["env://ACCOUNT"] = _account(f"http://127.0.0.1:{server.port}/token")
            found.append(await asked.answer((FUNCTION, gcp(server.port)), {}, f"g{len(found)}"))
    return found


ECHOES: dict[tuple[str, str], Echo] = {
    ("http", ""): Echo(of_http),
    ("integration", ""): Echo(of_models),
    ("mcp", "streamable_http"): Echo(of_tools_over_http),
    ("mcp", "stdio"): Echo(of_tools_over_pipes),
    ("sql", "sqlite"): Echo(of_sql(lambda asked: sqlite_place(asked.folder))),
    ("sql", "postgresql"): Echo(of_sql(lambda asked: postgresql_place(asked.part)), "postgres_server"),
    ("sql", "duckdb"): Echo(of_sql(lambda asked: duckdb_place(asked.folder))),
    ("sql", "mysql"): Echo(of_sql(lambda asked: mysql_place(cast(Mariadb, asked.part))), "mariadb"),
    ("vector", "pgvector"): Echo(of_pgvector, "postgres_server"),
    ("vector", "chroma"): Echo(of_chroma, "chroma"),
    ("vector", "qdrant"): Echo(of_qdrant),
    ("vector", "pinecone"): Echo(of_pinecone),
    ("notification", "slack"): Echo(of_slack, is_silent=True),
    ("notification", "smtp"): Echo(of_smtp, is_silent=True),
    ("notification", "webhook"): Echo(of_webhook, is_silent=True),
    ("file", "local"): Echo(of_local_files),
    ("file", "s3"): Echo(of_stored_files, "s3"),
    ("file", "gcs"): Echo(of_stored_files, "gcs"),
    ("file", "azure"): Echo(of_stored_files, "azure"),
    ("serverless", "aws_lambda"): Echo(of_lambda),
    ("serverless", "gcp_functions"): Echo(of_cloud_functions),
}
"""By the type of the connector and its engine, "" where the type has but one."""
