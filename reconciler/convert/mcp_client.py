"""The MCP servers of desktop clients, editors and agents turned into connectors of type `mcp`.

Source: the JSON of Claude Desktop and Cursor (`mcpServers`), VS Code (`servers` with `inputs`), Zed (`context_servers`),
opencode (`mcp`), and Continue, where the servers are a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.convert import reach
from reconciler.convert.arguments import line_of
from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.restrictions import Restriction
from reconciler.convert.values import is_false, is_true

PLACES = (
    ("mcpServers",), ("servers",), ("mcp", "servers"), ("mcp", "mcpServers"), ("context_servers",), ("mcp_servers",),
    ("amp.mcpServers",), ("mcp",),
)  # fmt: skip
_TRANSPORTS = {
    "http": "streamable_http", "streamable-http": "streamable_http", "streamable_http": "streamable_http",
    "streamablehttp": "streamable_http", "remote": "streamable_http", "sse": "sse", "stdio": "stdio", "local": "stdio",
    "docker": "stdio",
}  # fmt: skip
_URLS = ("url", "serverUrl", "httpUrl", "uri")
_HEADERS = (("headers",), ("http_headers",), ("static_headers",), ("requestOptions", "headers"))
_ENVIRONMENTS = ("env", "environment", "envs")
_ALLOWED = ("tools", "includeTools", "enabledTools", "enabled_tools", "allowedTools", "allowed_tools")
_APPROVED = ("autoApprove", "alwaysAllow")
_DENIED = ("excludeTools", "disabledTools", "disabled_tools", "deniedTools", "disallowedTools", "disallowed_tools")
_OFF = ("disabled",)
_ON = ("enabled", "isActive")
RESTRICTIONS = (
    *(Restriction(name, "it says whether the server is used", "`runtime: false`") for name in (*_OFF, *_ON)),
    *(Restriction(name, "it lists the tools that may be called", "`tools`", judged=True) for name in _ALLOWED),
    *(Restriction(name, "it lists tools that may not be called", "not in `tools`") for name in _DENIED),
    *(Restriction(name, "variables may limit the server", "`env`") for name in _ENVIRONMENTS),
    Restriction("args", "arguments may limit the server", "`args`", judged=True),
    Restriction("url", "the query of an address may limit the server", judged=True),
    Restriction("headers", "headers may limit the server", "`headers`", judged=True),
    Restriction("cwd", "relative paths begin there, and programs start in `/` here"),
    Restriction("envFile", "a file of variables may limit the server"),
    Restriction("allowed_params", "it lists the arguments that tools take"),
    Restriction("access_groups", "it says who may use the server"),
    Restriction("mcp_access_groups", "it says who may use the server"),
    *(Restriction(name, "it confines the server's process") for name in ("sandbox", "sandboxEnabled", "permissions")),
    *(Restriction(name, "it lists what the server may reach") for name in ("allowedHosts", "allowedDomains", "roots")),
)


def servers_of(document: Node) -> Node | None:
    """Return the node that holds a client's servers, as a map by name or as a list."""
    for keys in PLACES:
        found = document.at(*keys)
        if found is not None and (_is_list_of_servers(found) or _is_map_of_servers(found, keys)):
            return found
    return None


def _is_list_of_servers(node: Node) -> bool:
    return isinstance(node.value, list) and any(isinstance(one, dict) for one in node.value)


def _is_map_of_servers(node: Node, keys: tuple[str, ...]) -> bool:
    if not isinstance(node.value, dict):
        return False
    return keys != ("mcp",) or any(
        isinstance(one, dict) and ("command" in one or "url" in one) for one in node.value.values()
    )


def convert(conversion: Conversion, document: Node, servers: Node) -> None:
    """Convert the servers of an MCP client's file into connectors."""
    for name, server in _named(servers):
        if isinstance(server.value, dict):
            make(conversion, name, server)
        else:
            server.left("expected a map with `command` or `url`")
    for number, prompt in enumerate(document.each("inputs")):
        for key in ("id", "type", "password"):
            if (node := prompt.get(key)) is not None:
                node.carry()
        if number == 0:
            prompt.note("what a client asks for comes from the environment here")


def _named(servers: Node) -> Iterator[tuple[str, Node]]:
    yield from servers.fields()
    for server in servers.items():
        yield server.text("name") or "server", server


