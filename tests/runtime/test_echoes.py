"""Whatever another system echoes of a credential, in whatever form: no answer holds it."""

from __future__ import annotations

import asyncio
import base64
import codecs
import json
import quopri
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

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
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.gate import passed
from reconciler.runtime.llm.outgoing import Outgoing
from reconciler.runtime.llm.reading import request_of
from reconciler.runtime.llm.request import ENDPOINTS
from reconciler.runtime.llm.scrubbing import scrubbed, scrubbed_event
from reconciler.runtime.llm.tries import Reader
from reconciler.runtime.pools import Pools
from reconciler.secrets.scrub import Scrubber
from tests.conftest import Db
from tests.runtime.calls import SECRETS, around, call, call_of, resource
from tests.runtime.connectors.support import TEXT, Place, duckdb_place, postgresql_place, sqlite_place, template
from tests.runtime.connectors.test_http import serving
from tests.runtime.connectors.vector_places import NORTH, pgvector_place
from tests.runtime.connectors.vector_places import search as vector_search
from tests.runtime.connectors.vector_places import template as vector_template
from tests.runtime.worlds import BOT, World, in_world
from tests.secrets.canaries import ENCODINGS

SECRET = "k9=Vq/Zr+8 t'&<ü>\"w_Xy7"
TOP = "template/top"


def _units(form: str) -> Callable[[str], str]:
    return lambda value: "".join(form.format(ord(one)) for one in value)


def _b64(value: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(value.encode(encoding)).decode()


def _in_lines(text: str, width: int) -> str:
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


MORE: dict[str, Callable[[str], str]] = {
    "json as Gson writes it": lambda v: json.dumps(v)[1:-1].replace("=", "\\u003d").replace("&", "\\u0026").replace("'", "\\u0027"),
    "json as .NET writes it": lambda v: json.dumps(v)[1:-1].replace("+", "\\u002B").replace("<", "\\u003C").replace('\\"', "\\u0022"),
    "json with every unit escaped": _units("\\u{:04X}"),
    "json in json in json": lambda v: json.dumps(json.dumps(json.dumps(v)[1:-1])[1:-1])[1:-1],
    "a JavaScript text": _units("\\x{:02x}"),
    "a C text": _units("\\{:03o}"),
    "code points in braces": _units("\\u{{{:x}}}"),
    "backslashes doubled twice": lambda v: v.replace("'", "\\\\\\'").replace('"', '\\\\\\"'),
    "html, decimal": _units("&#{};"),
    "html, hexadecimal": _units("&#x{:x};"),
    "url, every byte": lambda v: "".join(f"%{byte:02x}" for byte in v.encode()),
    "url of an url": lambda v: quote(quote(v, safe=""), safe=""),
    "url in json": lambda v: json.dumps(quote(v))[1:-1],
    "hex with spaces": lambda v: v.encode().hex(" "),
    "hex with colons": lambda v: v.encode().hex(":"),
    "hex with commas": lambda v: ", ".join(f"0x{byte:02x}" for byte in v.encode()),
    "hex of escaped bytes": lambda v: "".join(f"\\x{byte:02X}" for byte in v.encode()),
    "hex of UTF-16": lambda v: v.encode("utf-16-le").hex(),
    "base64 in lines": lambda v: _in_lines(_b64(v), 12),
    "base64 of a header": lambda v: "Basic " + _b64("user:" + v),
    "base64 of base64": lambda v: _b64(_b64(v)),
    "base64 of json": lambda v: _b64(json.dumps({"k": v})),
    "base64 of an url": lambda v: _b64(quote(v, safe="")),
    "base64 of UTF-16": lambda v: _b64(v, "utf-16-le"),
    "base32 with its end": lambda v: base64.b32encode(v.encode()).decode(),
    "base85": lambda v: base64.b85encode(v.encode()).decode(),
    "ascii85": lambda v: base64.a85encode(v.encode()).decode(),
    "rot13": lambda v: codecs.encode(v, "rot13"),
    "quoted-printable": lambda v: quopri.encodestring(v.encode(), quotetabs=True).decode(),
    "UTF-8 read as Latin-1": lambda v: v.encode().decode("latin-1"),
    "zero-width spaces between": lambda v: "\u200b".join(v),
    "soft hyphens within": lambda v: v[:9] + "\u00ad" + v[9:],
    "in lines": lambda v: _in_lines(v, 7),
    "python, twice": lambda v: repr(repr(v))[2:-2],
}  # fmt: skip
EVERY = {**ENCODINGS, **MORE}
assert len(EVERY) >= 50
TEXTS = [encode(SECRET) for encode in EVERY.values()]


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SECRETS, "env://TOKEN", SECRET)


