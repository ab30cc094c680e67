"""A table whose values are imported when they are asked for: most commands need a few of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from operator import attrgetter
from typing import TypeVar

T = TypeVar("T")


class Later(Mapping[str, T]):
    """``places`` say by name where a value stands in ``package``, as `module:attribute`, or an attribute of that."""

    def __init__(self, package: str, places: Mapping[str, str]) -> None:
        self._package, self._places = package, places
        self._known: dict[str, T] = {}

    def __getitem__(self, key: str) -> T:
        if key not in self._known:
            module, _, attribute = self._places[key].partition(":")
            self._known[key] = attrgetter(attribute)(import_module(f"{self._package}.{module}"))
        return self._known[key]

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