def make(conversion: Conversion, wanted: str, server: Node) -> dict[str, Any]:
    """Convert one server into a connector; return its body, which may still be completed."""
    name = conversion.name("connector", wanted, server)
    url = next((node for key in _URLS if (node := server.get(key))), None)
    kind = server.get("type") or server.get("transport")
    word = str(kind.value).lower() if kind is not None else None
    body: dict[str, Any] = {"type": "mcp"}
    if word is not None and word not in _TRANSPORTS:
        server.left("its transport is none that a connector has: stdio, streamable HTTP or SSE")
        return body
    if kind is not None:
        kind.carry()
    transport = _TRANSPORTS[word] if word is not None else None
    body["tools"] = _tools(server)
    if (text := server.text("description")) is not None:
        body["description"] = prose(text, server)
    if (seconds := server.get("timeout")) is not None:
        _timeout(seconds, body)
    if url is not None and transport != "stdio":
        old = transport == "sse" or (transport is None and str(url.value).rstrip("/").endswith("/sse"))
        body["transport"] = "sse" if old else "streamable_http"
        body["url"] = reach.address_without_query(conversion, name, url)
        headers = next((node for keys in _HEADERS if (node := server.at(*keys))), None)
        body |= reach.headers(conversion, name, headers)
    else:
        body |= _program(conversion, name, server)
    if _is_off(server):
        body["runtime"] = False
    conversion.add("connector", name, body, server)
    return conversion.drafts[-1].body


def _program(conversion: Conversion, name: str, server: Node) -> dict[str, Any]:
    command, args = server.get("command") or server.get("cmd"), server.get("args")
    if command is not None and isinstance(command.value, dict):  # Zed writes `command: {path, args, env}`
        server = command
        command, args = server.get("path"), server.get("args")
    given = next((node for key in _ENVIRONMENTS if (node := server.get(key))), None)
    line = line_of(conversion, name, command, args, reach.environment(conversion, name, given))
    return {"transport": "stdio", "command": line.command, "args": line.args, "env": line.env}


def _is_off(server: Node) -> bool:
    """Whether the server is switched off; a switch of another form than true and false is left as it is."""
    off = False
    for name in (*_OFF, *_ON):
        switch = server.get(name)
        if switch is not None and (is_true(switch.value) or is_false(switch.value)):
            switch.carry()
            off = off or (is_true(switch.value) if name in _OFF else is_false(switch.value))
    return off


def _timeout(node: Node, body: dict[str, Any]) -> None:
    value = node.value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        node.left("expected a whole number")
        return
    seconds = value // 1000 if value > 3600 else value
    body["timeout_seconds"] = max(1, min(3600, seconds))
    node.carry()
    node.note("read as seconds, or milliseconds if it is large", f"timeout_seconds: {body['timeout_seconds']}")


def _tools(server: Node) -> dict[str, Any]:
    """Return the tools that a client may call, where it says so.

    A wildcard names none: it would allow what comes later too. Tools that are called without a question are none that
    the client doesn't offer.
    """
    allowed = {name for key in _ALLOWED for name in _listed(server.get(key))}
    approved = {name for key in _APPROVED for name in _listed(server.get(key))}
    denied = {name for key in _DENIED for name in _listed(server.get(key), any_form=True)}
    has_list = any(server.get(key) is not None for key in _ALLOWED) and bool(allowed)
    offered = [*allowed, *(name for name in approved if not has_list or name in allowed)]
    return {
        name: {} if name in approved else {"requires_approval": True} for name in sorted(offered) if name not in denied
    }


def _listed(node: Node | None, any_form: bool = False) -> Iterator[str]:
    """Yield the names of a list, or of a map from names to true."""
    if node is None:
        return
    items = [(item, item.value) for item in node.items()]
    items += [(item, name) for name, item in node.fields() if item.value is True]
    for item, name in items:
        if isinstance(name, str) and (any_form or "*" not in name):
            item.carry()
            yield name
        elif isinstance(name, str):
            item.left("tools are named one by one here: a wildcard allows none")
        else:
            item.restricts("expected the name of a tool")
    for _name, item in node.fields():
        if is_false(item.value):
            item.carry()
    if not isinstance(node.value, list | dict):
        node.restricts("expected a list of tools")