async def _answer(pools: Pools, connector: Resource, what: Resource, values: Mapping[str, Any]) -> Answer:
    """What a caller gets, by the way that the mediator goes. The tenant has used its secret before."""
    await pools._around.resolve("acme", "env://TOKEN")
    known = connector.known._replace(uid=f"{connector.body.get('base_url') or connector.body['dialect']}")
    connector = Resource(known, connector.body)
    return passed(await pools.run("id", call(connector, what, values)), pools.secrets("acme"))


async def _of_http(pools: Pools, folder: Path, server: str) -> list[Any]:
    """In values and in keys of JSON, and in a text; the escapes of JSON stand in the bytes, as other programs write them."""
    found: list[Any] = []
    in_json = [f'"{text}"' for text in TEXTS if _is_json(text)]
    bodies = {
        "application/json": [
            f"[{', '.join(in_json)}]",
            "{" + ", ".join(f"{text}: 1" for text in {json.loads(text): text for text in in_json}.values()) + "}",
            json.dumps(TEXTS),
        ],
        "text/plain": TEXTS,
    }
    for kind, texts in bodies.items():
        for text in texts:

            async def echo(_: web.Request, text: str = text, kind: str = kind) -> web.StreamResponse:
                return web.Response(body=text.encode(), headers={"Content-Type": f"{kind}; charset=utf-8"})

            async with serving(echo) as upstream:
                base = {"type": "http", "base_url": f"http://127.0.0.1:{upstream.port}", "retries": 0}
                near = {"network_exceptions": [{"cidr": "127.0.0.0/8", "port": upstream.port}]}
                auth = {"auth": {"type": "bearer", "token": "env://TOKEN"}}
                connector = resource("connector", {**base, **near, **auth}, f"n{len(found)}")
                what = resource("template", {"type": "http", "connector": "it", "method": "GET", "path": "/"})
                found.append((await _answer(pools, connector, what, {})).content)
    return found


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(f'"{text}"'), str)
    except ValueError:
        return False


async def _of_sql(pools: Pools, folder: Path, server: str) -> list[Any]:
    found = []
    for place in (sqlite_place(folder), postgresql_place(server), duckdb_place(folder)):
        cast = "::text" if place.is_postgresql else ""
        what = template(f"SELECT :v{cast} AS v", {"v": {**TEXT, "max_length": 4000}})
        connector = _with_password(place)
        found += [(await _answer(pools, connector, what, {"v": text})).content for text in TEXTS]
    return found


def _with_password(place: Place) -> Resource:
    return place.connector(password="env://TOKEN") if place.is_postgresql else place.connector()


