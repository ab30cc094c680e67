"""Stores over HTTP that lie, are slow, send without end or lead elsewhere: each call ends in time, small, and says what is known."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from reconciler.runtime.call import Answer, Failed, Permits, Surroundings
from reconciler.runtime.connectors.google import GoogleTokens
from tests.runtime.calls import SECRETS, around, resolve
from tests.runtime.connectors.file_stores import AZURITE_KEY, near, s3_connector
from tests.runtime.connectors.file_support import Files
from tests.runtime.connectors.test_http import serving
from tests.runtime.connectors.test_oauth import pem
from tests.runtime.test_addresses import PRIVATE

Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRETS.update({"env://AZURE_LIES": AZURITE_KEY, "env://SAS": "sv=2021-08-06&sig=abc%3D"})


def _gcs(port: int, **more: Any) -> dict[str, Any]:
    uri = {"token_uri": f"http://127.0.0.1:{port}/token"}
    SECRETS["env://GCS_LIES"] = json.dumps({"client_email": "a@b", "private_key": pem("RS256"), **uri})
    raw = {"provider": "gcs", "bucket": "b", "endpoint_url": f"http://127.0.0.1:{port}", "credential": "env://GCS_LIES"}
    return {**raw, "network_exceptions": near(port), **more}


def _azure(port: int, **more: Any) -> dict[str, Any]:
    raw = {"provider": "azure", "account": "a", "container": "c", "endpoint_url": f"http://127.0.0.1:{port}"}
    return {**raw, "credential": "env://AZURE_LIES", "network_exceptions": near(port), **more}


STORES = {"s3": s3_connector, "gcs": _gcs, "azure": _azure}


class Liar:
    """A server of raw bytes: a token for Google's server of tokens, otherwise what ``does`` sends."""

    def __init__(self, does: Raw) -> None:
        self.does, self.asked, self.sent, self.port = does, list[str](), 0, 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if head.startswith("POST /token "):
                token = b'{"access_token": "t", "expires_in": 3600}'
                writer.write(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(token), token)
                )
                await writer.drain()
            else:
                self.asked.append(head)
                await self.does(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def called(self, store: str, operation: str, **more: Any) -> tuple[Answer | Failed, bool]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        files = Files(STORES[store](self.port), around())
        try:
            answer = await files.called(operation, "a.txt" if operation != "list" else None, **more)
        finally:
            server.close()
        return answer, files.effect

    def call(self, store: str, operation: str, **more: Any) -> Answer | Failed:
        return asyncio.run(self.called(store, operation, **more))[0]


def sends(head: str, body: bytes = b"") -> Raw:
    async def does(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {head}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()

    return does


def endless(head: str, piece: bytes, pause: float = 0) -> Raw:
    async def does(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {head}\r\nConnection: close\r\n\r\n".encode())
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return does


def failed(answer: Answer | Failed) -> Failed:
    assert isinstance(answer, Failed), answer
    return answer


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("length", [11, 5_000_000])
def test_fewer_bytes_than_announced_are_no_file(store: str, length: int) -> None:
    error = failed(Liar(sends(f"200 OK\r\nContent-Length: {length}", b"only half")).call(store, "read"))
    assert (error.code, error.outcome) in {("unreachable", "failure"), ("invalid-response", "failure")}


@pytest.mark.parametrize("store", STORES)
def test_a_file_without_an_announced_length_is_none(store: str) -> None:
    error = failed(Liar(sends("200 OK", b"who knows")).call(store, "read"))
    assert (error.code, error.outcome) == ("invalid-response", "failure")


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("operation", ["read", "list", "write", "delete"])
def test_a_store_that_says_nothing_ends_within_the_time_of_the_call(store: str, operation: str) -> None:
    async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    more = {"values": {"text": "x"}} if operation == "write" else {}
    started = time.monotonic()
    error = failed(Liar(silent).call(store, operation, seconds=1.0, **more))
    assert time.monotonic() - started < 8
    assert (error.code, error.outcome) == ("timeout", "unknown" if operation in {"write", "delete"} else "timeout")


@pytest.mark.parametrize("store", STORES)
def test_a_trickle_ends_within_the_time_of_the_call(store: str) -> None:
    started = time.monotonic()
    error = failed(Liar(endless("200 OK\r\nContent-Length: 100000", b"x", 0.05)).call(store, "read", seconds=1.0))
    assert (error.code, error.outcome) == ("timeout", "timeout")
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("too_large", ["fail", "cut"])
def test_two_gigabytes_cost_no_memory(store: str, too_large: str) -> None:
    liar = Liar(endless("200 OK\r\nContent-Length: 2147483648", b"x" * 65536))
    liar.call(store, "read", max_bytes=10)  # what is imported and built once
    tracemalloc.start()
    try:
        answer = liar.call(store, "read", too_large=too_large)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * 1024 * 1024
    if too_large == "fail":
        assert failed(answer).code == "file-too-large"
        return
    assert isinstance(answer, Answer)
    assert (answer.content["size"], len(answer.content["text"]), answer.cut) == (2**31, 5242880, True)


@pytest.mark.parametrize("store", STORES)
def test_a_page_of_a_list_is_bounded(store: str) -> None:
    liar = Liar(sends("200 OK\r\nContent-Type: application/xml", b"<a>" * 12_000_000))
    error = failed(liar.call(store, "list", seconds=60.0))
    assert (error.code, error.outcome) == ("too-large", "failure")


@pytest.mark.parametrize("store", ["s3", "azure"])
def test_a_list_that_defines_entities_is_refused(store: str) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    facts = "<Properties><Content-Length>1</Content-Length><Last-Modified>Mon, 30 Nov 2026 10:00:00 GMT</Last-Modified></Properties>"
    s3 = "<ListBucketResult><Contents><Key>&j;</Key></Contents></ListBucketResult>"
    azure = f"<EnumerationResults><Blobs><Blob><Name>&b;</Name>{facts}</Blob></Blobs></EnumerationResults>"
    text = f"{bomb}]>{azure if store == 'azure' else s3}".encode()
    started = time.monotonic()
    error = failed(Liar(sends(f"200 OK\r\nContent-Length: {len(text)}", text)).call(store, "list"))
    assert error.outcome == "failure"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    ("head", "code", "outcome", "times"),
    [
        ("500 No\r\nContent-Length: 0", "upstream-failed", "unknown", 1),
        ("403 No\r\nContent-Length: 0", "credential-refused", "failure", 2),
        ("429 No\r\nContent-Length: 0", "upstream-limited", "failure", 1),
        ("412 No\r\nContent-Length: 0", "file-exists", "failure", 1),
        ("302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0", "upstream-failed", "failure", 1),
        ("307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0", "upstream-failed", "failure", 1),
    ],
)
def test_what_a_write_that_is_refused_may_have_done(store: str, head: str, code: str, outcome: str, times: int) -> None:
    liar = Liar(sends(head))
    error = failed(liar.call(store, "write", values={"text": "x"}))
    assert (error.code, error.outcome) == (code, outcome)
    assert len(liar.asked) == times


@pytest.mark.parametrize("store", STORES)
def test_a_connection_that_ends_leaves_a_write_open(store: str) -> None:
    async def ends(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)

    async def main() -> tuple[Answer | Failed, bool]:
        return await Liar(ends).called(store, "write", values={"text": "x"})

    answer, effect = asyncio.run(main())
    assert (failed(answer).code, failed(answer).outcome) == ("unreachable", "unknown")
    assert effect


@pytest.mark.parametrize("store", STORES)
def test_a_write_says_what_only_a_free_name_takes(store: str) -> None:
    for if_exists in ("fail", "replace"):
        liar = Liar(sends("200 OK\r\nContent-Length: 0"))
        liar.call(store, "write", values={"text": "x"}, if_exists=if_exists)
        (asked,) = liar.asked
        assert ("if-none-match: *" in asked.lower() or "ifGenerationMatch=0" in asked) is (if_exists == "fail")


@pytest.mark.parametrize("where", ["gcs", "tokens", "azure"])
def test_no_address_form_reaches_a_victim(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3's are in test_aws.py. Google's server of tokens is named by the account's key, which is a secret of the tenant's."""

    async def free(*_: Any) -> str:
        return "t"

    if where == "gcs":
        monkeypatch.setattr(GoogleTokens, "token", free)
    monkeypatch.setattr("reconciler.runtime.connectors.google.signed", lambda *_: "assertion")

    async def main() -> tuple[list[Any], int]:
        reached = 0

        async def victim(_: web.Request) -> web.StreamResponse:
            nonlocal reached
            reached += 1
            return web.Response()

        async with serving(victim) as server:
            nobody = Surroundings(resolve, resolve, Permits())
            found = []
            for host in PRIVATE:
                shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
                url = f"http://{shown}:{server.port}"
                raw = _azure(server.port) if where == "azure" else _gcs(server.port)
                account = {"client_email": "a@b", "private_key": "k", "token_uri": f"{url}/token"}
                SECRETS["env://GCS_LIES"] = json.dumps(account)
                reached_at = {"endpoint_url": url if where != "tokens" else "https://storage.example.com"}
                try:
                    found.append(await Files({**raw, **reached_at}, nobody).called("read", "a.txt"))
                except AssertionError:  # the connector's own model refuses such an address
                    found.append(None)
        return found, reached

    found, reached = asyncio.run(main())
    assert reached == 0
    assert len(found) >= 60
    assert all(one is None or isinstance(one, Failed) for one in found)
    assert sum(isinstance(one, Failed) and one.code == "address-refused" for one in found) >= 30


def test_a_sas_goes_into_the_query_and_no_error_has_it() -> None:
    async def main() -> tuple[Answer | Failed, list[str]]:
        liar = Liar(sends("404 No\r\nContent-Length: 0"))
        server = await asyncio.start_server(liar._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        answer = await Files(_azure(port, credential="env://SAS"), around()).called("read", "a b.txt")
        server.close()
        return answer, liar.asked

    answer, asked = asyncio.run(main())
    assert failed(answer).code == "no-such-file"
    assert asked[0].startswith("GET /c/a%20b.txt?sv=2021-08-06&sig=abc%3D ")
    assert "Authorization" not in asked[0]


@pytest.mark.parametrize(
    "key", ["not a key", "{}", '{"client_email": "a", "private_key": "b"}', "[]", '{"client_email": 1}']
)
def test_a_credential_of_another_form_reaches_nobody(key: str) -> None:
    liar = Liar(sends("200 OK"))

    async def main() -> Answer | Failed:
        server = await asyncio.start_server(liar._serve, "127.0.0.1", 0)
        raw = _gcs(server.sockets[0].getsockname()[1])
        SECRETS["env://GCS_LIES"] = key
        answer = await Files(raw, around()).called("read", "a")
        server.close()
        return answer

    assert failed(asyncio.run(main())).code in {"credential-unresolved", "token-refused"}
    assert liar.asked == []
