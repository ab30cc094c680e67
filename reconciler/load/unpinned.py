"""Find declared tools that nobody can call, since they were never pinned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import NamedTuple

from msgspec import Struct, field

from reconciler.errors import Place, Problem
from reconciler.load.draft import Draft
from reconciler.load.selectors import Said
from reconciler.model.address import Address
from reconciler.model.resource import Resource

HINT = "run `reconciler mcp pin {name} --write`, and review what it writes"


class UnpinnedTool(NamedTuple):
    """A tool that a connector declares, and that was never pinned."""

    connector: Address
    name: str


def unpinned_in(
    resources: Iterable[Resource],
    said: Iterable[tuple[Address, Said]],
    place: Callable[[Resource, str], Place | None] = lambda resource, _tool: resource.source,
) -> Iterator[UnpinnedTool]:
    """Yield the tools of the resources, each ``place`` once: of a document for several tenants those of the first one.

    Without layers the place of a resource stands for the places of its tools.
    """
    seen: set[tuple[Place | None, str, str]] = set()
    concerned = [
        (str(address), one, words) for one, (address, words) in zip(resources, said, strict=True) if words.unpinned
    ]
    for _, resource, words in sorted(concerned, key=itemgetter(0)):
        for name in words.unpinned:
            key = (place(resource, name), resource.address.name, name)
            if key not in seen:
                seen.add(key)
                yield UnpinnedTool(resource.address, name)


class Unpinned(Struct, frozen=True):
    """The tools that were never pinned. Their number costs nothing; their places do, and are looked for when one asks for problems."""

    tools: tuple[UnpinnedTool, ...] = ()
    drafts: Mapping[Address, Draft] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tools)

    def problems(self) -> Iterator[Problem]:
        """Yield a located problem for each tool, in the order of addresses."""
        for connector, name in sorted(self.tools, key=lambda one: str(one.connector)):
            message = f"nobody can call `{name}`: what it does was never pinned"
            problem = Problem(
                "not-pinned",
                message,
                str(connector),
                ("tools", name),
                hint=HINT.format(name=connector.name),
                on_key=True,
            )
            yield self.drafts[connector].locate(problem)
