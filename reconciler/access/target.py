"""The noun of all that can be called, resolved within one snapshot: surfaces, mediator, limits and evidence know no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from reconciler.access.resource import Resource
from reconciler.access.rule import Thing, highest
from reconciler.kinds.table import KINDS, calls_of
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.characters import visible
from reconciler.model.target import UNKNOWN, Inputs, is_per_user

T = TypeVar("T")
SECONDS = 30.0
"""How long a call may take where neither its operation nor its connector says."""


class Unserved(NamedTuple):
    """Why agents can't be served what goes through a resource: ``reason`` is one of ``decide.REASONS``."""

    reason: str
    words: str


def unserved_by(resource: Resource) -> Unserved | None:
    """Return why nothing that goes through a resource can be served; None where it can."""
    if resource.body.get("runtime") is False:
        return Unserved("not-for-agents", resource.name)
    words = KINDS[resource.known.address.kind].unserved(resource.body)
    return Unserved("not-supported", f"{words} ({resource.name})") if words else None


class Target(Struct, frozen=True, dict=True):
    """What a call is about.

    ``name`` is how policies see it: WORD/NAME, e.g. `template/top-customers`. ``chain`` is everything that the call goes
    through: the named resource first, its connector last. ``operation`` is the one of them whose body says what is done;
    ``tool`` the name under which agents see that, "" where they don't. ``writes``: it may change something, whatever a
    reviewer has called its action. ``obligations`` are what has to happen before the call runs. ``part`` is what of the
    operation's body runs, where that has several parts that can be called, such as an MCP server's tools. ``alternatives``
    are the names of the targets of which a call takes one: the ways of a route. ``asks`` are those of the chain to which a call
    makes calls of their own, which have limits, evidence and usage of their own.
    """

    tenant: str
    name: str
    action: str
    writes: bool
    chain: tuple[Resource, ...]
    operation: Resource
    inputs: Inputs
    tool: str = ""
    obligations: tuple[str, ...] = ()
    part: Body | None = None
    part_name: str = ""
    alternatives: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()

    def once(self, make: Callable[[Target], T]) -> T:
        """Return what a function makes of this target, which is made once: a target lives as long as its snapshot."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    @cached_property
    def _made(self) -> dict[Callable[[Target], Any], Any]:
        return {}

    @property
    def address(self) -> Address:
        return self.chain[0].known.address

    @property
    def connector(self) -> Resource:
        return self.chain[-1]

    @cached_property
    def asks_caller(self) -> bool:
        """Whether a call needs more of its caller than a policy that allows it."""
        return self.asks_token or self.inputs.asks_identity

    @property
    def is_tool(self) -> bool:
        """Whether agents call it by the name of a tool."""
        return self.tool != "" and self.chain[0] is self.operation

    @property
    def named(self) -> Thing:
        """What the call names, as policies see it; a part has the labels of what it is a part of.

        A way of a route has the name of the route: policies see the integration behind it.
        """
        return Thing(self.chain[0].name if self.part is None else self.name, self.chain[0].labels)

    @property
    def description(self) -> str:
        told = ((self.part or {}).get("definition") or {}).get("description")
        description: str = self.operation.body["description"] if self.part is None else visible(told or "")
        return description

    @property
    def input_schema(self) -> Mapping[str, Any]:
        return self.inputs.schema

    @cached_property
    def things(self) -> tuple[Thing, ...]:
        """The chain as policies see it, what the call names first."""
        behind = self.chain if self.part is not None else self.chain[1:]
        return (self.named, *(Thing(one.name, one.labels) for one in behind))

    @cached_property
    def path(self) -> tuple[tuple[str, str], ...]:
        """The chain as evidence names it: addresses and uids."""
        return tuple((str(one.known.address), one.known.uid) for one in self.chain)

    @cached_property
    def data(self) -> tuple[Resource, ...]:
        """What of the chain holds the data that is read."""
        return tuple(one for one in self.chain if one.holds_data)

    @cached_property
    def classification(self) -> str | None:
        """The classification in force; None where something that is read has none.

        A tool reads what its connector says, or what is more sensitive than that. Of a model it is what may be sent: a route
        may say less than its integrations do.
        """
        if self.data:
            return highest([one.body.get("classification") for one in self.data])
        bodies = [self.part or {}, *(one.body for one in self.chain)]
        return next((found for body in bodies if (found := body.get("classification"))), None)

    @cached_property
    def drifted(self) -> bool:
        """Whether anything of the chain is not as it was applied last."""
        return not all(one.known.settled for one in self.chain)

    @cached_property
    def unserved(self) -> Unserved | None:
        """What of the chain says that it is not for agents, or else asks for what the runtime can't do; None where nothing does.

        Nobody else judges this: what is listed, called and explained goes by it, and what `validate` lets pass.
        """
        found = [one for one in map(unserved_by, self.chain) if one is not None]
        return min(found, key=lambda one: one.reason != "not-for-agents", default=None)

    @cached_property
    def asks_token(self) -> bool:
        """Whether what is reached is reached with a token of the caller's own, made from the one that proved it."""
        return is_per_user(self.connector.body)

    @cached_property
    def seconds(self) -> float:
        """How long a call may take."""
        bounds = [one.body.get("timeout_seconds") for one in (self.operation, self.connector)]
        return min([bound for bound in bounds if bound is not None], default=SECONDS)


def resolve(tenant: str, name: str, action: str | None, find: Callable[[str], Resource | None]) -> Target | str:
    """Return the target of this name among a tenant's resources, or the reason why there is none."""
    word, _, rest = name.partition("/")
    calls = calls_of().get(word)
    if calls is None:
        return UNKNOWN

    def look(name: str) -> Body | None:
        found = find(name)
        return None if found is None else found.body

    operation = calls.resolve(rest, action, look)
    if isinstance(operation, str):
        return operation
    chain = tuple(one for one in map(find, operation.chain) if one is not None)
    runs = chain[operation.chain.index(operation.runs)]
    tool = tools_by(runs).get(name if chain[0] is runs else operation.runs, "")
    told = operation.action, operation.writes, chain, runs, operation.inputs, tool, operation.obligations
    return Target(tenant, name, *told, operation.part, operation.part_name, operation.alternatives, operation.asks)


def tools_by(resource: Resource) -> Mapping[str, str]:
    """Return the targets by which agents call a resource, and the tool's name of each."""
    address = resource.known.address
    calls = KINDS[address.kind].calls
    return {} if calls is None else {target: tool for tool, target in calls.tools(address.name, resource.body)}