async def _of_mcp(pools: Pools, folder: Path, server: str) -> list[Any]:
    """In texts, and in values and keys of structured content; the escapes of JSON stand in the bytes."""
    found: list[Any] = []
    for text in TEXTS:
        written = f'"{text}"' if _is_json(text) else json.dumps(text)

        async def answer(request: web.Request, written: str = written) -> web.StreamResponse:
            asked = await request.json()
            results = {
                "server/discover": '{"supportedVersions": ["2026-07-28"], "capabilities": {}}',
                "tools/list": json.dumps({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}),
                "tools/call": f'{{"content": [{{"type": "text", "text": {written}}}], "structuredContent": {{{written}: {written}}}}}',
            }
            body = f'{{"jsonrpc": "2.0", "id": {asked["id"]}, "result": {results[asked["method"]]}}}'
            return web.Response(body=body.encode(), headers={"Content-Type": "application/json"})

        async with serving(answer) as upstream:
            definition = {"input": {"type": "object"}}
            raw = {
                "type": "mcp",
                "transport": "streamable_http",
                "url": f"http://127.0.0.1:{upstream.port}/mcp",
                "network_exceptions": [{"cidr": "127.0.0.0/8", "port": upstream.port}],
                "auth": {"type": "bearer", "token": "env://TOKEN"},
                "tools": {"echo": {"pin": digest_of("echo", definition), "definition": definition}},
            }
            connector = resource("connector", raw, f"n{len(found)}")
            live = Text(canonical(connector.body), 1)
            known = connector.known._replace(uid=f"u{len(found)}", live=live)
            target = snapshot_of([known]).tenant("acme").target(f"tool/n{len(found)}/echo")
            assert isinstance(target, Target)
            await pools._around.resolve("acme", "env://TOKEN")
            asked = Call(target, {}, asyncio.get_running_loop().time() + 10)
            found.append(passed(await pools.run("id", asked), pools.secrets("acme")).content)
    return found


async def _of_models(pools: Pools, folder: Path, server: str) -> list[Any]:
    """In values and keys of an answer, and in events of a stream; the escapes of JSON stand in the bytes."""
    found: list[Any] = []
    request = request_of(ENDPOINTS["chat"], b'{"model": "m", "stream": true}', {})
    for text in TEXTS:
        written = f'"{text}"' if _is_json(text) else json.dumps(text)

        async def answer(request: web.Request, written: str = written) -> web.StreamResponse:
            body = f"{{{written}: [{written}]}}"
            if request.path == "/whole":
                return web.Response(body=body.encode(), headers={"Content-Type": "application/json"})
            return web.Response(body=f"data: {body}\n\n".encode(), headers={"Content-Type": "text/event-stream"})

        async with serving(answer) as upstream:
            base = {"provider": "custom", "base_url": f"http://127.0.0.1:{upstream.port}", "credential": "env://TOKEN"}
            one = resource("integration", base, f"n{len(found)}")
            one = Resource(one.known._replace(uid=f"u{len(found)}"), one.body)
            for path in ("whole", "stream"):
                out = Outgoing(f"http://127.0.0.1:{upstream.port}/{path}", {}, b"{}", Key(), "env://TOKEN")
                asked = Call(Target("acme", "integration/x", "invoke", False, (one,), one, INPUTS), {}, 1e9)
                async with pools.using("id", "acme", one) as connection:
                    reply = await cast(ModelConnection, connection).send(out, asked)
                    data = await reply.whole(10**6)
                secrets = pools.secrets("acme")
                if path == "whole":
                    found.append(json.loads(scrubbed(data, json.loads(data), secrets)[0]))
                else:
                    (read,) = Reader(request).feed(data)
                    left = scrubbed_event(read, secrets)
                    assert left.event.data is not None
                    found += [json.loads(left.event.data), left.body]
    return found


async def _of_vectors(pools: Pools, folder: Path, server: str) -> list[Any]:
    """In the fields of what is found."""
    place = pgvector_place(server)
    upsert = vector_template(
        "upsert",
        {"id": {"type": "uuid"}, "title": {"type": "string"}},
        vector="{vector}",
        id="{id}",
        payload={"title": "{title}"},
    )
    connector, source = place.connector(read_only=False), place.datasource()
    found: list[Any] = []
    await pools._around.resolve("acme", "env://TOKEN")
    for number, text in enumerate(TEXTS):
        values = {"id": f"00000000-0000-4000-8000-{number + 100:012}", "vector": NORTH, "title": text}
        await pools.run("id", call_of((upsert, source, connector), values))
        what = vector_search(
            filter={"title": "{title}"}, parameters={"title": {"type": "string"}}, **{"return": ["title"]}
        )
        asked = call_of((what, source, connector), {"vector": NORTH, "title": text})
        found.append(passed(await pools.run("id", asked), pools.secrets("acme")).content)
    return found


