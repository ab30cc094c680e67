"""A server on loopback that speaks the HTTP API of Vault as its documentation has it, and lies on order.

KV version 1 and 2, logins by AppRole, Kubernetes and JWT, tokens with a time to live, namespaces, transit with versions
and associated data, the answers of `sys` that clients ask for, and errors in Vault's own form. It keeps what it is sent.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Handler = BaseHTTPRequestHandler
Order = Callable[[Handler], None]


class Seen(NamedTuple):
    """A request, as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def token(self) -> str | None:
        return self.headers.get("x-vault-token")


class Answer(NamedTuple):
    status: int
    body: Any


class Denied(Exception):
    pass


@dataclass
class Version:
    data: dict[str, Any] | None
    deletion_time: str = ""
    destroyed: bool = False


@dataclass
class Token:
    ends: float = float("inf")
    below: tuple[str, ...] = ("",)  # which paths its policy lets it reach
    looks_up_itself: bool = True


@dataclass
class TransitStore:
    versions: dict[str, list[bytes]] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)

    def rotate(self, name: str) -> None:
        self.versions.setdefault(name, []).append(os.urandom(32))


@dataclass
class VaultServer:
    """All paths begin with their namespace, where they have one."""

    port: int = 0
    scheme: str = "http"
    sealed: bool = False
    namespaces: set[str] = field(default_factory=set)
    kv1: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    kv2: dict[str, dict[str, list[Version]]] = field(default_factory=dict)
    transit: dict[str, TransitStore] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)  # mount -> type
    logins: dict[str, Callable[[dict[str, Any]], Answer | Token]] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=lambda: {"root-token": Token()})
    orders: list[tuple[str, Order]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    offset: float = 0.0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.seen]

    def now(self) -> float:
        return time.monotonic() + self.offset

    def later(self, seconds: float) -> None:
        """Its clock goes on, and nobody waits."""
        self.offset += seconds

    def put(self, mount: str, path: str, **data: Any) -> None:
        """A new version."""
        self.kv2.setdefault(mount, {}).setdefault(path, []).append(Version(data))

    def orders_next(self, order: Order, times: int = 1, where: str = "/v1/") -> None:
        """The next requests below ``where`` are answered by ``order``."""
        self.orders.extend([(where, order)] * times)

    def answer(self, request: Seen) -> Answer:
        if request.headers.get("x-vault-request") != "true":
            return Answer(412, {"errors": ["required header 'X-Vault-Request' is missing"]})
        path, _, query = request.path.partition("?")
        path = unquote(path).removeprefix("/v1/")
        if path == "sys/seal-status":
            return Answer(200, {"sealed": self.sealed, "initialized": True, "version": "1.18.0"})
        if self.sealed:
            return Answer(503, {"errors": ["Vault is sealed"]})
        space = request.headers.get("x-vault-namespace", "").strip("/")
        body = json.loads(request.body) if request.body else {}
        whole = f"{space}/{path}".lstrip("/")
        if whole in self.logins:
            return self._login(whole, body)
        token = self.tokens.get(request.token or "")
        if token is None or token.ends <= self.now():
            return Answer(403, {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]})
        try:
            return self._authorized(token, path, whole, space, parse_qs(query), body)
        except Denied:
            return Answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})

    def _login(self, whole: str, body: dict[str, Any]) -> Answer:
        answer = self.logins[whole](body)
        if isinstance(answer, Answer):
            return answer
        name = f"hvs.{len(self.tokens)}{os.urandom(12).hex()}"
        self.tokens[name] = answer
        lasts = 0 if answer.ends == float("inf") else int(answer.ends - self.now() + 0.5)
        return Answer(200, {"auth": {"client_token": name, "lease_duration": lasts, "renewable": True}, "data": None})

    def _authorized(
        self, token: Token, path: str, whole: str, space: str, query: dict[str, list[str]], body: dict[str, Any]
    ) -> Answer:
        if path == "auth/token/lookup-self":
            if not token.looks_up_itself:
                raise Denied
            return Answer(200, {"data": {"ttl": 60}})
        if path.startswith("sys/internal/ui/mounts/"):
            inside = path.removeprefix("sys/internal/ui/mounts/")
            mount = self._mount(f"{space}/{inside}".lstrip("/"))
            own = max((one for one in self.namespaces if mount.startswith(f"{one}/")), key=len, default="")
            # of another namespace than the one that is asked, it is named from the root on
            shown = mount.removeprefix(f"{own}/") if own == space else mount
            sort, version = self._kind(mount)
            options = None if version is None else {"version": version}
            return Answer(200, {"data": {"type": sort, "path": f"{shown}/", "options": options, "accessor": "a_1"}})
        if not whole.startswith(token.below):
            raise Denied
        mount = self._mount(whole)
        inside = whole.removeprefix(mount).strip("/")
        if mount in self.transit:
            return self._transit(self.transit[mount], inside, body)
        if mount in self.kv1:
            return self._kv1(self.kv1[mount], inside)
        return self._kv2(self.kv2[mount], inside, query)

    def _mount(self, whole: str) -> str:
        known = [*self.kv1, *self.kv2, *self.transit, *self.others]
        fitting = [mount for mount in known if f"{whole}/".startswith(f"{mount}/")]
        if not fitting:
            raise Denied  # so that nobody finds out by asking
        return max(fitting, key=len)

    def _kind(self, mount: str) -> tuple[str, str | None]:
        if mount in self.kv2:
            return "kv", "2"
        if mount in self.kv1:
            return "kv", None
        return ("transit", None) if mount in self.transit else (self.others[mount], None)

    @staticmethod
    def _kv1(store: dict[str, dict[str, Any]], path: str) -> Answer:
        if path not in store:
            return Answer(404, {"errors": []})
        lease = store[path].get("ttl", 2764800)
        return Answer(200, {"data": store[path], "lease_id": "", "lease_duration": lease, "renewable": False})

    @staticmethod
    def _kv2(store: dict[str, list[Version]], path: str, query: dict[str, list[str]]) -> Answer:
        versions = store.get(path.removeprefix("data/"), []) if path.startswith("data/") else []
        number = int(query.get("version", ["0"])[0]) or len(versions)
        if not 0 < number <= len(versions):
            return Answer(404, {"errors": []})
        found = versions[number - 1]
        gone = bool(found.deletion_time) or found.destroyed
        metadata = {"version": number, "deletion_time": found.deletion_time, "destroyed": found.destroyed}
        return Answer(404 if gone else 200, {"data": {"data": None if gone else found.data, "metadata": metadata}})

    @staticmethod
    def _transit(store: TransitStore, path: str, body: dict[str, Any]) -> Answer:
        what, _, name = path.partition("/")
        keys = store.versions.get(name)
        if not keys:
            return Answer(400, {"errors": ["encryption key not found"]})
        context = base64.b64decode(body.get("associated_data", ""))
        if what == "encrypt":
            nonce = os.urandom(12)
            sealed = nonce + AESGCM(keys[-1]).encrypt(nonce, base64.b64decode(body["plaintext"]), context)
            return Answer(200, {"data": {"ciphertext": f"vault:v{len(keys)}:{base64.b64encode(sealed).decode()}"}})
        if not body["ciphertext"]:
            return Answer(400, {"errors": ["missing ciphertext to decrypt"]})
        prefix, _, coded = body["ciphertext"].removeprefix("vault:v").partition(":")
        if not prefix.isdigit() or not body["ciphertext"].startswith("vault:v"):
            return Answer(400, {"errors": ["invalid ciphertext: no prefix"]})
        if int(prefix) > len(keys):
            return Answer(400, {"errors": ["invalid ciphertext: version is too new"]})
        if int(prefix) < store.least.get(name, 1):
            return Answer(400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]})
        try:
            sealed = base64.b64decode(coded, validate=True)
            plain = AESGCM(keys[int(prefix) - 1]).decrypt(sealed[:12], sealed[12:], context)
        except InvalidTag:
            return Answer(400, {"errors": ["cipher: message authentication failed"]})
        except ValueError:
            return Answer(400, {"errors": ["invalid ciphertext: could not decode base64"]})
        return Answer(200, {"data": {"plaintext": base64.b64encode(plain).decode()}})


