"""What a listener takes, from whom and for how long, by raw sockets: a client that knows HTTP would not send most of it."""

from __future__ import annotations

import contextlib
import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.runtime.connections import place_of
from reconciler.runtime.door import MAX_HEAD_BYTES, MAX_HEADERS, MAX_LINE_BYTES, MOST_BYTES
from tests.conftest import PATIENCE, Db
from tests.runtime.servers import Served, served

HOST = b"Host: localhost\r\n"


def connect(server: Served) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", int(server.agents.rpartition(":")[2])), timeout=5 * PATIENCE)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def read_all(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes or resets the connection."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def sent(server: Served, *parts: bytes) -> bytes:
    """Return the whole answer to what is sent, on a connection that is closed after it."""
    with connect(server) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        return read_all(connection)


def problem_in(answer: bytes) -> tuple[int, str]:
    """Return status and code of one answer, which has to be a problem document and the only one."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")]
    assert b"content-type: application/problem+json" in lines, answer[:300]
    assert b"connection: close" in lines
    assert b"content-length: %d" % len(body) in lines
    told = json.loads(body)
    assert lines[0].split()[1] == str(told["status"]).encode()
    return told["status"], told["code"]


def chunks(size: int, of: int = 65536) -> Iterator[bytes]:
    for _ in range(size // of):
        yield b"%x\r\n%s\r\n" % (of, b" " * of)


def head(server: Served, path: str = "/v1/tools/top/call", key: bool = True, method: str = "POST") -> bytes:
    own = f"Authorization: Bearer {server.key}\r\n" if key else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{own}Content-Type: application/json\r\n".encode()


def test_what_is_too_large_is_answered_as_that(db: Db, folder: Path) -> None:
    with served(folder, db) as server:
        fits = b"a" * (MAX_LINE_BYTES - 20)
        chunked = b"Transfer-Encoding: chunked\r\n\r\n"
        alike = (
            ((b"GET /%s HTTP/1.1\r\n%s\r\n" % (b"a" * MAX_LINE_BYTES, HOST),), 414, "uri-too-long"),
            ((b"GET /", b"a" * 3_000_000), 414, "uri-too-long"),
            ((b"GET /?", *[b"a" * 1000] * 9), 414, "uri-too-long"),
            ((b"GET / HTTP/1.1\r\nX: ", b"a" * 3_000_000), 431, "headers-too-large"),
            ((b"GET / HTTP/1.1\r\n", b"a" * 3_000_000), 431, "headers-too-large"),
            ((b"GET / HTTP/1.1\r\n", *[b"X: %s\r\n" % (b"a" * 7000)] * 6), 431, "headers-too-large"),
            ((b"GET / HTTP/1.1\r\n", b"X: 1\r\n" * (MAX_HEADERS + 2)), 431, "headers-too-large"),
            ((b"\r\n" * MAX_HEAD_BYTES,), 431, "headers-too-large"),
            ((head(server), b"Content-Length: %d\r\n\r\n" % (MOST_BYTES + 1)), 413, "too-large"),
            ((head(server), b"Content-Length: 2000000\r\n\r\n", b" " * 2_000_000), 413, "too-large"),
            ((head(server), b"Content-Length: 99999999999999999999999\r\n\r\n"), 400, "request-malformed"),
            ((head(server), chunked, *chunks(MOST_BYTES + 65536)), 413, "too-large"),
            ((head(server), chunked, *chunks(2 * MOST_BYTES)), 413, "too-large"),
            ((head(server, "/mcp"), chunked, *chunks(2 * MOST_BYTES)), 413, "too-large"),
            ((head(server), chunked, *[b"1\r\n \r\n" * 10_000] * 50), 413, "too-large"),
            ((head(server), chunked, b"1;x=", b"a" * 4 * MOST_BYTES), 413, "too-large"),
            ((head(server), chunked, b"0\r\nX: ", b"a" * 4 * MOST_BYTES), 413, "too-large"),
            ((b"\x16\x03\x01\x02\x00 no HTTP at all\r\n\r\n",), 400, "request-malformed"),
            ((b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",), 400, "request-malformed"),
            ((b"GET /healthz HTTP/1.1\r\n%sHost: evil.example\r\n\r\n" % HOST,), 400, "request-malformed"),
            ((b"CONNECT a:1 HTTP/1.1\r\n%s\r\n" % HOST,), 400, "request-malformed"),
            ((b"GET /\xff HTTP/1.1\r\n%s\r\n" % HOST,), 400, "request-malformed"),
        )
        for parts, status, code in alike:
            answer = sent(server, *parts)
            assert problem_in(answer) == (status, code), parts[0][:60]
        longest = sent(server, b"GET /%s HTTP/1.1\r\n%sConnection: close\r\n\r\n" % (fits, HOST))
        assert problem_in(longest) == (401, "unauthenticated")
        # an answer that was given before the body arrived stays the only one
        early = sent(server, head(server, key=False), chunked, *chunks(2 * MOST_BYTES))
        assert early.count(b"HTTP/1.1 ") == 1
        assert early.startswith(b"HTTP/1.1 401 ")
        metrics = server.metrics()
        for code in {code for _, _, code in alike}:
            assert ("reconciler_refused_requests_total", code, "door", "") in metrics
    assert "Traceback" not in server.log.read_text()


def test_trailers_are_no_headers(db: Db, folder: Path) -> None:
    with served(folder, db) as server:
        trailers = f"0\r\nAuthorization: Bearer {server.key}\r\n\r\n".encode()
        with connect(server) as connection:
            connection.sendall(
                head(server, "/v1/tools", key=False, method="GET") + b"Transfer-Encoding: chunked\r\n\r\n" + trailers
            )
            assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_requests_in_one_piece_are_answered_in_their_order(db: Db, folder: Path) -> None:
    """Counting bytes of heads confuses no boundaries, however they are cut."""
    body = b'{"arguments": {"region": "eu"}}'
    one = b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    with served(folder, db) as server:
        last = head(server, "/healthz", method="GET") + b"Connection: close\r\n\r\n"
        whole = (head(server) + one) * 20 + last
        for size in (len(whole), 1000, 97):
            answer = sent(server, *(whole[at : at + size] for at in range(0, len(whole), size)))
            assert answer.count(b"HTTP/1.1 200 OK") == 21, size
            assert answer.count(b'"result":[{"name":"Ann"}]') == 20


def test_what_never_arrives_is_not_waited_for(db: Db, folder: Path) -> None:
    with served(folder, db, door={"header_seconds": 1}) as server:
        for parts, status in (
            ((), b""),
            ((b"GET / HT",), b"HTTP/1.1 408 "),
            ((b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /he"), b"HTTP/1.1 200 "),
        ):
            began = time.monotonic()
            answer = sent(server, *parts)
            assert answer[:13] == status
            assert 0.5 < time.monotonic() - began < 8
        assert problem_in(answer[answer.rindex(b"HTTP/1.1 ") :]) == (408, "request-timeout")
        with connect(server) as connection:  # one byte now and then is no reason to wait longer
            began = time.monotonic()
            with contextlib.suppress(ConnectionError):
                while time.monotonic() - began < 8 and connection.send(b"x"):
                    time.sleep(0.1)
            assert time.monotonic() - began < 8


def test_silent_connections_make_room(db: Db, folder: Path) -> None:
    with served(folder, db, door={"connections": 50, "connections_per_address": 20, "header_seconds": 300}) as server:
        silent = [connect(server) for _ in range(60)]
        server.until(lambda: server.call("top", region="eu").status_code == 200)
        closed: set[socket.socket] = set()

        def has_room() -> bool:
            for one in {*silent} - closed:
                one.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    assert not read_all(one)
                    closed.add(one)
            return len(closed) >= 40

        server.until(has_room, 10)
        for one in silent:
            one.close()
        assert ("reconciler_refused_requests_total", "overloaded", "door", "") in server.metrics()


def test_addresses_are_counted_as_one_machine_has_them() -> None:
    alike = {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::1%eth0"}
    assert {place_of(one) for one in alike} == {"2001:db8:1:2::"}
    assert [place_of(one) for one in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8:1:3::1", "x")] == [
        "192.0.2.1",
        "192.0.2.1",
        "2001:db8:1:3::",
        "x",
    ]


class Attackers:
    """Threads that send until they are told to stop, over new connections where the former ones are closed."""

    def __init__(self, server: Served) -> None:
        self._server, self._ends = server, threading.Event()
        self._threads: list[threading.Thread] = []

    def send(self, start: bytes, piece: bytes, size: int) -> None:
        def work() -> None:
            left = size
            while left > 0 and not self._ends.is_set():
                with contextlib.suppress(OSError), connect(self._server) as connection:
                    connection.sendall(start)
                    while left > 0 and not self._ends.is_set():
                        left -= connection.send(piece)

        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def end(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(30)


def latency(server: Served, count: int) -> list[float]:
    """Return how long `/healthz` takes, each time on a connection of its own."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        answer = sent(server, b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        took.append(time.perf_counter() - began)
        assert answer.startswith(b"HTTP/1.1 200 ")
        time.sleep(0.02)
    return took


def test_the_door_holds(db: Db, folder: Path) -> None:
    """An endless target stalled all agents for ten seconds. What the machine takes for the same without attackers counts in."""
    if not db.is_sqlite:
        pytest.skip("no database is asked")
    with served(folder, db) as server:
        idle = statistics.median(latency(server, 20))
        silent = [connect(server) for _ in range(2000)]
        attackers = Attackers(server)
        try:
            attackers.send(b"GET /", b"a" * 65536, 50 * 2**20)
            for _ in range(3):
                attackers.send(b"GET / HTTP/1.1\r\nX: ", b"a" * 65536, 100 * 2**20)
            took = latency(server, 40)
        finally:
            attackers.end()
        for one in silent:
            one.close()
        assert statistics.median(took) < 0.1 + 10 * idle
        assert sorted(took)[-5] < 1 + 10 * idle
