"""Requests and answers of MCP as a client writes and reads them; nothing here sends anything.

Source: the Model Context Protocol's pages on the base protocol, lifecycle, transports and tools, of 2025-11-25 (a session
that `initialize` begins) and 2026-07-28 (no session: each request says in `_meta`, and over HTTP in headers, what it is).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from reconciler import strict_json

LEGACY = "2025-11-25"
"""The newest revision with a handshake, which is asked for."""
HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", LEGACY)
MODERN = "2026-07-28"
METHOD_NOT_FOUND, INVALID_PARAMS, UNSUPPORTED_VERSION = -32601, -32602, -32022
NAME = "config-reconciler"
_PREFIX = "io.modelcontextprotocol/"
_PRINTED = re.compile(r"[\x20-\x7e]*")
_WRAPPED = re.compile(r"=\?base64\?.*\?=")


def client_info() -> dict[str, str]:
    """Return what servers are told about this client; some list other tools to other clients."""
    try:
        return {"name": NAME, "version": version(NAME)}
    except PackageNotFoundError:
        return {"name": NAME, "version": "0"}


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
