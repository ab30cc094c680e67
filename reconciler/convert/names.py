"""Names and texts of other tools turned into ones that a manifest may hold."""

from __future__ import annotations

import re

from reconciler.convert.ledger import Node
from reconciler.model.address import NAME_MAX
from reconciler.model.characters import unseen

_BAD = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")


class Names:
    """Gives each resource of a run a name of its own, also across inputs."""

    def __init__(self, hidden: re.Pattern[str] | None = None) -> None:
        self._taken: set[tuple[str, str]] = set()
        self._hidden = hidden

    def take(self, kind: str, wanted: str, node: Node | None = None) -> str:
        """Where a name that was written (``node``) had to change, the account says so."""
        usable = wanted if not (self._hidden and self._hidden.search(wanted)) else ""
        base = slug(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", usable) if kind == "template" else usable) or kind
        name, number = base, 1
        while (kind, name) in self._taken:
            number += 1
            name = f"{base[: NAME_MAX - len(str(number)) - 1].rstrip('-')}-{number}"
        self._taken.add((kind, name))
        if node is not None and name != wanted:
            node.note("the name had to change, or to be told from another", f"{kind}/{name}")
        return name

    def claim(self, what: str, text: str) -> bool:
        """Take a text that only one resource of a run may have; return whether nobody had taken it."""
        is_free = (what, text) not in self._taken
        self._taken.add((what, text))
        return is_free


def slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:NAME_MAX].strip("-")


def identifier(text: str) -> str:
    """Return a parameter's name: lower-case letters, digits and underscores."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()
    name = re.sub(r"[^a-z0-9_]+", "_", snake)[:63].strip("_") or "value"
    return name if not name[0].isdigit() else f"_{name}"[:63]


def prose(text: str, node: Node | None = None, longest: int = 1024) -> str:
    """Return a description without control characters and what only a model would read, and not longer than fields of text may be."""
    if hidden := {*unseen(text)}:
        text = "".join(
            character for offset, character in enumerate(text) if offset not in hidden or _BAD.match(character)
        )
        if node is not None:
            node.note("characters that nobody can see were left out", f"{len(hidden)} of them")
    clean = _BAD.sub(" ", text.replace("\r\n", "\n").replace("\t", " ")).strip()
    if len(clean) <= longest:
        return clean
    if node is not None:
        node.note(f"the text was shortened to {longest} characters", f"from {len(clean)}")
    return clean[: longest - 1].rstrip() + "…"
