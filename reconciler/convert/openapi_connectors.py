"""The connectors of an OpenAPI description: one for each server and way to authenticate that its operations have."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct, field

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.openapi_operation import is_credential, is_required, parameters_of
from reconciler.convert.openapi_refs import Description, NotHere
from reconciler.convert.openapi_security import Security, Way, asked_key
from reconciler.convert.openapi_servers import Server, server_of


class Place(NamedTuple):
    """Where an operation goes, and how it authenticates there."""

    server: Server
    way: Way

    @property
    def key(self) -> tuple[Any, ...]:
        return self.server.url, self.server.key, self.way.key


class _Connector(Struct):
    name: str
    place: Place
    methods: set[str] = field(default_factory=set)


class Connectors:
    """The connectors of one description. The one that the document itself describes has its name."""

    def __init__(self, conversion: Conversion, description: Description) -> None:
        self._conversion, self.description = conversion, description
        root = description.root
        self._title = root.at("info", "title")
        wanted = str(self._title.value) if self._title is not None else "api"
        self._base = conversion.name("connector", wanted, self._title)
        self._security = Security(conversion, description, self._base)
        self._made: dict[tuple[Any, ...], _Connector] = {}
        self._default = self._default_key()

    def _default_key(self) -> tuple[Any, ...] | None:
        root = self.description.root
        try:
            return Place(server_of(self._conversion, self.description, root), self._security.way_of(root)).key
        except NotHere:
            return None

    def place_of(self, item: Node, operation: Node) -> Place:
        """Return where an operation goes. Raises NotHere."""
        server = server_of(self._conversion, self.description, operation, item, self.description.root)
        way = self._security.way_of(operation)
        if server.key is not None and ("query", server.key.lower()) not in way.fills:
            if way.auth is not None:
                raise NotHere("its server carries a key besides another credential")
            way = asked_key(self._conversion, self._base, "query", server.key)
        for node in parameters_of(self.description, item, operation):
            place, name = str(node.value.get("in")), str(node.value.get("name"))
            if is_credential(node) and is_required(node) and (place, name.lower()) not in way.fills:
                if way.auth is not None:
                    raise NotHere("it wants a credential as a parameter besides another one")
                way = asked_key(self._conversion, self._base, place, name)
        return Place(server, way)

    def use(self, place: Place, method: str) -> str:
        """Return the name of the connector of an operation that is written."""
        made = self._made.get(place.key)
        if made is None:
            made = self._made[place.key] = _Connector(self._name(place), place)
        made.methods.add(method.upper())
        return made.name

    def _name(self, place: Place) -> str:
        taken = {one.name for one in self._made.values()}
        if self._base not in taken and self._default in (None, place.key):
            return self._base
        hint = "-".join(place.way.names) or "open"
        same = self._default is not None and place.server.url == self._default[0]
        return self._conversion.name("connector", f"{self._base}-{hint if same else place.server.host}")

    def write(self) -> None:
        """Write every connector that an operation uses; a description without operations has one."""
        root = self.description.root
        if not self._made:
            try:
                server = server_of(self._conversion, self.description, root)
            except NotHere:
                server = Server(None)
            self._made[()] = _Connector(self._base, Place(server, Way()), {"GET"})
        notes = [node for node in (self._title, root.at("info", "description")) if node is not None]
        words = ": ".join(str(node.carry()) for node in notes if isinstance(node.value, str))
        made_of = root.get("servers") or root.get("host") or root.get("info") or root.get("openapi") or root
        for one in self._made.values():
            way, url = one.place.way, one.place.server.url
            body = {
                "type": "http",
                "description": prose(words, notes[-1] if notes else None),
                "allowed_methods": sorted(one.methods),
                "base_url": url or f"https://{one.name}.invalid",
                "auth": way.auth and {key: value for key, value in way.auth.items() if value != []},
                "headers": way.headers,
            }
            self._conversion.add("connector", one.name, body, made_of)
