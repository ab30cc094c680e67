"""Values that a template declares itself, held against what its connector takes: nobody is offered a value that can't be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from reconciler.errors import Path, Problem
from reconciler.model.body import Body
from reconciler.model.resource import Resource
from reconciler.model.target import Unfit

Unfitting: TypeAlias = Callable[[Body, Body, Mapping[str, Any]], Iterable[Unfit]]
"""From a template, its connector and some values by parameter, to those that the connector can't take."""


def all_fit(_body: Body, _connector: Body, _values: Mapping[str, Any]) -> Iterable[Unfit]:
    """Return the judge of a type that takes whatever its template takes."""
    return ()


class _Declared(NamedTuple):
    field: str
    value: Any


def unfit_declared(body: Body, connector: Body, unfit: Unfitting) -> Iterator[tuple[Path, Unfit]]:
    """Yield, with its path, what stands in the parameters and can't be sent: defaults, values of `enum`, and null."""
    for name, parameter in body["parameters"].items():
        for field, value in _values(parameter):
            for one in unfit(body, connector, {name: value}):
                yield ("parameters", name, field), one


def problems(resource: Resource, connector: Resource, unfit: Unfitting) -> Iterator[Problem]:
    """Yield the same for authors: the first fault of each field."""
    seen = set[Path]()
    for path, one in unfit_declared(resource.body, connector.body, unfit):
        if path not in seen:
            seen.add(path)
            message = f"{connector.address} can't take this value: {one.message}"
            yield Problem("parameter-mismatch", message, str(resource.address), path)


def _values(parameter: Mapping[str, Any]) -> Iterator[_Declared]:
    if (default := parameter.get("default")) is not None:
        yield _Declared("default", [*default] if isinstance(default, list | tuple) else default)
    is_array = parameter["type"] == "array"
    for one in parameter.get("enum") or ():
        yield _Declared("enum", [one] if is_array else one)
    if parameter["nullable"]:
        yield _Declared("nullable", None)
