"""Local references of an OpenAPI document, followed within bounds; nothing is fetched, and a circle ends."""

from __future__ import annotations

from urllib.parse import unquote

from reconciler.convert.ledger import Node

MAX_STEPS = 20


class NotHere(Exception):
    """A reference that leads nowhere, in a circle, or out of the document; the argument says which."""


def target(root: Node, reference: object) -> Node:
    """Return the node that ``#/…`` names. Raises NotHere."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise NotHere("a reference leads out of the document, and nothing is fetched")
    node = root
    for step in reference[2:].split("/"):
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(node.value, list) and key.isdecimal() and int(key) < len(node.value):
            node = Node(node.value[int(key)], (*node.path, int(key)), node.ledger)
            continue
        found = node.get(key)
        if found is None:
            raise NotHere("a reference leads nowhere in this document")
        node = found
    return node


def resolved(root: Node, node: Node) -> Node:
    """Return the node itself, or what it refers to, however often. Raises NotHere."""
    for _step in range(MAX_STEPS):
        reference = node.get("$ref")
        if reference is None:
            return node
        reference.carry()
        node = target(root, reference.value)
    raise NotHere("references lead to each other in a circle")
