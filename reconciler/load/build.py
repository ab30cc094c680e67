"""Turn drafts into resources: merge them, validate them, and check them against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from msgspec.structs import replace

from reconciler.errors import Path, Problem
from reconciler.kinds.accept import Accepted, accept
from reconciler.kinds.fit import misfits
from reconciler.kinds.table import KINDS
from reconciler.load.collect import Collector
from reconciler.load.defaults import unknown_in_defaults, wrong_in_defaults
from reconciler.load.draft import Draft, Layer
from reconciler.load.faults import MAX_FOUND, is_full
from reconciler.load.frame import Frame
from reconciler.load.project import Project
from reconciler.load.secret_values import secret_problems
from reconciler.load.substitute import Substitution
from reconciler.load.suggest import Known
from reconciler.model.address import Address
from reconciler.model.resource import Resource, State
from reconciler.model.secret_ref import references_in, references_written
from reconciler.secrets.policy import Policy, hint_for, refusal

Count: TypeAlias = Callable[[int, int, str], None]
"""Progress callback: (done, total, noun)."""


def quietly(done: int, total: int, what: str) -> None:
    """Report no progress."""


class Scene(NamedTuple):
    """What resources are checked against: all valid ones, all drafts, and those drafts that had to be composed."""

    around: State
    drafts: Mapping[Address, Draft]
    composed: Mapping[Address, Draft]
    is_external: Callable[[Address], bool]

    def is_missing(self, target: Address) -> bool:
        """Whether a reference to ``target`` leads nowhere; an invalid resource is not missing."""
        if target in self.around:
            return False
        draft = self.composed.get(target)
        return draft.body is None if draft is not None else not self.is_external(target)


def no_addresses() -> Iterable[Address]:
    """Return no address."""
    return ()


def build_resources(
    collector: Collector, frame: Frame, problems: list[Problem], others: Callable[[], Iterable[Address]] = no_addresses
) -> dict[Address, Resource]:
    """Return every draft that validates, in key order; problems are located in the layer that causes them.

    ``others`` are resources that were not collected; an overlay may have meant one of them.
    """
    project, variables = frame.project, frame.variables

    @cache
    def base() -> Known:
        return Known([*(address for address, draft in collector.drafts.items() if draft.in_base), *others()])

    resources = {}
    has_defaults = bool(project.settings.defaults)
    for address in sorted(collector.drafts):
        if is_full(problems):
            break
        draft = collector.drafts[address]
        body = draft.body
        if body is None and len(draft.layers) > 1:
            continue  # an overlay removed it
        if not draft.in_base and body is None:
            problems.append(draft.locate(_no_base(draft, base(), "there is nothing to remove")))
            continue
        if has_defaults:
            body = _with_defaults(draft, project, variables, problems)
        whole = frame.locks.folded(draft, body, problems)
        found = accept(KINDS[address.kind], whole, address, draft.text if whole is body else None)
        if isinstance(found, Accepted):
            place = project.placed(draft.place, draft.layers[0].source.path)
            resources[address] = Resource(address, found.text, place, found.explicit, found.digest, found.body)
            continue
        if not draft.in_base and any(p.code == "missing-field" for p in found):
            problems.append(draft.locate(_no_base(draft, base(), "so it must be complete")))
        problems.extend(draft.locate(problem) for problem in found[:MAX_FOUND])
    if has_defaults and project.source is not None:
        found_there = secret_problems(project.source, project.source.documents[0])
        problems.extend(one for one in found_there if one.path[:1] == ("defaults",))
    judged = {(problem.place, problem.code) for problem in problems}
    told = {problem.place for problem in problems}
    problems.extend(one for one in unknown_in_defaults(project) if (one.place, one.code) not in judged)
    problems.extend(one for one in wrong_in_defaults(project) if one.place not in told)
    return resources


def _no_base(draft: Draft, base: Known, consequence: str) -> Problem:
    """Report an overlay of an unknown base resource, mostly a typing error."""
    address = draft.address
    meant = base.near(address)
    message = f"no base resource {address}, {consequence}"
    hint = f"did you mean {meant}?" if meant else "correct the name, or write the whole resource here"
    return Problem("no-base-resource", message, str(address), on_key=True, hint=hint)


def _with_defaults(draft: Draft, project: Project, variables: Mapping[str, Any], problems: list[Problem]) -> Any:
    """Put the project's defaults below the other layers, as far as this type of resource has those fields."""
    found = project.defaults(draft.address.kind)
    body = draft.body
    if found is None or project.source is None or not isinstance(body, dict):
        return body
    kind = KINDS[draft.address.kind]
    variant = kind.variants.get(str(body.get(kind.discriminator, "")) if kind.discriminator else "")
    if variant is None:
        return body
    where, values = found
    inner: list[Problem] = []
    own = {name: value for name, value in values.items() if name in variant.model_fields}
    own = Substitution(variables, draft.address.tenant).apply(own, inner, where)
    problems.extend(project.problem(problem, problem.path) for problem in inner)
    draft.defaults = Layer(project.source, 0, where, own)
    return draft.body


