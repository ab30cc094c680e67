"""Requests and answers of MCP as a client writes and reads them; nothing here sends anything.

Source: the Model Context Protocol's pages on the base protocol, lifecycle, transports and tools, of 2025-11-25 (a session
that `initialize` begins) and 2026-07-28 (no session: each request says in `_meta`, and over HTTP in headers, what it is).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from reconciler import strict_json

LEGACY = "2025-11-25"
"""The newest revision with a handshake, which is asked for."""
HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", LEGACY)
MODERN = "2026-07-28"
METHOD_NOT_FOUND, INVALID_PARAMS, UNSUPPORTED_VERSION = -32601, -32602, -32022
NAME = "config-reconciler"
_PREFIX = "io.modelcontextprotocol/"
_PRINTED = re.compile(r"[\x20-\x7e]*")
ENDS = 256
"""Bytes at either end of an answer that are looked at where the whole can't be read."""
_ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,')
_ID_LAST = re.compile(rb'"id"\s*:\s*(\d{1,15})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')
_WRAPPED = re.compile(r"=\?base64\?.*\?=")


def client_info() -> dict[str, str]:
    """Return what servers are told about this client; some list other tools to other clients."""
    return {"name": NAME, "version": _version()}


@cache
def _version() -> str:
    """Return this program's version, which is looked for among the files of packages."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "0"


class RpcError(Exception):
    """A server's error; its text is not ours to show."""

    def __init__(self, code: int, data: Any = None) -> None:
        super().__init__(str(code))
        self.code, self.data = code, data


class Server(NamedTuple):
    """What a server said of itself at first contact. ``session`` is the id of a legacy HTTP session, "" without one."""

    protocol: str
    name: str = ""
    version: str = ""
    session: str = ""

    @property
    def is_modern(self) -> bool:
        return self.protocol not in HANDSHAKES


def envelope(protocol: str) -> dict[str, Any]:
    """Return the `_meta` of each modern request."""
    return {
        f"{_PREFIX}protocolVersion": protocol,
        f"{_PREFIX}clientCapabilities": {},
        f"{_PREFIX}clientInfo": client_info(),
    }


def request(identity: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Return a request as one line of JSON."""
    return strict_json.write({"jsonrpc": "2.0", "id": identity, "method": method, "params": dict(params)})


def notification(method: str, params: Mapping[str, Any]) -> bytes:
    """Return a notification as one line of JSON."""
    return strict_json.write({"jsonrpc": "2.0", "method": method, "params": dict(params)})


class Head(NamedTuple):
    """What a message is about. ``id`` is None for a notification, ``method`` "" for an answer."""

    id: Any = None
    method: str = ""


class _Head(Struct):
    id: Any = None
    method: Any = None


def head_of(text: bytes) -> Head:
    """Return what a message is about, whatever else is wrong with it; an empty one for what is no message."""
    try:
        found = _HEADS.decode(text)
        identity, method = found.id, found.method
    except (msgspec.MsgspecError, RecursionError, ValueError):
        try:
            whole = strict_json.lax(text.decode(errors="replace"))
            identity, method = (whole.get("id"), whole.get("method")) if isinstance(whole, dict) else (None, None)
        except (ValueError, RecursionError):
            identity, method = _id_at_an_end(text), None
    return Head(identity if type(identity) in (int, str) else None, method if isinstance(method, str) else "")


def _id_at_an_end(text: bytes) -> int | None:
    """Return the id of an answer of which only the beginning and the end can be trusted to be JSON."""
    found = _ID_FIRST.match(text[:ENDS]) or _ID_LAST.search(text[-ENDS:])
    return int(found[1]) if found else None


_HEADS = msgspec.json.Decoder(_Head)


def reader_of(method: str) -> Callable[[bytes], Any]:
    """Return what reads an answer to a request: a fault in one tool of a list costs that tool alone."""
    return strict_json.read_around_faults if method == "tools/list" else strict_json.read


def refusal_of(head: Head) -> bytes:
    """Return the answer to a server's own request: a ping is answered, and anything else is not offered."""
    if head.method == "ping":
        return strict_json.write({"jsonrpc": "2.0", "id": head.id, "result": {}})
    error = {"code": METHOD_NOT_FOUND, "message": "This is not offered."}
    return strict_json.write({"jsonrpc": "2.0", "id": head.id, "error": error})


def answer_in(message: Any, identity: int) -> dict[str, Any] | None:
    """Return the result of a request, None for a message that is no answer to it. Raises RpcError."""
    if not isinstance(message, dict) or message.get("id") != identity or isinstance(message.get("id"), bool):
        return None
    error = message.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        raise RpcError(code if isinstance(code, int) else 0, error.get("data"))
    result = message.get("result")
    return result if isinstance(result, dict) else None


def discovered(result: Mapping[str, Any]) -> Server | None:
    """Return what an answer to `server/discover` says; None where no revision is spoken on both sides."""
    offered = result.get("supportedVersions")
    if not isinstance(offered, list) or MODERN not in offered:
        return None
    meta = result.get("_meta")
    info = meta.get(f"{_PREFIX}serverInfo") if isinstance(meta, dict) else result.get("serverInfo")
    return Server(MODERN, *_named(info))


def initialized(result: Mapping[str, Any], session: str) -> Server | None:
    """Return what an answer to `initialize` says; None for a revision that nobody here speaks."""
    protocol = result.get("protocolVersion")
    if protocol not in HANDSHAKES:
        return None
    return Server(protocol, *_named(result.get("serverInfo")), session)


def _named(info: Any) -> tuple[str, str]:
    found = info if isinstance(info, dict) else {}
    name, told = found.get("name"), found.get("version")
    return (name[:200] if isinstance(name, str) else "", told[:100] if isinstance(told, str) else "")


def header_value(value: Any) -> str | None:
    """Return a value as a header carries it; None for one that no header can."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int):
        return None
    text = str(value)
    if _PRINTED.fullmatch(text) and text == text.strip() and not _WRAPPED.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="
