"""HTTP upstreams that answer in ways no honest server would: each call fails as the upstream's fault, and stalls nobody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Failed
from reconciler.runtime.connectors.http import open_http
from tests.runtime.calls import around, call, resource

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
REFUSED = b"HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def connector_at(port: int) -> Resource:
    raw = {
        "type": "http",
        "base_url": f"http://127.0.0.1:{port}",
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": port}],
        "auth": {"type": "bearer", "token": "env://TOKEN"},
        "allowed_methods": ["GET", "POST"],
        "retries": 0,
    }
    return resource("connector", raw)


def asked(answers: Sequence[bytes], method: str = "GET") -> Answer | Failed:
    """Return what a call comes to whose upstream sends these bytes, one after the other, and then ends each connection."""
    left = iter(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(left))
        writer.close()

    async def main() -> Answer | Failed:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        raw = connector_at(port)
        template = resource("template", {"type": "http", "connector": "it", "method": method, "path": "/x"})
        connection = await open_http("acme", raw, around())
        try:
            return await connection.run(call(raw, template, {}))
        except Failed as error:
            return error
        finally:
            await connection.close()
            server.close()

    return asyncio.run(main())


def with_text(text: bytes, *headers: bytes) -> bytes:
    lines = b"".join(b"%b\r\n" % one for one in headers)
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (OK, lines, len(text), text)


@pytest.mark.parametrize("second", [b"", OK + b"Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nx", b"\0\r\n\r\n"])
def test_an_upstream_that_breaks_off_after_it_refused_the_credential(second: bytes) -> None:
    found = asked([REFUSED, second])
    assert isinstance(found, Failed), found
    assert (found.code, found.outcome) == ("unreachable", "failure")


@pytest.mark.parametrize(
    "charset", [b"punycode", b"unicode_escape", b"raw_unicode_escape", b"utf-7", b"idna", b"rot13"]
)
def test_a_charset_that_no_text_comes_in_is_refused(charset: bytes) -> None:
    """Decoding punycode takes the square of its length: 400 kB stalled all agents for eight seconds."""
    found = asked([with_text(b"abc-", b"Content-Type: text/plain; charset=" + charset)])
    assert isinstance(found, Failed), found
    assert (found.code, found.status) == ("invalid-response", 200)


@pytest.mark.parametrize(
    "charset", ["utf-8", "UTF8", "us-ascii", "latin1", "windows-1252", "utf-16", "shift-jis", "gbk", "big5"]
)
def test_charsets_of_texts_are_read(charset: str) -> None:
    found = asked([with_text("abc".encode(charset), b"Content-Type: text/plain; charset=" + charset.encode())])
    assert isinstance(found, Answer), found
    assert found.content["body"] == "abc"


@pytest.mark.parametrize("coding", [b"foo", b"gzip, gzip", b"compress"])
def test_an_encoding_that_was_not_asked_for_is_no_text(coding: bytes) -> None:
    found = asked([with_text(b"x", b"Content-Type: text/plain", b"Content-Encoding: " + coding)])
    assert isinstance(found, Failed), found
    assert found.code in {"invalid-response", "unreachable"}


@pytest.mark.parametrize(("method", "outcome"), [("GET", "failure"), ("POST", "unknown")])
@pytest.mark.parametrize("status", [b"000", b"101", b"150"])
def test_what_is_no_final_answer_is_no_success(status: bytes, method: str, outcome: str) -> None:
    found = asked([b"HTTP/1.1 %b X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" % status], method)
    assert isinstance(found, Failed), found
    assert found.outcome == outcome


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_write_that_reached_nobody_may_be_sent_again(method: str) -> None:
    """Nothing was sent where no connection came about: an Idempotency-Key is free, and the API may be back in a moment."""

    async def main() -> Failed:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        raw = connector_at(port)
        template = resource("template", {"type": "http", "connector": "it", "method": method, "path": "/x"})
        connection = await open_http("acme", raw, around())
        with pytest.raises(Failed) as caught:
            await connection.run(call(raw, template, {}))
        await connection.close()
        return caught.value

    found = asyncio.run(main())
    assert (found.code, found.outcome) == ("unreachable", "failure")
