"""How the operations of an OpenAPI description authenticate: the first alternative that a connector can use.

Source: Security Requirement and Security Scheme Objects of OpenAPI 3.0 and 3.1, and of Swagger 2.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from msgspec import Struct, field

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.openapi_refs import Description, NotHere


class Way(Struct):
    """One way to authenticate: what a connector says of it, and the parameters that it fills in, by place and name."""

    names: tuple[str, ...] = ()
    auth: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    fills: set[tuple[str, str]] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, ...]:
        scopes = self.auth.get("scopes", []) if self.auth else []
        return (*self.names, *scopes)


class Security:
    """The schemes of one description; references are named after ``service``."""

    def __init__(self, conversion: Conversion, description: Description, service: str) -> None:
        self._conversion, self._description, self._service = conversion, description, service
        root = description.root
        found = root.get("securityDefinitions") if description.is_old else root.at("components", "securitySchemes")
        self._schemes = dict(found.fields()) if found is not None else {}
        self._noted: set[str] = set()
        if not self._schemes:
            root.note("no way to authenticate is described: the connector sends no credential until it has `auth`")
        elif root.get("security") is None and not _any_operation_asks(description):
            words = "ways to authenticate are described and none is asked for: the connector has no `auth` until you write it"
            found.note(words) if found is not None else None

    def way_of(self, operation: Node) -> Way:
        """Return the first alternative that a connector can use. Raises NotHere with what is wrong with the first."""
        asked = operation.get("security")
        asked = asked if asked is not None else self._description.root.get("security")
        if asked is None:
            return Way()
        if not isinstance(asked.value, list):
            raise NotHere("its security is no list of alternatives")
        first: NotHere | None = None
        for alternative in asked.items():
            try:
                way = self._way(alternative)
            except NotHere as error:
                first = first or error
                continue
            asked.carry()
            return way
        if first is not None:
            raise first
        asked.carry()
        return Way()

    def _way(self, alternative: Node) -> Way:
        """Return what an alternative wants, all of it together. Raises NotHere."""
        if not isinstance(alternative.value, dict):
            raise NotHere("a way to authenticate is no map")
        way = Way(tuple(alternative.value))
        parts = [self._part(name, scopes) for name, scopes in alternative.fields()]
        for name, part, scheme in sorted(parts, key=lambda one: _is_header_key(one[1])):
            if part["type"] == "api_key":
                way.fills.add((part["in"], part["header"].lower()))
            if way.auth is None:
                way.auth = part
            elif _is_header_key(part) and not self._is_taken(way, part["header"]):
                way.headers[part["header"]] = part["key"]
            else:
                raise NotHere("it authenticates in two ways at once that a connector can't send together")
            self._carried(name, scheme)
        return way

    def _is_taken(self, way: Way, header: str) -> bool:
        own = way.auth or {}
        used = (
            "authorization" if own.get("type") in {"bearer", "basic", "oauth2"} else str(own.get("header", "")).lower()
        )
        return header.lower() in {used, *(name.lower() for name in way.headers)} and own.get("in") != "query"

    def _part(self, name: str, scopes: Node) -> tuple[str, dict[str, Any], Node]:
        scheme = self._schemes.get(name)
        if scheme is None:
            raise NotHere(f"it asks for a way to authenticate that is not described: `{name}`")
        scheme = self._description.map_of(scheme, "a way to authenticate")
        asked = [str(one) for one in scopes.value] if isinstance(scopes.value, list) else []
        return name, self._auth(name, scheme, asked), scheme

    def _auth(self, name: str, scheme: Node, scopes: list[str]) -> dict[str, Any]:
        words = {
            part: str(one.value) for part in ("type", "scheme", "in", "name") if (one := scheme.get(part)) is not None
        }
        kind, own = words.get("type", "").lower(), partial(self._conversion.references.own, self._service)
        plain = words.get("scheme", "").lower()
        if kind == "http" and plain == "bearer":
            return {"type": "bearer", "token": own(f"{name}_TOKEN")}
        if kind == "basic" or (kind == "http" and plain == "basic"):
            return {"type": "basic", "username": "set-me", "password": own(f"{name}_PASSWORD")}
        if kind == "apikey" and words.get("in") in {"header", "query"} and words.get("name"):
            if any("sigv4" in str(value).lower() for key, value in scheme.value.items() if key.startswith("x-")):
                raise NotHere("requests are signed (AWS SigV4), and no connector signs them")
            return {"type": "api_key", "header": words["name"], "in": words["in"], "key": own(f"{name}_KEY")}
        if kind == "oauth2":
            return self._oauth2(name, scheme, scopes)
        if kind == "openidconnect":
            return {"type": "bearer", "token": own(f"{name}_TOKEN")}
        raise NotHere(
            f"no connector can authenticate by `{name}`: {words.get('type')} {plain or words.get('in', '')}".rstrip()
        )

    def _oauth2(self, name: str, scheme: Node, scopes: list[str]) -> dict[str, Any]:
        old = scheme.get("flow")
        own_flow = scheme if old is not None and old.value == "application" else None
        flow = own_flow or scheme.at("flows", "clientCredentials")
        url = flow.get("tokenUrl") if flow is not None else None
        if url is None or not isinstance(url.value, str):
            return {"type": "bearer", "token": self._conversion.references.own(self._service, f"{name}_TOKEN")}
        url.carry()
        secret = self._conversion.references.own(self._service, f"{name}_CLIENT_SECRET")
        return {
            "type": "oauth2",
            "token_url": url.value,
            "client_id": "set-me",
            "client_secret": secret,
            "scopes": sorted({*scopes}),
        }

    def _carried(self, name: str, scheme: Node) -> None:
        if name in self._noted:
            return
        self._noted.add(name)
        for part in ("type", "scheme", "in", "name", "bearerFormat", "flow"):
            if (node := scheme.get(part)) is not None:
                node.carry()
        scheme.note("put the credential where the reference in `auth` finds it")
        word = str(scheme.value.get("type", "")).lower()
        if word in {"basic", "http"} and str(scheme.value.get("scheme", "basic")).lower() == "basic":
            scheme.note("write the user's name in `auth.username`: it is `set-me` now")
        elif (
            word == "oauth2"
            and scheme.at("flows", "clientCredentials") is None
            and scheme.value.get("flow") != "application"
        ):
            scheme.note("a person logs in there: the reference stands for a token that somebody got")
        elif word == "oauth2":
            scheme.note("write the client's id in `auth.client_id`: it is `set-me` now")


def _any_operation_asks(description: Description) -> bool:
    paths = description.root.get("paths")
    return any(
        isinstance(one.value, dict) and one.value.get("security")
        for _path, item in (paths.fields() if paths is not None else ())
        for _method, one in item.fields()
    )


def _is_header_key(part: dict[str, Any]) -> bool:
    return (part["type"], part.get("in")) == ("api_key", "header")


def asked_key(conversion: Conversion, service: str, place: str, name: str) -> Way:
    """Return the way of an operation that wants a credential as a parameter, without any scheme for it."""
    auth = {"type": "api_key", "header": name, "in": place, "key": conversion.references.own(service, name)}
    return Way((name,), auth, {}, {(place, name.lower())})


def fields_left(schemes: Node | None) -> Iterator[Node]:
    """Yield the schemes of which nothing was used."""
    for _name, scheme in schemes.fields() if schemes is not None else ():
        if all(scheme.ledger.fates[path] is None for path in scheme.ledger.below(scheme.path)):
            yield scheme