def check_resources(resources: Mapping[Address, Resource], scene: Scene, problems: list[Problem]) -> None:
    """Report references that lead nowhere, circles, and broken rules of the kinds."""
    edges: dict[Address, list[Address]] = {}
    known = Known(scene.around)
    for address, resource in resources.items():
        if is_full(problems):
            return
        kind = KINDS[address.kind]
        edges[address] = []
        for reference in kind.references_of(address.tenant, resource.body):
            target = reference.address
            edges[address].append(target)
            if scene.is_missing(target):
                message = f"{address} refers to {target}, which is not declared"
                problem = Problem(
                    "dangling-reference", message, str(address), reference.path, hint=known.instead_of(target)
                )
                problems.append(scene.drafts[address].locate(problem))
        misfitting = misfits(resource, scene.around.get)
        problems.extend(scene.drafts[address].locate(problem) for problem in misfitting)
    _circles(edges, scene.drafts, problems)
    _twins(resources, scene.drafts, problems)


def _twins(resources: Mapping[Address, Resource], drafts: Mapping[Address, Draft], problems: list[Problem]) -> None:
    """Report equal values where each has to have its own, at the later of two, naming the first.

    Of a list no item may be another's.
    """
    seen: dict[tuple[str, str, str, Any], tuple[Address, Path]] = {}
    for address in sorted(resources):
        for path, value in _unique_values(resources[address]):
            first, there = seen.setdefault((address.tenant, address.kind, str(path[0]), value), (address, path))
            if first == address:
                continue
            related = drafts[first].locate(Problem("duplicate-value", "", str(first), there)).place
            says = f"has the same `{path[0]}`" if len(path) == 1 else f"has this item of `{path[0]}` too"
            problem = Problem("duplicate-value", f"{first} {says}; each needs its own", str(address), path)
            located = drafts[address].locate(problem)
            problems.append(replace(located, related=((str(first), related),) if related else ()))


def _unique_values(resource: Resource) -> Iterator[tuple[Path, Any]]:
    """Yield the values that no other resource of the kind may have in the tenant, each with its path."""
    for field in KINDS[resource.address.kind].unique:
        value = resource.body.get(field)
        if isinstance(value, list):
            yield from (((field, index), item) for index, item in enumerate(value))
        elif value is not None:
            yield (field,), value


def check_secrets(
    resources: Mapping[Address, Resource], drafts: Mapping[Address, Draft], policy: Policy, problems: list[Problem]
) -> None:
    """Report references to secrets that a tenant may not use: what resolving them would refuse, before anybody is asked."""
    for address, resource in resources.items():
        if "://" not in resource.text:
            continue  # it refers to nothing, as most do
        if is_full(problems):
            return
        if not any(refusal(policy, address.tenant, one) for one in references_written(resource.text)):
            continue
        for use in references_in(resource.body):
            reason = refusal(policy, address.tenant, use.reference)
            if reason is not None:
                problem = Problem(
                    "reference-forbidden",
                    f"{address.tenant} may not use this reference: {reason}",
                    str(address),
                    use.path,
                    hint=hint_for(use.reference),
                )
                problems.append(drafts[address].locate(problem))


def _circles(edges: Mapping[Address, list[Address]], drafts: Mapping[Address, Draft], problems: list[Problem]) -> None:
    """Report every circle once, named from its first address in key order, in linear time."""
    done: set[Address] = set()
    for start in sorted(edges):
        trail: list[Address] = []
        stack = [(start, iter(edges[start]))] if start not in done else []
        if stack:
            trail.append(start)
        while stack:
            node, targets = stack[-1]
            following = next((t for t in targets if t in edges and t not in done), None)
            if following is None:
                stack.pop()
                trail.pop()
                done.add(node)
            elif following in trail:
                circle = trail[trail.index(following) :]
                problems.append(drafts[node].locate(_circle(circle, node)))
            else:
                trail.append(following)
                stack.append((following, iter(edges[following])))


def _circle(circle: list[Address], last: Address) -> Problem:
    path = " -> ".join(str(address) for address in [*circle, circle[0]])
    hint = "take one of these references out"
    return Problem(
        "reference-circle", f"these refer to each other in a circle: {path}", str(last), on_key=True, hint=hint
    )