def says(status: int, body: Any = None, **headers: str) -> Order:
    """An answer of any status; ``body`` as bytes goes out as it is, everything else as JSON."""

    def order(handler: Handler) -> None:
        data = body if isinstance(body, bytes) else json.dumps({"errors": []} if body is None else body).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return order


def resets(handler: Handler) -> None:
    """The connection ends with a reset."""
    handler.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of no time
    handler.close_connection = True
    handler.connection.close()


def drips(first: bytes, drop: bytes, pause: float = 0.05, most: int = 400) -> Order:
    """``first``, then ``drop`` again and again: no single read is ever slow."""

    def order(handler: Handler) -> None:
        handler.close_connection = True
        try:
            handler.wfile.write(first)
            for _ in range(most):
                handler.wfile.write(drop)
                if pause:
                    time.sleep(pause)
        except OSError:
            return

    return order


SLOW_HEADERS = drips(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", most=90)
TRICKLE = drips(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", b" ")
ENDLESS = drips(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" " * 65536, 0, 100_000)


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[VaultServer]:
    """With ``certificate`` (with its key), by TLS."""
    vault = VaultServer()
    lock = threading.Lock()

    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Seen(self.command, self.path, headers, body)
            with lock:
                vault.seen.append(request)
                order = next((one for one in vault.orders if self.path.startswith(one[0])), None)
                if order is not None:
                    vault.orders.remove(order)
            if order is not None:
                order[1](self)
                return
            answer = vault.answer(request)
            says(answer.status, answer.body)(self)

        do_GET = do_POST = do_PUT = do_LIST = handle_any

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            return

    server = Server(("127.0.0.1", 0), Connection)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        vault.scheme = "https"
    vault.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
