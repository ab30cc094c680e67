"""References of an OpenAPI description, followed within bounds in its file and its folder; nothing else is read or fetched."""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from msgspec import Struct

from reconciler.convert.ledger import Node

MAX_STEPS = 20


class NotHere(Exception):
    """Why a part of a description can't be written; ``node`` is the field that would limit something, if one is the reason."""

    def __init__(self, reason: str, node: Node | None = None) -> None:
        super().__init__(reason)
        self.node = node


class Description(Struct, frozen=True):
    """An API's description, and the files of its folder that it refers to, by their paths from there."""

    root: Node
    files: Mapping[str, Node] = {}

    @property
    def is_old(self) -> bool:
        """Whether it is of version 2 (Swagger), where parameters hold what schemas hold later."""
        return self.root.get("swagger") is not None

    def target(self, reference: Node) -> Node:
        """Return the node that ``$ref`` names. Raises NotHere."""
        text = reference.value
        if not isinstance(text, str):
            raise NotHere("a reference is no text")
        file, _, fragment = text.partition("#")
        node = self._file(reference, file)
        if fragment and not fragment.startswith("/"):
            raise NotHere("a reference leads nowhere in this document")
        for step in fragment.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(node.value, list) and key.isdecimal() and int(key) < len(node.value):
                node = Node(node.value[int(key)], (*node.path, int(key)), node.ledger)
                continue
            found = node.get(key)
            if found is None:
                raise NotHere("a reference leads nowhere in this document")
            node = found
        return node

    def _file(self, reference: Node, file: str) -> Node:
        own = next((name for name, node in self.files.items() if node.path[0] == reference.path[0]), "")
        if not file:
            return self.files.get(own, self.root)
        found = self.files.get(normpath(join(dirname(own), unquote(file))))
        if found is None:
            raise NotHere("a reference leads out of the document and its folder, and nothing is fetched")
        return found

    def resolved(self, node: Node) -> Node:
        """Return the node itself, or what it refers to, however often. Raises NotHere."""
        for _step in range(MAX_STEPS):
            reference = node.get("$ref")
            if reference is None:
                return node
            reference.carry()
            node = self.target(reference)
        raise NotHere("references lead to each other in a circle")

    def map_of(self, node: Node, what: str) -> Node:
        """Return a node, resolved, that has to be a map. Raises NotHere."""
        found = self.resolved(node)
        if not isinstance(found.value, dict):
            raise NotHere(f"{what} is no map")
        return found
