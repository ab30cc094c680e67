"""Addresses, headers, environments and arguments turned into a connector's, without any secret in them."""

from __future__ import annotations

from typing import Any

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.references import has_variable, variable
from reconciler.model.secret_text import hints_secret, may_be_secret, secret_arguments


def environment_value(conversion: Conversion, name: str, node: Node) -> Any:
    """Return a reference, or ``{plain: …}`` for what is surely no secret; None where there is neither."""
    value = node.value
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str | int) or value == "":
        node.left("expected text")
        return None
    text = str(value)
    if variable(text):
        return conversion.references.of(node, name)
    if has_variable(text):
        reference = conversion.references.named(name)
        node.refer("text and variables are mixed here: put the whole there", reference)
        return reference
    if hints_secret(name) or may_be_secret(text):
        return conversion.references.of(node, name)
    node.carry()
    return {"plain": text}


def arguments(conversion: Conversion, node: Node | None) -> list[str]:
    """Arguments are visible to every process: those that hold secrets are left out, with the option before them."""
    found: list[str] = []
    items = list(node.items()) if node is not None else []
    secret = {*secret_arguments([item.value if isinstance(item.value, str) else str(item.value) for item in items])}
    for number, item in enumerate(items):
        text = item.value if isinstance(item.value, str) else str(item.value)
        before = str(items[number - 1].value) if number else ""
        if not isinstance(item.value, str | int) or isinstance(item.value, bool):
            item.left("expected text")
        elif number in secret or _is_secret(conversion, text):
            item.left("an argument that holds a secret or a variable: hand it over in `env`, or write it yourself")
            if found and found[-1] == before and before.startswith("-") and "=" not in before:
                found.pop()
                items[number - 1].left("the option whose value was left out")
        else:
            item.carry()
            found.append(text)
    return found


def _is_secret(conversion: Conversion, text: str) -> bool:
    """Whether an argument is left out for what it may be by itself: a secret, one that stands elsewhere, or a variable."""
    name, assigned, value = text.partition("=")
    inline = bool(assigned) and (hints_secret(name.lstrip("-")) or may_be_secret(value))
    hidden = conversion.references.hidden
    known = hidden is not None and hidden.search(text) is not None
    shown = has_variable(text) or variable(text) is not None
    return inline or known or shown or may_be_secret(text.replace("/", " ").strip())


def headers(conversion: Conversion, name: str, node: Node | None) -> dict[str, Any]:
    """``auth`` and ``headers`` of a connector."""
    auth: dict[str, Any] | None = None
    kept: dict[str, Any] = {}
    for header, value in node.fields() if node is not None else ():
        wanted = f"{name}_{header}"
        if not isinstance(value.value, str) or not value.value:
            value.left("expected text")
        elif header.lower() == "authorization" and auth is None:
            auth = _authorization(conversion, wanted, value)
        elif hints_secret(header) or may_be_secret(value.value) or has_variable(value.value):
            if auth is None:
                auth = {"type": "api_key", "header": header, "key": conversion.references.of(value, wanted)}
            else:
                kept[header] = conversion.references.of(value, wanted)
        else:
            kept[header] = value.carry()
    return {"auth": auth, "headers": kept}


def _authorization(conversion: Conversion, wanted: str, node: Node) -> dict[str, Any] | None:
    scheme, _, rest = node.value.strip().partition(" ")
    if scheme.lower() == "bearer" and rest:
        named = variable(rest)
        inner = Node(rest.strip(), node.path, node.ledger)
        reference = conversion.references.of(inner, named or wanted)
        return {"type": "bearer", "token": reference}
    if scheme.lower() == "basic":
        node.left("basic authentication in one text: write `auth` with the user's name and a reference to the password")
        return None
    return {"type": "api_key", "header": "Authorization", "key": conversion.references.of(node, wanted)}


def address(conversion: Conversion, name: str, node: Node) -> str | None:
    """Return the URL of a server; its query goes, and one that holds variables or a password becomes one that leads nowhere."""
    text, nowhere = str(node.value), f"https://{name}.invalid"
    if has_variable(text) or variable(text):
        node.refer("the address holds variables: write it in place of the one that leads nowhere", nowhere)
        return nowhere
    if "@" in text.partition("://")[2].partition("/")[0]:
        node.refer("the address holds a user or a password: write it without, with `auth`", nowhere)
        return nowhere
    base, _, query = text.partition("?")
    if query:
        node.note("the address goes without its query, which may hold a key: use `auth` with `in: query`")
    node.carry()
    return base.partition("#")[0]
