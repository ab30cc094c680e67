"""The places in files that a plan's changes name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.model.body import has
from reconciler.model.plan import BEGINNINGS, Change

if TYPE_CHECKING:
    from reconciler.load.loaded import Loaded

FEW = 500
"""New resources of a plan up to which the place of each of their fields is looked for: it costs 0.2 ms a resource."""


def with_places(change: Change, loaded: Loaded, few: bool) -> Change:
    """Return the change with the place of each field that changes.

    ``few``: also with the places of all that an author wrote, where the change begins a resource.
    """
    if change.new is None or not (change.fields or (few and change.action in BEGINNINGS)):
        return change
    if few and change.action in BEGINNINGS:
        body = change.after or {}
        places = [(path, loaded.place_of(change.address, path)) for path in change.explicit if has(body, path)]
        change = replace(change, sources=tuple((path, place) for path, place in places if place))
    fields = (replace(field, source=loaded.place_of(change.address, field.path)) for field in change.fields)
    return replace(change, fields=tuple(fields))
