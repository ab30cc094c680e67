"""The `mcpServers` of desktop clients and editors turned into connectors of type `mcp`.

Source: the JSON of Claude Desktop and Cursor (`mcpServers`), and of VS Code (`servers` with `inputs`).
"""

from __future__ import annotations

from typing import Any

from reconciler.convert import reach
from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose

PLACES = (("mcpServers",), ("servers",), ("mcp", "servers"), ("mcp", "mcpServers"), ("context_servers",))
_TRANSPORTS = {
    "http": "streamable_http",
    "streamable-http": "streamable_http",
    "streamable_http": "streamable_http",
    "streamablehttp": "streamable_http",
    "sse": "sse",
    "stdio": "stdio",
}


def convert(conversion: Conversion, document: Node, servers: Node) -> None:
    """Convert the servers of an MCP client's file into connectors."""
    for name, server in servers.fields():
        if not isinstance(server.value, dict):
            server.left("expected a map with `command` or `url`")
        elif (switch := server.get("disabled")) and switch.value is True:
            server.left("the server is disabled, and a connector has no switch: add it when it is needed")
        else:
            _server(conversion, name, server)
    for number, prompt in enumerate(document.each("inputs")):
        for key in ("id", "type", "password"):
            if (node := prompt.get(key)) is not None:
                node.carry()
        if number == 0:
            prompt.note("what a client asks for comes from the environment here")


def _server(conversion: Conversion, wanted: str, server: Node) -> None:
    name = conversion.name("connector", wanted, server)
    url = next((node for key in ("url", "serverUrl", "httpUrl") if (node := server.get(key))), None)
    kind = server.get("type") or server.get("transport")
    transport = _TRANSPORTS.get(str(kind.carry()).lower()) if kind is not None else None
    body: dict[str, Any] = {"type": "mcp", "tools": _tools(server)}
    if (text := server.text("description")) is not None:
        body["description"] = prose(text, server)
    if (seconds := server.get("timeout")) is not None:
        _timeout(seconds, body)
    if url is not None:
        old = transport == "sse" or (transport is None and str(url.value).rstrip("/").endswith("/sse"))
        body |= {"transport": "sse" if old else "streamable_http", "url": reach.address(conversion, name, url)}
        body |= reach.headers(conversion, name, server.get("headers"))
    else:
        body |= {"transport": "stdio", "command": server.text("command")}
        body["args"] = reach.arguments(conversion, server.get("args"))
        given = server.get("env")
        values = (
            [(key, reach.environment_value(conversion, key, node)) for key, node in given.fields()] if given else []
        )
        body["env"] = {key: value for key, value in values if value is not None}
    conversion.add("connector", name, body, server)


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
    """Return the tools that a client may call, where it says so; `*` is no list, since it allows what comes later too."""
    tools: dict[str, Any] = {}
    for key in ("tools", "includeTools", "enabledTools", "autoApprove", "alwaysAllow"):
        for item in server.each(key):
            if not isinstance(item.value, str) or "*" in item.value:
                item.left("tools are named one by one here")
            else:
                approve = key not in {"autoApprove", "alwaysAllow"}
                tools[str(item.carry())] = {"requires_approval": True} if approve else {}
    return tools
