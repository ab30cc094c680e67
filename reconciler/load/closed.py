"""Judge selectors that select nothing, and locate them: errors, warnings, and doubts that concern all environments."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import Place, Problem, in_order
from reconciler.kinds.table import KINDS
from reconciler.load.draft import Draft, Entry
from reconciler.load.ignored import refers, unused, unused_external
from reconciler.load.project import Project
from reconciler.load.selectors import NOTHING, Doubt, Offers, World, doubts
from reconciler.load.unpinned import Unpinned, UnpinnedTool
from reconciler.model.address import Address
from reconciler.model.body import get
from reconciler.model.configuration import Configuration
from reconciler.model.resource import Resource
from reconciler.model.selector import CALLER, NAMED, OPTIONAL, PROJECT, UNSERVED, Selector

Selecting = tuple[Address, Selector]


class Judgement(Struct, frozen=True, dict=True):
    """``errors`` and ``doubts``; ``unsure`` concern all environments, and count where they hold in each (with: is it an error)."""

    errors: tuple[Problem, ...] = ()
    doubts: tuple[Problem, ...] = ()
    unsure: tuple[tuple[Problem, bool], ...] = ()
    unserved: frozenset[str] = frozenset()
    """The tenants with something that the runtime can't use, and with policies or shares; whether agents are meant to reach it is not judged here."""
    unpinned: Unpinned = Unpinned()

    @cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """The doubts and the tools that were never pinned, by place."""
        return (*in_order((*self.doubts, *once(self.unpinned.problems()))),)


class Parts(NamedTuple):
    """What the resources of a configuration say of selectors.

    Names (addresses as text), what may be selected and what selects, how to find what they refer to, and the manifests' own
    entries of `external`. ``whole``: all that is declared is valid, so that nobody's words are missing.
    """

    names: Collection[str]
    offers: Offers
    selecting: Sequence[Selecting]
    referred: Callable[[], Iterable[str]]
    external: Sequence[tuple[Address, Entry]] = ()
    whole: bool = True
    unpinned: Sequence[UnpinnedTool] = ()


Elsewhere = Callable[[], Iterable[tuple[str, World]]]
"""What the project's other environments declare, by their names; read only for a literal that selects nothing here."""


def nowhere() -> Iterable[tuple[str, World]]:
    """For a project without other environments."""
    return ()


def judged(
    project: Project,
    configuration: Configuration,
    parts: Parts,
    drafts: Mapping[Address, Draft],
    elsewhere: Elsewhere = nowhere,
) -> Judgement:
    """Everything that selects nothing; consequences of what is invalid are left out."""
    settings = project.settings
    world = world_of(project, configuration, parts)
    found = [one for one in doubts(world, parts.selecting) if parts.whole or one.selector.noun in NAMED]
    tenants = _tenants(world) if found else set()
    errors, warnings = list[Problem](), list[Problem]()
    for doubt in found:
        sharing = {doubt.address.tenant, *_sharing(doubt, world, tenants, drafts)} if doubt.is_error else set()
        if not doubt.is_error or _selects(world, doubt, sharing):
            warnings.append(_located(doubt, drafts))
        elif environment := _environment_with(doubt, sharing, tenants, elsewhere):
            warnings.append(_located(_for_another(doubt, environment), drafts))
        else:
            errors.append(_located(doubt, drafts))
    unsure: list[tuple[Problem, bool]] = []
    several = len(settings.environments) > 1
    undeclared = _undeclared(parts) if settings.external or parts.external else set()
    for one in unused(settings, configuration.resources, parts.names, undeclared):
        problem = project.problem(one.problem, one.path)
        if several and one.elsewhere:
            unsure.append((problem, one.is_error))
        else:
            (errors if one.is_error else warnings).append(problem)
    unused_here = [*_unused_external(parts, undeclared)]
    unsure += ((problem, False) for problem in unused_here if several)
    warnings += () if several else unused_here
    unserved = frozenset(tenant for tenant, noun in parts.offers if noun == UNSERVED)
    unserved &= _open_to_agents(parts) if unserved else frozenset()
    governed = _with_policies(parts) if parts.unpinned else frozenset()
    unpinned = Unpinned(tuple(one for one in parts.unpinned if one.connector.tenant in governed), drafts)
    return Judgement((*once(errors),), (*in_order(once(warnings)),), (*unsure,), unserved, unpinned)


def _with_policies(parts: Parts) -> Set[str]:
    """Return the tenants in which somebody may be allowed something: of no other is anything meant for agents."""
    return {name.partition("/")[0] for name in parts.names if name.split("/", 2)[1] == "policy"}


def _open_to_agents(parts: Parts) -> Set[str]:
    """Return the tenants with policies, or with something that other projects' policies may allow; nobody calls anything of the others."""
    shares = {address.tenant for address, selector in parts.selecting if selector.noun == PROJECT}
    return _with_policies(parts) | shares