async def _of_messages(pools: Pools, folder: Path, server: str) -> list[Any]:
    """As an error of Slack's, which becomes the reason of a failed attempt, and as a reason of a failed check."""
    found: list[Any] = []
    for text in TEXTS:
        written = f'"{text}"' if _is_json(text) else json.dumps(text)

        async def answer(_: web.Request, written: str = written) -> web.StreamResponse:
            body = f'{{"ok": false, "error": {written}, {written}: 1}}'
            return web.Response(body=body.encode(), headers={"Content-Type": "application/json"})

        async with serving(answer) as upstream:
            raw = {
                "type": "notification",
                "provider": "slack",
                "base_url": f"http://127.0.0.1:{upstream.port}",
                "token": "env://TOKEN",
                "network_exceptions": [{"cidr": "127.0.0.0/8", "port": upstream.port}],
                "recipients": {"a": ["#a"]},
            }
            connector = resource("connector", raw, f"n{len(found)}")
            connector = Resource(connector.known._replace(uid=f"u{len(found)}"), connector.body)
            way = Way(connector.body, lambda one: pools._around.resolve("acme", one), pools.around("acme").permits)
            with pytest.raises(Undelivered) as undelivered:
                await send(Message("0" * 32, "acme", "t", ("a",), "", "text"), "#a", way)
            with pytest.raises(Failed) as failed:
                await pools.ping("acme", connector, starts=False)
            found.append([str(undelivered.value), str(failed.value)])
    return found


async def _of_files(pools: Pools, folder: Path, server: str) -> list[Any]:
    """In a text, in bytes that are none, wherever it begins among them, and in the name of a file."""
    await pools._around.resolve("acme", "env://TOKEN")
    connector = resource("connector", {"type": "file", "provider": "local", "root": str(folder)})
    source = resource("datasource", {"type": "file", "connector": "it"}, "d")
    contents = [text.encode() for text in TEXTS] + [b"\xff" * n + SECRET.encode() for n in range(1, 5)]
    base = {"type": "file", "datasource": "d"}
    found: list[Any] = []
    for number, content in enumerate(contents):
        (folder / f"{number}.txt").write_bytes(content)
        what = resource("template", {**base, "operation": "read", "path": f"{number}.txt"})
        found.append(
            passed(await pools.run("id", call_of((what, source, connector), {})), pools.secrets("acme")).content
        )
    assert not any(
        SECRET.encode() in base64.b64decode(one["base64"].replace("***", "")) for one in found if "base64" in one
    )
    (folder / "names").mkdir()
    (folder / "names" / SECRET.replace("/", "")).write_text("")
    (folder / "names" / SECRET.encode().hex()).write_text("")
    what = resource("template", {**base, "operation": "list", "path": "names"})
    listed = passed(await pools.run("id", call_of((what, source, connector), {})), pools.secrets("acme")).content
    return [*found, listed]


