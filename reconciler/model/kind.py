"""What a kind of resource is: its specs, its references and its rules, as one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from msgspec import Struct, field

from reconciler.errors import Path, Problem
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.resource import Resource
from reconciler.model.risk import BodyJudge
from reconciler.model.selector import Offer, Selector
from reconciler.model.target import PARTS, Calls

if TYPE_CHECKING:
    from reconciler.model.spec import Spec

Lookup: TypeAlias = Callable[[Address], Resource | None]
"""Finds another resource of the same desired state; None where it is missing, invalid or external."""


class Reference(NamedTuple):
    """A resource that a body names, and the path at which it does."""

    path: Path
    address: Address


class RefField(Struct, frozen=True):
    """A field that names another resource: ``kind`` where a bare name is written, None where ``kind/name`` is.

    A ``*`` in the path stands for every item of a list or map. Values in ``literals`` are no references.
    """

    path: tuple[str, ...]
    kind: str | None
    literals: frozenset[str] = frozenset()


class Ability(Enum):
    """What may be done with the resources of a kind, besides declaring them."""

    FREEZABLE = "freezable"
    """An operator may freeze one: `reconciler freeze TENANT/KIND/NAME`."""
    SUSPENDABLE = "suspendable"
    """One has a status: an operator may suspend it, and health checks set its error."""
    LIMITABLE = "limitable"
    """A limit may target one."""
    METERED = "metered"
    """Its use is counted in tokens and money, so a limit on one may have `tokens` and `cost_usd`."""
    NAMEABLE = "nameable"
    """A policy's targets may name one."""
    HOLDS_DATA = "holds-data"
    """Calls read it: its `classification`, `access_roles` and `lifecycle` decide about them."""
    LISTED = "listed"
    """The operators' API lists all of a tenant's."""

    __hash__ = object.__hash__
    """There is one object of each: Enum's own hash is slower, and asked for with every resource."""


def no_offers(body: Body) -> Iterable[Offer]:
    """Return no offers: the default of a kind."""
    return ()


def no_selectors(body: Body) -> Iterable[Selector]:
    """Return no selectors: the default of a kind."""
    return ()


def served(body: Body) -> str | None:
    """Return None: the runtime can serve every body, the default of a kind."""
    return None


def no_rules(resource: Resource, lookup: Lookup) -> Iterable[Problem]:
    """Return no problems: the default of a kind."""
    return ()


class Kind(Struct, frozen=True):
    """One kind. ``variants`` maps the value of ``discriminator`` to its spec; without one, its only key is ``""``.

    Another value in one of the ``identity`` fields is a replace: a new uid. ``upgrades[n]`` turns a body of
    spec_version n into one of n + 1. ``check`` sees the whole desired state and yields problems with paths.
    What a change of one field risks stands on the field; ``judges`` see whole bodies.
    No two resources of a tenant have the same value, or item of a list, in a field of ``unique``. ``examples`` is the shortest useful body of
    each variant, as YAML without the discriminator; those of all kinds are one manifest, in which they refer to each other.
    """

    name: str
    plural: str
    summary: str
    variants: Mapping[str, type[Spec]]
    discriminator: str | None = None
    identity: tuple[str, ...] = ()
    references: tuple[RefField, ...] = ()
    check: Callable[[Resource, Lookup], Iterable[Problem]] = no_rules
    spec_version: int = 1
    upgrades: Mapping[int, Callable[[Body], Body]] = field(default_factory=dict)
    judges: tuple[BodyJudge, ...] = ()
    unique: tuple[str, ...] = ()
    abilities: frozenset[Ability] = frozenset()
    offers: Callable[[Body], Iterable[Offer]] = no_offers
    """The words that other resources may select this one by, besides its name."""
    selects: Callable[[Body], Iterable[Selector]] = no_selectors
    """What its body selects by, to be held against all that the tenant has."""
    calls: Calls | None = None
    unserved: Callable[[Body], str | None] = served
    """What a body asks for and the runtime can't do, in words; None where it can do all."""
    examples: Mapping[str, str] = field(default_factory=dict)

    def can(self, ability: Ability) -> bool:
        """Whether its resources have an ability."""
        return ability in self.abilities

    def references_of(self, tenant: str, body: Mapping[str, Any]) -> Iterator[Reference]:
        """Yield the resources that a body names, in the same tenant; malformed values are passed over."""
        for ref in self.references:
            one = ref.path[0]
            # most references are a field of the body itself, and this is asked for every resource
            places = _walk(body, ref.path, ()) if len(ref.path) > 1 or one == "*" else ((ref.path, body.get(one)),)
            for path, value in places:
                if not isinstance(value, str) or value in ref.literals:
                    continue
                kind, _, name = (ref.kind, "", value) if ref.kind else value.partition("/")
                if kind in PARTS:
                    kind, name = PARTS[kind], name.partition("/")[0]
                if kind and name:
                    yield Reference(path, Address(tenant, kind, name))


def _walk(value: Any, pattern: tuple[str, ...], prefix: Path) -> Iterator[tuple[Path, Any]]:
    if not pattern:
        yield prefix, value
    elif pattern[0] == "*" and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, pattern[1:], (*prefix, key))
    elif pattern[0] == "*" and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, pattern[1:], (*prefix, index))
    elif isinstance(value, Mapping) and pattern[0] in value:
        yield from _walk(value[pattern[0]], pattern[1:], (*prefix, pattern[0]))
