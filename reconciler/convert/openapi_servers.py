"""Where the operations of an OpenAPI description go: the address of a server, and what its query says besides."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.openapi_refs import Description, NotHere
from reconciler.convert.secrets import is_secret_query, secret_segments


class Server(Struct, frozen=True):
    """``url`` is None where nobody knows the address; ``key`` is the name of a credential in the query."""

    url: str | None
    query: tuple[tuple[str, str], ...] = ()
    key: str | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.url or "").hostname or "nowhere"


def server_of(conversion: Conversion, description: Description, *owners: Node) -> Server:
    """Return the server of the innermost owner that has one: the operation, its path, or the document. Raises NotHere."""
    if description.is_old:
        return _old(description)
    root = owners[-1]
    for owner in owners:
        listed = owner.get("servers")
        if listed is None or listed.value == []:
            continue
        if not isinstance(listed.value, list):
            raise NotHere("its servers are no list")
        first = next(listed.items())
        return _server(first, is_own=owner.path != root.path)
    root.note("no server is named: write `base_url` in place of the one that leads nowhere")
    return Server(None)


def _server(node: Node, is_own: bool) -> Server:
    url = node.get("url")
    if url is None or not isinstance(url.value, str):
        if is_own:
            raise NotHere("its server has no address")
        return Server(None)
    text = url.value
    for key, one in variables.fields() if (variables := node.get("variables")) is not None else ():
        default = one.get("default")
        if default is not None and f"{{{key}}}" in text:
            text = text.replace(f"{{{key}}}", str(default.carry()))
            default.note("the address has this value of its variable; write another one into `base_url`")
    return _parsed(url, text)


def _parsed(url: Node, text: str) -> Server:
    parts = urlsplit(text) if not re.search(r"[\[\]\s]", text) else urlsplit("")
    is_whole = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc and "{" not in text
    if not is_whole or secret_segments(text):
        words = "the address is not whole, or holds a user or a secret: write it in place of the one that leads nowhere"
        url.refer(words, "https://….invalid")
        return Server(None)
    url.carry()
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    plain = tuple((name, value) for name, value in pairs if not is_secret_query(name, value))
    keys = [name for name, value in pairs if is_secret_query(name, value)]
    base = text.partition("?")[0].partition("#")[0].rstrip("/")
    return Server(base, plain, keys[0] if keys else None)


def _old(description: Description) -> Server:
    """Return the server of a description of version 2: scheme, host and path stand apart."""
    root = description.root
    host, path, schemes = root.get("host"), root.get("basePath"), root.get("schemes")
    if host is None or not isinstance(host.value, str):
        root.note("no server is named: write `base_url` in place of the one that leads nowhere")
        return Server(None)
    listed = schemes.value if schemes is not None and isinstance(schemes.value, list) else ["https"]
    known = [one for one in ("https", "http") if one in listed]
    if not known:
        raise NotHere("its server speaks neither HTTPS nor HTTP")
    base = path.value if path is not None and isinstance(path.value, str) else ""
    for node in (path, schemes):
        if node is not None:
            node.carry()
    return _parsed(host, f"{known[0]}://{host.value}/{base.strip('/')}")
