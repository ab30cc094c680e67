"""A server of the Docker MCP registry turned into a connector of type `mcp`: a container, or an address.

Source: `servers/*/server.yaml` of github.com/docker/mcp-registry.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.convert import reach
from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.references import has_variable

_REASONS = {
    ("about", "icon"): "manifests have no pictures",
    ("config", "description"): "parameters are the user's choice there; here a value is written, or a reference",
    ("config", "parameters"): "parameters are the user's choice there; here a value is written, or a reference",
    ("config", "secrets"): "hints and examples for the person who fills in a form",
    ("config", "env"): "hints and examples for the person who fills in a form",
    ("dynamic",): "which tools may be called is written down here: `tools`",
    ("oauth",): "a login in a browser, which needs a person",
    ("source",): "how the image is built is no configuration here",
}
_TRANSPORTS = {"streamable-http": "streamable_http", "http": "streamable_http", "sse": "sse"}


def convert(conversion: Conversion, document: Node) -> None:
    """Convert a server of MCP's registry into a connector."""
    name = conversion.name("connector", document.text("name") or "server", document.get("name"))
    body: dict[str, Any] = {"type": "mcp", "description": _description(document), "labels": _labels(document)}
    if document.get("remote") is not None:
        body |= _remote(conversion, name, document)
    else:
        body |= _container(conversion, document)
    if (kind := document.get("type")) is not None:
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
        body["url"] = reach.address(conversion, name, url)
    body |= reach.headers(conversion, name, remote.get("headers"))
    for secret in document.each("config", "secrets"):
        env = secret.get("env")
        used = env is not None and str(body.get("auth") or body.get("headers")).find(f"env://{env.value}") >= 0
        for key in ("env", "name") if used else ():
            if (part := secret.get(key)) is not None:
                part.carry()
    logins = document.each("oauth")
    if logins and body["auth"] is None and (env := logins[0].get("env")) is not None:
        token = conversion.references.named(str(env.value))
        body["auth"] = {"type": "bearer", "token": token}
        env.refer("a person logs in with a browser there; put the token here", token)
    return body


def _container(conversion: Conversion, document: Node) -> dict[str, Any]:
    """`docker run` with the image: variables are handed through by name, so that no value stands in an argument."""
    env = _environment(conversion, document)
    args = ["run", "--rm", "-i"]
    run = document.get("run")
    if run is not None and (cut := run.get("disableNetwork")) is not None:
        args += ["--network", "none"] if cut.carry() is True else []
    for volume in document.each("run", "volumes"):
        if isinstance(volume.value, str) and not has_variable(volume.value):
            args += ["-v", volume.carry()]
        else:
            volume.left("the folder is the user's choice: add `-v FOLDER:TARGET` to `args`")
    for key in env:
        args += ["-e", key]
    image = document.text("image")
    command = reach.arguments(conversion, run.get("command") if run is not None else None)
    return {
        "transport": "stdio",
        "command": "docker",
        "args": [*args, *([image] if image else []), *command],
        "env": env,
    }


def _environment(conversion: Conversion, document: Node) -> dict[str, Any]:
    env: dict[str, Any] = {}
    for secret in document.each("config", "secrets"):
        name = secret.get("env")
        if name is None or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name.value)):
            secret.left("expected `env`, the name of a variable")
            continue
        env[name.value] = conversion.references.named(name.value)
        name.refer("put the secret there", env[name.value])
        if (own := secret.get("name")) is not None:
            own.carry()
    for entry in document.each("config", "env"):
        name, value = entry.get("env") or entry.get("name"), entry.get("value")
        if name is None or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name.value)):
            entry.left("expected `name`, a variable, and `value`")
        elif value is None:
            env[name.value] = conversion.references.named(name.value)
            name.refer("no value is given: put one there", env[name.value])
        elif isinstance(value.value, str) and has_variable(value.value):
            # a parameter that the user gives: the variable's own name says more than the parameter's
            env[name.value] = conversion.references.named(name.value)
            value.refer("a parameter of the user's: put its value there", env[name.value])
            name.carry()
        else:
            found = reach.environment_value(conversion, name.value, value)
            name.carry()
            if found is not None:
                env[name.value] = found
    given = document.at("run", "env")
    for key, value in given.fields() if given is not None else ():
        found = reach.environment_value(conversion, key, value)
        if found is not None:
            env[key] = found
    return env
