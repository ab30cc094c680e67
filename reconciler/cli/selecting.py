"""What selects something, on the command line and in a project: is it known, and how many resources does it select?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconciler.errors import UsageError
from reconciler.model.address import Address
from reconciler.model.amount import amount
from reconciler.model.body import Body
from reconciler.model.configuration import Configuration
from reconciler.model.kind import Ability, Kind

if TYPE_CHECKING:
    from reconciler.access.rule import Thing


def parse_address(text: str) -> Address:
    """Parse an address. Raises UsageError."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not an address", code="invalid-address", hint=str(error)) from None


class Narrowed(Protocol):
    """What a command line narrows by."""

    @property
    def targets(self) -> tuple[str, ...]: ...
    @property
    def tenants(self) -> tuple[str, ...]: ...
    @property
    def excluded(self) -> tuple[str, ...]: ...


def is_narrowed(options: Narrowed) -> bool:
    """Whether the options leave anything out."""
    return bool(options.targets or options.tenants or options.excluded)


NEITHER = "is neither in the configuration nor live"


def require_known(options: Narrowed, known: Iterable[Address], is_unknown: str = NEITHER) -> frozenset[Address]:
    """Return the targets' addresses. Raises UsageError for a target or a tenant that is none of the known."""
    if not is_narrowed(options):
        return frozenset()
    found, addresses = set(), {*known}
    for pattern in options.excluded:
        if not any(fnmatchcase(str(address), pattern) for address in addresses):
            raise UsageError(
                f"--exclude {pattern} matches nothing: an address is tenant/kind/name",
                code="unknown-target",
                hint=near_address(pattern, addresses),
            )
    for text in options.targets:
        address = parse_address(text)
        if address not in addresses:
            raise UsageError(f"{text} {is_unknown}", code="unknown-target", hint=near_address(address, addresses))
        found.add(address)
    tenants = {address.tenant for address in addresses}
    for tenant in options.tenants:
        if tenant not in tenants:
            raise unknown_tenant(tenant, tenants, is_unknown)
    return frozenset(found)


def unknown_tenant(tenant: str, known: Iterable[str], is_unknown: str) -> UsageError:
    """Return a tenant by which nothing can be narrowed, with the one that was probably meant."""
    near = get_close_matches(tenant, [*known], n=1)
    hint = f"did you mean {near[0]}?" if near else None
    return UsageError(f"the tenant {tenant!r} {is_unknown}", code="unknown-tenant", hint=hint)


def selects_nothing(options: Narrowed) -> UsageError:
    """Return that the options, each of which selects something, leave nothing together."""
    which = "PATH, --tenant, --target and --exclude" if options.excluded else "PATH, --tenant and --target"
    hint = "they narrow each other: leave one out"
    return UsageError(f"{which} together select nothing", code="selects-nothing", hint=hint)


def near_address(address: Address | str, known: Iterable[Address]) -> str:
    """Return the hint for an address that nothing has."""
    near = get_close_matches(str(address), map(str, known), n=1)
    return f"did you mean {near[0]}?" if near else "see `reconciler list`"


class Selected(NamedTuple):
    """A selector of a configuration, in words, and how many it selects of what."""

    selector: str
    counts: tuple[tuple[int, str], ...]

    def __str__(self) -> str:
        told = ", ".join(amount(count, noun) for count, noun in self.counts)
        return f"{self.selector}: {told}"


def selections(configuration: Configuration) -> Iterator[Selected]:
    """How many each ignore rule and each policy selects."""
    for rule in configuration.ignore:
        matching = sum(fnmatchcase(str(address), rule.address) for address in configuration.resources)
        yield Selected(f"ignore {rule.address} {rule.field}", ((matching, "resource"),))
    yield from _of_policies(configuration)


def _of_policies(configuration: Configuration) -> Iterator[Selected]:
    """By the judge of access: the callers that a policy is about, and what its targets fit."""
    from reconciler.access.rule import Subject, allowed_by_class, denied_by_class, rule_of
    from reconciler.kinds.table import KINDS
    from reconciler.model.selector import ROLE

    policies = [address for address in configuration.resources if address.kind == "policy"]
    callers: dict[str, list[Subject]] = {address.tenant: [] for address in policies}
    nameable: dict[str, list[_Nameable]] = {address.tenant: [] for address in policies}
    for address in configuration.resources:
        kind = KINDS[address.kind]
        if address.tenant not in callers or not (address.kind == "caller" or kind.can(Ability.NAMEABLE)):
            continue
        body = configuration.resources[address].body
        if address.kind == "caller":
            roles = frozenset(word for noun, word in kind.offers(body) if noun == ROLE)
            callers[address.tenant].append(Subject(address.name, roles, body["labels"]))
        else:
            nameable[address.tenant] += _named(kind, address, body)
    for address in policies:
        body = configuration.resources[address].body
        rule = rule_of(f"policy/{address.name}", configuration.project, body)
        classed = denied_by_class if body["effect"] == "deny" else allowed_by_class
        about = sum(rule.about(one) for one in callers[address.tenant])
        fitting = sum(
            rule.fits(one.thing)
            # an allow is judged by what a caller names
            and (body["effect"] == "deny" or rule.classification is not None or one.is_called)
            # data has a classification; what is read through other resources is for the judge of a call to say
            and (rule.classification is None or (one.has_class and classed(rule, one.classification)))
            for one in nameable[address.tenant]
        )
        yield Selected(str(address), ((about, "caller"), (fitting, "target")))


class _Nameable(NamedTuple):
    """What a policy may name: whether a caller can call it by that name, and whether it has a classification, and which."""

    thing: Thing
    is_called: bool
    has_class: bool
    classification: str | None


def _named(kind: Kind, address: Address, body: Body) -> Iterator[_Nameable]:
    """Yield a resource, and its parts that can be called."""
    from reconciler.access.rule import Thing

    labels, own = body["labels"], body.get("classification")
    parts = kind.calls.parts if kind.calls is not None else None
    is_called = kind.calls is not None and parts is None
    yield _Nameable(Thing(f"{kind.name}/{address.name}", labels), is_called, kind.can(Ability.HOLDS_DATA), own)
    for part, said in parts(body).items() if parts is not None else ():
        word = kind.calls.word if kind.calls is not None else ""
        found = said.get("classification") or own
        yield _Nameable(Thing(f"{word}/{address.name}/{part}", labels), True, True, found)
