"""A server of the Docker MCP registry turned into a connector of type `mcp`: a container, or an address.

Source: `servers/*/server.yaml` of github.com/docker/mcp-registry.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.convert import reach
from reconciler.convert.arguments import line_of
from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.references import has_variable
from reconciler.convert.restrictions import Restriction
from reconciler.convert.values import is_false, is_true

_CHOICE = "parameters are the user's choice there; here a value is written, or a reference"
RESTRICTIONS = (
    Restriction("run.allowHosts", "it lists the hosts that the container may reach"),
    Restriction("run.disableNetwork", "it cuts the container off from the network", "`--network none`"),
    Restriction("run.user", "it says as whom the container runs", "`--user`"),
    Restriction("run.command", "arguments may limit the server", "`args`", judged=True),
    Restriction("run.env", "variables may limit the server", "`env`"),
    Restriction("config.env.*.value", "variables may limit the server", "`env`"),
    Restriction("remote.url", "the query of an address may limit the server", judged=True),
)
_REASONS = {
    ("about", "icon"): "manifests have no pictures",
    ("config", "description"): _CHOICE,
    ("config", "parameters"): _CHOICE,
    ("config", "secrets"): "hints and examples for the person who fills in a form",
    ("config", "env"): "hints and examples for the person who fills in a form",
    ("dynamic",): "which tools may be called is written down here: `tools`",
    ("oauth",): "a login in a browser, which needs a person",
    ("source",): "how the image is built is no configuration here",
}
_TRANSPORTS = {"streamable-http": "streamable_http", "http": "streamable_http", "sse": "sse"}


def convert(conversion: Conversion, document: Node) -> None:
    """Convert a server of MCP's registry into a connector."""
    if (kind := document.get("type")) is not None and kind.value == "poci":
        document.left("it is no server of MCP: each of its tools is a container that is started for one call")
        return
    if document.get("remote") is None and not isinstance(document.value.get("image"), str):
        document.left("it names neither an image nor an address")
        return
    conversion.own_variables = True
    name = conversion.name("connector", document.text("name") or "server", document.get("name"))
    body: dict[str, Any] = {"type": "mcp", "description": _description(document), "labels": _labels(document)}
    if document.get("remote") is not None:
        body |= _remote(conversion, name, document)
    else:
        body |= _container(conversion, name, document)
    if kind is not None:
        kind.carry()
    conversion.add("connector", name, body, document)
    for keys, reason in _REASONS.items():
        if (node := document.at(*keys)) is not None:
            node.left_open(reason)


def _description(document: Node) -> str:
    about = document.get("about")
    if about is None:
        return ""
    title, text = about.text("title"), about.text("description")
    return prose(": ".join(part for part in (title, text) if part), about.get("description"))


def _labels(document: Node) -> dict[str, str]:
    """Where it comes from and what it is about, for people to find it by."""
    labels: dict[str, str] = {}
    for label, keys in {
        "category": ("meta", "category"),
        "source": ("source", "project"),
        "branch": ("source", "branch"),
        "commit": ("source", "commit"),
        "directory": ("source", "directory"),
    }.items():
        node = document.at(*keys)
        if node is not None and isinstance(node.value, str) and 0 < len(node.value) <= 256:
            labels[label] = node.carry()
    tags = document.at("meta", "tags")
    if tags is not None and isinstance(tags.value, list) and all(isinstance(tag, str) for tag in tags.value):
        joined = ", ".join(dict.fromkeys(tags.value))
        if len(joined) <= 256:
            labels["tags"] = joined
            tags.carry()
    return labels


def _remote(conversion: Conversion, name: str, document: Node) -> dict[str, Any]:
    remote = document.get("remote")
    assert remote is not None
    kind, url = remote.get("transport_type"), remote.get("url")
    body: dict[str, Any] = {"transport": _TRANSPORTS.get(str(kind.carry())) if kind is not None else "streamable_http"}
    if url is not None:
        body["url"] = reach.address_without_query(conversion, name, _filled(document, url))
    body |= reach.headers(conversion, name, remote.get("headers"))
    for secret in document.each("config", "secrets"):
        env = secret.get("env")
        used = (
            env is not None
            and str([body.get("auth"), body.get("headers")]).find(
                f"'{conversion.references.own(name, str(env.value))}'"
            )
            >= 0
        )
        for key in ("env", "name") if used else ():
            if (part := secret.get(key)) is not None:
                part.carry()
    logins = document.each("oauth")
    if logins and body["auth"] is None and (env := logins[0].get("env")) is not None:
        token = conversion.references.own(name, str(env.value))
        body["auth"] = {"type": "bearer", "token": token}
        env.refer("a person logs in with a browser there; put the token here", token)
    return body


