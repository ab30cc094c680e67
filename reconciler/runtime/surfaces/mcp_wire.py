"""Messages of MCP: JSON-RPC texts read strictly into requests and notifications, and results written back.

Two eras of the protocol. Until 2025-11-25 a client begins with ``initialize``. Since 2026-07-28 there is no handshake:
each request carries an envelope in ``params._meta``, and over HTTP headers that repeat it. Source: the specification's
pages on transports and on the base protocol, of 2025-11-25 and 2026-07-28.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from reconciler import strict_json
from reconciler.strict_json import NotStrict

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
VERSION_HEADER, METHOD_HEADER, NAME_HEADER = b"mcp-protocol-version", b"mcp-method", b"mcp-name"
ROUTING_HEADERS = frozenset({VERSION_HEADER, METHOD_HEADER, NAME_HEADER})
NAMED_BY: Mapping[str, str] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""By method, the parameter that ``Mcp-Name`` repeats."""

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

Id = str | int
Headers = Mapping[bytes, str]


class Fault(Exception):
    """A JSON-RPC error; ``id`` is that of the request where it could be read."""

    def __init__(self, code: int, message: str, data: Any = None, id: Id | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data, self.id = code, message, data, id

    @property
    def refusal(self) -> str:
        """The program's own code of the refusal that this error stands for; "" for an error of the protocol alone."""
        return str(self.data.get("code", "")) if isinstance(self.data, dict) else ""


class Result(NamedTuple):
    """The JSON text of a result; ``refusal`` is the code where it says that a call was refused."""

    text: bytes
    refusal: str = ""


class Request(NamedTuple):
    """A request, which is owed an answer."""

    id: Id
    method: str
    params: dict[str, Any]

    @property
    def meta(self) -> Mapping[str, Any]:
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else {}

    @property
    def has_envelope(self) -> bool:
        """Whether it is one of the modern era, going by its body."""
        return VERSION_KEY in self.meta


class Notification(NamedTuple):
    """A message that is owed no answer; a posted response counts as one, since nothing was asked."""

    method: str
    params: dict[str, Any]


def parse(text: bytes) -> Request | Notification:
    """Return the message of a JSON text. Raises Fault."""
    try:
        message = strict_json.read(text)
    except NotStrict as error:
        raise Fault(PARSE_ERROR, f"Send strict JSON: {error}.") from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Fault(INVALID_REQUEST, "Send one JSON-RPC 2.0 message.")
    if "method" not in message and ("result" in message or "error" in message):
        return Notification("", {})
    method, identity, params = message.get("method"), message.get("id"), message.get("params", {})
    if not isinstance(method, str) or ("id" in message and not is_id(identity)):
        raise Fault(INVALID_REQUEST, "A request has a `method`, a string, and an `id`, a string or an integer.")
    if not isinstance(params, dict):
        raise Fault(INVALID_PARAMS, "`params` is no object.", id=identity)
    return Request(message["id"], method, params) if "id" in message else Notification(method, params)


def is_id(value: Any) -> TypeGuard[Id]:
    """Whether a value identifies a request."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def lax_id(text: bytes) -> Id | None:
    """Return the id of a request that is no strict JSON, so that its sender need not wait for an answer; None without one."""
    try:
        found = strict_json.lax(text.decode(errors="replace"))["id"]
        strict_json.write(found)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if is_id(found) else None


def is_modern(headers: Headers) -> bool:
    """Whether a request over HTTP is of the modern era; one without a version is older than the header."""
    version = headers.get(VERSION_HEADER)
    return version is not None and version not in HANDSHAKE_VERSIONS


def require_envelope(request: Request) -> None:
    """Raise Fault unless ``_meta`` has what each modern request has to carry."""
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in request.meta]
    if missing:
        raise Fault(INVALID_PARAMS, f"`params._meta` lacks {' and '.join(missing)}.", id=request.id)
    if not isinstance(request.meta[VERSION_KEY], str):
        raise Fault(INVALID_PARAMS, f"{VERSION_KEY} is no string.", id=request.id)


def require_headers(request: Request, headers: Headers) -> None:
    """Raise Fault unless the headers of a modern request repeat its body: proxies route by them."""
    wrong = None
    if headers.get(VERSION_HEADER) != request.meta.get(VERSION_KEY):
        wrong = f"MCP-Protocol-Version is not {VERSION_KEY} of the body."
    elif headers.get(METHOD_HEADER) != request.method:
        wrong = "Mcp-Method is not `method` of the body."
    elif (key := NAMED_BY.get(request.method)) is not None:
        name = request.params.get(key)
        if name is not None and header_value(headers.get(NAME_HEADER)) != name:
            wrong = f"Mcp-Name is not `params.{key}` of the body."
    if wrong:
        raise Fault(HEADER_MISMATCH, wrong, id=request.id)


def require_version(version: str, id: Id | None = None) -> None:
    """Raise Fault for a version without a handshake that is not spoken here."""
    if version not in MODERN_VERSIONS:
        data = {"supported": [*MODERN_VERSIONS], "requested": version}
        raise Fault(UNSUPPORTED_VERSION, "This protocol version is not supported.", data, id)


def header_value(text: str | None) -> str | None:
    """Return the value of a header that may be wrapped as ``=?base64?...?=``; None for a bad one."""
    if text is None or not (text.startswith("=?base64?") and text.endswith("?=")):
        return text
    try:
        return base64.b64decode(text[9:-2], validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def write_result(id: Id, result: bytes) -> bytes:
    """Return a response around the JSON text of a result."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (strict_json.write(id), result)


def write_fault(fault: Fault) -> bytes:
    """Encode an error of JSON-RPC."""
    error = {"code": fault.code, "message": fault.message}
    if fault.data is not None:
        error["data"] = fault.data
    return strict_json.write({"jsonrpc": "2.0", "id": fault.id, "error": error})
