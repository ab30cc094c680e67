"""What several kinds select by."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.body import Body
from reconciler.model.selector import PROJECT, Selector


def shared_with(body: Body) -> Iterator[Selector]:
    """Yield the projects whose policies may allow a resource."""
    for name in body.get("shared_with") or ():
        yield Selector(("shared_with",), PROJECT, name)
