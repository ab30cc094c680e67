"""Addresses, headers and environments turned into a connector's, without any secret in them."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.references import has_variable, variable
from reconciler.convert.secrets import is_secret, is_secret_query, secret_segments


def text_of(value: Any) -> str | None:
    """Return a scalar as other tools hand it over; None for what is no scalar."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None or isinstance(value, dict | list) else str(value)


def environment(conversion: Conversion, service: str, node: Node | None) -> dict[str, Any]:
    """Return the environment of a program: references, and ``{plain: …}`` for what is no secret."""
    given = node.fields() if node is not None else ()
    found = {name: environment_value(conversion, service, name, value) for name, value in given}
    return {name: value for name, value in found.items() if value is not None}


def environment_value(conversion: Conversion, service: str, name: str, node: Node) -> Any:
    """Return a reference, or ``{plain: …}`` for what is surely no secret; None where there is neither."""
    text = text_of(node.value)
    if text is None:
        node.left("expected text")
        return None
    if variable(text):
        return conversion.reference(node, service, name)
    if has_variable(text):
        reference = conversion.references.own(service, name)
        node.refer("text and variables are mixed here: put the whole there", reference)
        return reference
    if is_secret(name, text):
        return conversion.reference(node, service, name)
    node.carry()
    return {"plain": text}


def headers(conversion: Conversion, service: str, node: Node | None) -> dict[str, Any]:
    """Return ``auth`` and ``headers`` of a connector."""
    auth: dict[str, Any] | None = None
    kept: dict[str, Any] = {}
    given = [*node.fields()] if node is not None else []
    for header, value in sorted(given, key=lambda one: one[0].lower() != "authorization"):
        text = text_of(value.value)
        if text is None:
            value.restricts("a header that is no text")
        elif header.lower() == "authorization" and auth is None:
            auth = _authorization(conversion, service, header, value, text)
        elif has_variable(text) or variable(text) or is_secret(header, text):
            reference = _header_reference(conversion, service, header, value, text)
            if auth is None:
                auth = {"type": "api_key", "header": header, "key": reference}
            else:
                kept[header] = reference
        elif not text and is_secret(header, "x"):
            value.left("an empty value is no credential")
        else:
            value.carry()
            kept[header] = text
    return {"auth": auth, "headers": kept}


def _header_reference(conversion: Conversion, service: str, header: str, node: Node, text: str) -> str:
    if has_variable(text) and not variable(text):
        reference = conversion.references.own(service, header)
        node.refer("text and variables are mixed here: put the whole there", reference)
        return reference
    return conversion.reference(node, service, header)


def _authorization(conversion: Conversion, service: str, header: str, node: Node, text: str) -> dict[str, Any] | None:
    scheme, _, rest = text.strip().partition(" ")
    if not text.strip():
        node.left("an empty value is no credential")
        return None
    if scheme.lower() == "bearer" and rest.strip():
        inner = Node(rest.strip(), node.path, node.ledger)
        return {"type": "bearer", "token": _header_reference(conversion, service, header, inner, rest.strip())}
    return {
        "type": "api_key",
        "header": "Authorization",
        "key": _header_reference(conversion, service, header, node, text),
    }


class Address(NamedTuple):
    """Where a connector goes: its URL, what the query says besides, and the credential that the query carries."""

    url: str
    query: dict[str, str]
    auth: dict[str, Any] | None = None

    @property
    def is_known(self) -> bool:
        return not self.url.endswith(".invalid")


def address(conversion: Conversion, service: str, node: Node) -> Address:
    """Return the address of a server; one with variables, a password or a secret path becomes one that leads nowhere."""
    text, nowhere = str(node.value), f"https://{service}.invalid"
    base, _, query = text.partition("#")[0].partition("?")
    why = None
    if has_variable(text) or variable(text):
        why = "the address holds variables: write it in place of the one that leads nowhere"
    elif "@" in text.partition("://")[2].partition("/")[0]:
        why = "the address holds a user or a password: write it without, with `auth`"
    elif secret_segments(base):
        why = "the address holds a secret in its path, and an address is no secret here"
    if why is not None:
        node.refer(why, nowhere)
        return Address(nowhere, {})
    node.carry()
    plain: dict[str, str] = {}
    auth = None
    for name, value in parse_qsl(query, keep_blank_values=True):
        if is_secret_query(name, value):
            auth = {"type": "api_key", "in": "query", "header": name, "key": conversion.references.own(service, name)}
            node.refer("the address holds a key in its query: put a new one there", auth["key"])
        else:
            plain[name] = value
    return Address(base, plain, auth)


def address_without_query(conversion: Conversion, service: str, node: Node) -> str:
    """Return the address of a server that can have no query; one that has a query is switched off."""
    found = address(conversion, service, node)
    if "?" in str(node.value):
        node.restricts("the query of the address (`?…`) may limit what may be done, and an address has none here")
    return found.url