async def _of_functions(pools: Pools, folder: Path, server: str) -> list[Any]:
    """In values and keys of a result; the escapes of JSON stand in the bytes."""
    await pools._around.resolve("acme", "env://TOKEN")
    found: list[Any] = []
    for number, text in enumerate(TEXTS):
        written = f'"{text}"' if _is_json(text) else json.dumps(text)

        async def answer(_: web.Request, written: str = written) -> web.StreamResponse:
            return web.Response(body=f"{{{written}: [{written}]}}".encode())

        async with serving(answer) as upstream:
            where = {"endpoint_url": f"http://127.0.0.1:{upstream.port}", "functions": ["f"]}
            near = {"network_exceptions": [{"cidr": "127.0.0.0/8", "port": upstream.port}]}
            keys = {"access_key_id": "env://TOKEN", "secret_access_key": "env://TOKEN"}
            base = {"type": "serverless", "provider": "aws_lambda", "region": "eu-west-1"}
            connector = resource("connector", {**base, **where, **near, **keys}, f"n{number}")
            connector = Resource(connector.known._replace(uid=f"f{number}"), connector.body)
            what = resource("template", {"type": "function", "connector": "it", "function": "f"})
            answered = await pools.run("id", call(connector, what, {}))
            found.append(passed(answered, pools.secrets("acme")).content)
    return found


INPUTS = cast(Any, None)
ECHOES: dict[str, Callable[[Pools, Path, str], Awaitable[list[Any]]]] = {
    "http": _of_http,
    "sql": _of_sql,
    "mcp": _of_mcp,
    "integration": _of_models,
    "vector": _of_vectors,
    "notification": _of_messages,
    "file": _of_files,
    "serverless": _of_functions,
}
"""By the type of the connector, what it tells of an echo in every form."""
SILENT = {"notification"}
"""Those that pass nothing on of what the other side says: an echo is not even masked."""


def test_every_connector_is_asked() -> None:
    assert ECHOES.keys() == CONNECTORS.keys(), "a new connector needs an echo here"


@pytest.mark.parametrize("kind", ECHOES)
def test_no_connector_hands_out_an_echo(kind: str, tmp_path: Path, postgres_server: str) -> None:
    async def main() -> list[Any]:
        pools = Pools(CONNECTORS, around(tmp_path.resolve()), lambda _id: True)
        try:
            return await ECHOES[kind](pools, tmp_path, postgres_server)
        finally:
            await pools.close()

    told = asyncio.run(main())
    assert len(told) >= len(EVERY)
    texts = {*_texts(told)}
    leaked = [name for name, encode in EVERY.items() if texts & {encode(SECRET), SECRET}]
    assert leaked == []
    assert all(("***" in json.dumps(one)) is (kind not in SILENT) for one in told)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts(one)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else [str(value)]


def test_the_mediator_is_the_exit(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        world.mediator.pools.secrets("acme").add("12345678")
        world.mediator.pools.secrets("globex").add("of-globex")
        content = {"a": "x 12345678 y", "12345678": 12345678, "b": 123456789, "c": ["of-globex", 1.5, None, True]}
        world.outside.does = lambda _call: Answer(content, 1, 9)
        from reconciler.access.decide import Ask

        done = await world.mediator.access(BOT, Ask(TOP), {"region": "eu"})
        assert done.answer.content == {
            "a": "x *** y",
            "***": "***",
            "b": "***",
            "c": ["of-globex", 1.5, None, True],
        }
        assert b"12345678" not in done.answer.json

    in_world(db, folder, work)


@pytest.mark.parametrize(
    "honest", ["Ann Example, 50% & more", "a\\nb", "aGVsbG8gd29ybGQ=", "7c9e6679-7425-40de-944b-e07fc1f90ae7"]
)
def test_what_is_no_secret_stays(honest: str) -> None:
    known = Scrubber("***")
    known.add(SECRET)
    value = {"k": [honest, 1, None], honest: 2.5}
    assert not known.is_in(json.dumps(value))
    assert known.value(value, keys=True) == value


def test_as_many_secrets_are_known_as_may_be() -> None:
    known = Scrubber("***", most=2)
    for one in ("first-secret", "second-secret", "third-secret"):
        known.add(one)
    assert known.text("first-secret second-secret third-secret") == "first-secret *** ***"


def test_forms_that_overlap_leave_no_rest() -> None:
    known = Scrubber("***")
    known.add("abcdefgh")
    known.add("efghijklmnop")
    assert known.text("xabcdefghijklmnopx") == "x***x"
