"""Drafts: one address before it is validated, its layers, and the places of problems in them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from reconciler.codes import Code
from reconciler.errors import Path, Place, Problem
from reconciler.kinds.accept import BodyText
from reconciler.kinds.parse import is_public
from reconciler.kinds.table import KINDS
from reconciler.load.merge import deep_merge, fill, is_retyped, typed_by, without_nulls
from reconciler.load.source import Source
from reconciler.model.address import Address
from reconciler.model.body import has
from reconciler.model.secret_ref import looks_secret

LISTS = {
    "moved": ("from", "to"),
    "removed": ("from", "destroy"),
    "adopt": ("address", "from_project"),
    "external": ("address", "project", "optional"),
}
"""The lists beside the resources, and the fields of their entries."""


class Layer(Struct, frozen=True):
    """A part of a body as one file gives it; ``at`` is where it stands in the document, ``text`` the value as text, if known."""

    source: Source
    index: int
    at: Path
    value: Any
    text: BodyText | None = None


class Draft(Struct):
    """A resource before validation: its layers, lowest first, and the first place at which its name stands.

    ``defaults`` lie below the layers, as far as this type of resource has those fields.
    """

    address: Address
    layers: list[Layer]
    place: Place
    in_base: bool
    files: set[str] = field(default_factory=set)
    defaults: Layer | None = None

    @property
    def text(self) -> BodyText | None:
        """The body as text, if it is known."""
        return self.layers[0].text if len(self.layers) == 1 and self.defaults is None else None

    @property
    def body(self) -> Any:
        if len(self.layers) == 1 and self.defaults is None:
            return self.layers[0].value
        typed = typed_by(KINDS[self.address.kind])
        first, *others = self._counting()
        # nulls of the lowest layer are values; above it they stand for "not here"
        merged = first.value if first is self.layers[0] else deep_merge(None, first.value, typed)
        for layer in others:
            merged = deep_merge(merged, layer.value, typed)
        if self.defaults is not None and isinstance(merged, dict):
            defaults, below = self.defaults.value, self.layers[0].value
            for layer in self.layers[1:]:
                defaults = without_nulls(defaults, layer.value, below, merged)
                below = deep_merge(below, layer.value, typed)
            merged = fill(merged, defaults, typed)
        return merged

    def _counting(self) -> list[Layer]:
        """Return the layers from the last one on that says another ``type``: what is below is replaced as a whole."""
        first, known = 0, self.layers[0].value
        for number, layer in enumerate(self.layers[1:], 1):
            value = layer.value
            if isinstance(known, dict) and isinstance(value, dict):
                if is_retyped(known, value, lambda _path: True):
                    first = number
                known = {**known, **value}
            else:
                first, known = number, value
        return self.layers[first:]

    def place_of(self, path: Path) -> tuple[Place, str]:
        """Return where the value at ``path``, or the nearest above it, is written, and the path of that file.

        It is written in the base, an overlay or the defaults.
        """
        layer = self._layer(path)
        return layer.source.place(layer.index, (*layer.at, *path)), layer.source.path

    def _layer(self, path: Path) -> Layer:
        """Return the topmost layer that has the path, or what is nearest above it."""
        counting = self._counting()
        layers = [*reversed(counting), *([self.defaults] if self.defaults else [])]
        for length in range(len(path), 0, -1):
            for layer in layers:
                if has(layer.value, path[:length]):
                    return layer
        return counting[0]

    def locate(self, problem: Problem) -> Problem:
        """Place a problem in the topmost layer that has its path, or else the nearest parent."""
        kind, layer, body = KINDS[self.address.kind], self._layer(problem.path), self.body

        def shown(path: Path) -> bool:
            return path[:2] == layer.at[:2] and is_public(kind, body, path[2:]) and not looks_secret(str(path[-1]))

        return layer.source.locate(problem, layer.index, (*layer.at, *problem.path), shown)


class Entry(Struct, frozen=True):
    """One item of moved, removed, adopt or external, for one tenant."""

    list: str
    tenant: str
    value: Any
    source: Source
    index: int
    at: Path

    def problem(self, code: Code, message: str, below: Path = (), **more: Any) -> Problem:
        problem = Problem(code, message, **more)
        return self.source.locate(problem, self.index, (*self.at, *below), self._shown)

    def _shown(self, path: Path) -> bool:
        known = len(path) == 2 or (len(path) == 3 and path[2] in LISTS[self.list])
        return path[:1] == self.at[:1] and known

    @property
    def place(self) -> Place:
        return self.source.place(self.index, self.at)
