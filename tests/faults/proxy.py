"""A TCP proxy before PostgreSQL or PgBouncer that reads the protocol's frames and makes one fault at a chosen moment."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, NamedTuple
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

LATE = 2.0
Do = Literal["drop", "drop reply", "late", "late and never", "hold reply", "delay", "black hole", "deaf", "error"]
WRITES = re.compile(rb"\b(INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|(CREATE|ALTER|DROP)\s+TABLE)\b", re.IGNORECASE)
FATAL = ("08", "57P0")
PLAIN = {80877103, 80877104}
"""Requests for encryption (SSL, GSSAPI), which precede the start of a session."""
CANCEL = 80877102


class Fault(NamedTuple):
    """What happens ``at`` which moment: ``connect``, ``statement``, ``write``, ``commit`` (only one that ends a
    transaction that wrote), or any text of a statement. It happens at the ``nth`` of these, ``times`` in a row.

    - ``drop``: both ends are closed instead.
    - ``drop reply``: the server gets it, the client is closed without the reply.
    - ``late``: the client is closed, the server gets it after ``seconds``; ``late and never``: it is closed then.
    - ``hold reply``: the reply is held back, ``delay``: the frame is, both for ``seconds``.
    - ``black hole``: from then on every connection is kept, read and never answered; ``deaf``: nor is it read.
    - ``error``: the server raises ``state`` instead; one that ends sessions is sent by the proxy, which then hangs up.

    With ``refuse`` nobody gets a new connection afterwards.
    """

    do: Do
    at: str = "commit"
    nth: int = 1
    times: int = 1
    state: str = "40001"
    seconds: float = LATE
    refuse: bool = False

    def matches(self, statement: bytes, wrote: bool) -> bool:
        if self.at == "commit":
            return wrote and statement.upper().startswith(b"COMMIT")
        if self.at == "write":
            return WRITES.search(statement) is not None
        return self.at == "statement" or (self.at != "connect" and self.at.encode() in statement)


class Proxy:
    """Listens at ``url`` until it is closed; ``hits`` counts how often the fault has happened."""

    def __init__(self, url: str, fault: Fault | None) -> None:
        self._server = conninfo_to_dict(url)
        self.healed = threading.Event()
        self.arm(fault)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{quote(str(self._server['user']))}@127.0.0.1:{port}/{self._server['dbname']}"
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, fault: Fault | None) -> None:
        """Make ``fault`` from now on, and none that was asked for before."""
        self.heal()
        self.fault, self.hits, self._seen = fault or Fault("drop", nth=2**31), 0, 0
        self.healed, self.hole = threading.Event(), threading.Event()

    @property
    def is_dark(self) -> bool:
        """Whether it is a black hole now."""
        return self.hole.is_set() and not self.healed.is_set()

    def heal(self) -> None:
        """Make no more faults: connections in a black hole are closed, new ones are served."""
        self.healed.set()

    def close(self) -> None:
        self.heal()
        self.refuse()

    def refuse(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def strikes(self) -> bool:
        """Count one moment of the fault's kind; whether the fault happens there."""
        with self._lock:
            self._seen += 1
            struck = not self.healed.is_set() and 0 <= self._seen - self.fault.nth < self.fault.times
            self.hits += struck
            return struck

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=_Link(self, client).run, daemon=True).start()

    def connect(self) -> socket.socket:
        host, port = str(self._server["host"]), int(self._server.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server


class _Link:
    """One client and its server."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self.proxy, self.client, self.wrote = proxy, client, False
        self.stream = client.makefile("rb")
        self.server: socket.socket
        self.muted, self.replied, self.held = threading.Event(), threading.Event(), threading.Event()
        self.held.set()

    def run(self) -> None:
        with suppress(OSError, struct.error):
            self.server = self.proxy.connect()
            if self._started():
                threading.Thread(target=self._to_client, daemon=True).start()
                for kind, frame in self._frames():
                    if not self._forward(kind, frame):
                        break
            _end(self.server)
        _end(self.client)

    def _started(self) -> bool:
        """Pass the start of a session on; whether there is one."""
        while True:
            size, code = struct.unpack("!ii", self.stream.read(8))
            if code not in PLAIN:
                break
            self.client.sendall(b"N")
        fault = self.proxy.fault
        if code != CANCEL and fault.at == "connect" and self.proxy.strikes() and not self._strike(b"", b""):
            return False
        if self.proxy.is_dark:
            self._swallow()
            return False
        self.server.sendall(struct.pack("!ii", size, code) + self.stream.read(size - 8))
        return True

    def _frames(self) -> Iterator[tuple[bytes, bytes]]:
        while head := self.stream.read(5):
            size = struct.unpack("!xi", head)[0]
            yield head[:1], head + self.stream.read(size - 4)

    def _forward(self, kind: bytes, frame: bytes) -> bool:
        """Whether the connection goes on."""
        if self.proxy.is_dark:
            self._swallow()
            return False
        if kind in b"QP":
            statement = frame[5:].rstrip(b"\0") if kind == b"Q" else frame[5:].split(b"\0")[1]
            if self.proxy.fault.matches(statement, self.wrote) and self.proxy.strikes():
                return self._strike(kind, frame)
            self._remember(statement)
        self.server.sendall(frame)
        return True

    def _remember(self, statement: bytes) -> None:
        if statement.upper().startswith((b"BEGIN", b"COMMIT", b"ROLLBACK")):
            self.wrote = False
        self.wrote = self.wrote or WRITES.search(statement) is not None

    def _strike(self, kind: bytes, frame: bytes) -> bool:
        fault = self.proxy.fault
        if fault.refuse:
            self.proxy.refuse()
        if fault.do == "delay":
            self.proxy.healed.wait(fault.seconds)
            self.server.sendall(frame)
            return True
        if fault.do == "hold reply":
            self.held.clear()
            threading.Timer(fault.seconds, self.held.set).start()
            self.server.sendall(frame)
            return True
        if fault.do == "error":
            return self._error(kind, fault.at == "commit")
        if fault.do in {"black hole", "deaf"}:
            self.proxy.hole.set()
            self._swallow()
        else:
            self._lose(frame)
        return False

    def _error(self, kind: bytes, ends: bool) -> bool:
        """A refused COMMIT (``ends``) leaves no transaction, any other statement one that has failed."""
        state = self.proxy.fault.state
        if kind == b"P":  # what belongs to the statement ends with Sync
            next(frame for frame_kind, frame in self._frames() if frame_kind == b"S")
        if not kind or state.startswith(FATAL):
            self.client.sendall(_error_response("FATAL", state))
            return False
        if ends:
            self.muted.set()
            self.server.sendall(_query("ROLLBACK"))
            self.replied.wait(5)
            self.replied.clear()
            self.muted.clear()
            self.client.sendall(_error_response("ERROR", state) + b"Z\0\0\0\5I")
        else:
            self.server.sendall(_query(f"DO $$ BEGIN RAISE EXCEPTION 'fault' USING ERRCODE = '{state}'; END $$"))
        return True

    def _lose(self, frame: bytes) -> None:
        fault = self.proxy.fault
        if fault.do == "drop reply":
            self.muted.set()
            self.server.sendall(frame)
            self.replied.wait(5)
        _end(self.client)
        if fault.do.startswith("late"):
            self.proxy.healed.wait(fault.seconds)
        if fault.do == "late":
            self.muted.set()
            self.server.sendall(frame)
            self.replied.wait(5)

    def _swallow(self) -> None:
        """Never answer again, and neither end the connection before the proxy is healed."""
        self.muted.set()
        healed = self.proxy.healed
        while self.proxy.fault.do != "deaf" and not healed.is_set() and self.client.recv(65536):
            pass
        healed.wait()

    def _to_client(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(65536):
                self.held.wait()
                if self.muted.is_set() or self.proxy.is_dark:
                    self.replied.set()
                else:
                    self.client.sendall(data)
        if not self.muted.is_set():
            _end(self.client)


def _query(text: str) -> bytes:
    body = text.encode() + b"\0"
    return b"Q" + struct.pack("!i", len(body) + 4) + body


def _error_response(severity: str, state: str) -> bytes:
    body = f"S{severity}\0V{severity}\0C{state}\0Mfault {state}\0\0".encode()
    return b"E" + struct.pack("!i", len(body) + 4) + body


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