def _container(conversion: Conversion, name: str, document: Node) -> dict[str, Any]:
    """Return `docker run` with the image: variables are handed through by name, so that no value is an argument."""
    env = _environment(conversion, name, document)
    args = ["run", "--rm", "-i"]
    if (cut := document.at("run", "disableNetwork")) is not None and (is_true(cut.value) or is_false(cut.value)):
        cut.carry()
        args += ["--network", "none"] if is_true(cut.value) else []
    if (user := document.at("run", "user")) is not None and isinstance(user.value, str | int):
        args += ["--user", str(user.carry())]
    for volume in document.each("run", "volumes"):
        filled = _filled(document, volume)
        if isinstance(filled.value, str) and not has_variable(filled.value):
            volume.carry()
            args += ["-v", filled.value]
        else:
            volume.left("the folder is the user's choice: add `-v FOLDER:TARGET` to `args`")
    for key in env:
        args += ["-e", key]
    image = document.text("image")
    command = document.at("run", "command")
    if command is not None and isinstance(command.value, list):
        command = Node([_filled(document, one).value for one in command.items()], command.path, command.ledger)
    line = line_of(conversion, name, None, command, {})
    return {"transport": "stdio", "command": "docker", "args": [*args, str(image), *line.args], "env": env}


_PARAMETER = re.compile(r"\{\{\s*([^|}]*?)\s*(?:\|[^}]*)?\}\}")


def _filled(document: Node, node: Node) -> Node:
    """Return a text with the defaults of the parameters in it; one without a default stays as it is."""

    def default(found: re.Match[str]) -> str:
        steps = found[1].split(".")
        for names in (steps[1:], steps):
            keys = [key for name in names for key in ("properties", name)]
            given = document.at("config", "parameters", *keys, "default")
            text = reach.text_of(given.value) if given is not None else None
            if given is not None and text is not None and not has_variable(text):
                given.carry()
                return text
        return found[0]

    text = _PARAMETER.sub(default, node.value) if isinstance(node.value, str) else node.value
    return Node(text, node.path, node.ledger)


def _environment(conversion: Conversion, service: str, document: Node) -> dict[str, Any]:
    env: dict[str, Any] = {}
    for secret in document.each("config", "secrets"):
        name = secret.get("env")
        if name is None or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name.value)):
            secret.left("expected `env`, the name of a variable")
            continue
        env[name.value] = conversion.references.own(service, name.value)
        name.refer("put the secret there", env[name.value])
        if (own := secret.get("name")) is not None:
            own.carry()
    for entry in document.each("config", "env"):
        name, value = entry.get("env") or entry.get("name"), entry.get("value")
        if name is None or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name.value)):
            entry.restricts("expected `name`, a variable, and `value`")
        elif value is None:
            env[name.value] = conversion.references.own(service, name.value)
            name.refer("no value is given: put one there", env[name.value])
        else:
            _entry(conversion, service, env, name, value, _filled(document, value))
    given = document.at("run", "env")
    for key, value in given.fields() if given is not None else ():
        found = reach.environment_value(conversion, service, key, _filled(document, value))
        if found is not None:
            env[key] = found
    return env


def _entry(conversion: Conversion, service: str, env: dict[str, Any], name: Node, value: Node, filled: Node) -> None:
    if isinstance(filled.value, str) and has_variable(filled.value):
        # a parameter that the user gives: the variable's own name says more than the parameter's
        env[name.value] = conversion.references.own(service, name.value)
        value.refer("a parameter of the user's: put its value there", env[name.value])
        name.carry()
        return
    found = reach.environment_value(conversion, service, name.value, filled)
    name.carry()
    if found is not None:
        env[name.value] = found