def world_of(project: Project, configuration: Configuration, parts: Parts) -> World:
    """Return what selectors of a configuration may select."""
    projects = frozenset({configuration.project, *(one.project for one in project.settings.external if one.project)})
    moved = {str(move.old): str(move.new) for move in configuration.moves}
    return World(parts.names, parts.offers, configuration.external, projects, moved)


def referred_in(resources: Iterable[Resource]) -> Iterator[str]:
    """Yield the address of every reference, as text."""
    for resource in resources:
        for reference in KINDS[resource.address.kind].references_of(resource.address.tenant, resource.body):
            yield str(reference.address)


def _undeclared(parts: Parts) -> set[str]:
    """Return what the project uses and doesn't declare."""
    found = {name for name in parts.referred() if name not in parts.names}
    for address, (_, noun, text, _) in parts.selecting:
        if noun in NAMED:
            name = f"{address.tenant}/{CALLER}/{text}" if noun == CALLER else f"{address.tenant}/{text}"
            if name not in parts.names:
                found.add(name)
    return found


def _unused_external(parts: Parts, undeclared: Collection[str]) -> Iterator[Problem]:
    """Yield the `external` entries of manifests that nothing refers to, in any tenant of their document."""
    found: dict[Place, list[tuple[Address, Entry]]] = {}
    for address, entry in parts.external:
        if not (isinstance(entry.value, dict) and entry.value.get("optional")):
            found.setdefault(entry.place, []).append((address, entry))
    for entries in found.values():
        if not any(refers(undeclared, str(address)) for address, _ in entries):
            address, entry = entries[0]
            problem = unused_external(f"{address.kind}/{address.name}")
            yield entry.problem(NOTHING, problem.message, hint=problem.hint)


def _located(doubt: Doubt, drafts: Mapping[Address, Draft]) -> Problem:
    """At the item of the list that it is about, as it is written."""
    draft, path = drafts[doubt.address], doubt.selector.path
    value: Any = get(draft.body, path)
    if isinstance(value, list) and doubt.selector.text in value:
        path = (*path, value.index(doubt.selector.text))
    return draft.locate(replace(doubt.problem, path=path))


def _sharing(doubt: Doubt, world: World, tenants: Collection[str], drafts: Mapping[Address, Draft]) -> Iterator[str]:
    """Yield the other tenants that share the place of a selector, as those of one document do."""
    own, selector = doubt.address, doubt.selector
    for tenant in tenants:
        sibling = Address(tenant, own.kind, own.name)
        is_declared = tenant != own.tenant and str(sibling) in world.names
        if is_declared and _place(drafts[sibling], selector) == _place(drafts[own], selector):
            yield tenant


def _selects(world: World, doubt: Doubt, tenants: Iterable[str]) -> bool:
    """Whether a selector selects something in one of the tenants; its text may say `${tenant}`."""
    own, selector = doubt.address.tenant, doubt.selector.of_any_effect
    return any(
        world.selects(tenant, selector._replace(text=text))
        for tenant in tenants
        for text in {selector.text, selector.text.replace(own, tenant)}
    )


def _environment_with(
    doubt: Doubt, sharing: Collection[str], tenants: Collection[str], elsewhere: Elsewhere
) -> str | None:
    """Return the first other environment in which a selector selects something, for a tenant that only that one has too."""
    for name, other in elsewhere():
        more = (one for one in _tenants(other) - {*tenants} if str(doubt.address._replace(tenant=one)) in other.names)
        if _selects(other, doubt, (*sharing, *more)):
            return name
    return None


def _tenants(world: World) -> set[str]:
    return {name.partition("/")[0] for name in world.names}


def _for_another(doubt: Doubt, environment: str) -> Doubt:
    """Return what selects nothing here, and is meant for another environment."""
    message = f"{doubt.problem.message}; it does in the environment {environment}"
    return replace(doubt, problem=replace(doubt.problem, message=message, hint=OPTIONAL), is_error=False)


def _place(draft: Draft, selector: Selector) -> Place | None:
    return draft.locate(Problem(NOTHING, "", str(draft.address), selector.path)).place


def once(problems: Iterable[Problem]) -> list[Problem]:
    """One document for many tenants would report each problem many times: for the first of them is enough."""
    seen: dict[object, Problem] = {}
    for problem in problems:
        tenant = problem.address.partition("/")[0] if problem.address else ""
        any_tenant = re.compile(rf"(?<![a-z0-9-]){tenant}(?![a-z0-9-])" if tenant else r"(?!)")
        message, hint = (any_tenant.sub("${tenant}", text or "") for text in (problem.message, problem.hint))
        seen.setdefault((problem.place, problem.code, message, hint), problem)
    return [*seen.values()]
