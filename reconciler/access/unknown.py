"""Names in access tests that nothing has: such a test expects a denial of something that nobody can ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from reconciler.access.expected import KEY, Case
from reconciler.access.snapshot import Snapshot, Tenant
from reconciler.errors import Problem
from reconciler.kinds.table import KINDS, calls_of
from reconciler.kinds.wording import nearest
from reconciler.model.selector import ROLE
from reconciler.model.target import UNKNOWN

OPTIONAL = "say `optional: true` if that is meant"


def unknown_in(case: Case, snapshot: Snapshot) -> Iterator[Problem]:
    """A caller, a target and roles that the tenant does not have; a misspelt policy or tool fails its test by itself."""
    tenant, test = snapshot.tenant(case.tenant), case.test
    if test.optional:
        return
    callers = [name.partition("/")[2] for name in tenant.names("caller")]
    if test.caller not in callers:
        yield _problem(case, "caller", f"there is no caller `{test.caller}` in {case.tenant}", test.caller, callers)
    word = (test.target or "").partition("/")[0]
    if test.target is not None and test.target not in tenant.resources and (word in KINDS or word not in calls_of()):
        known = tenant.names(word) if word in KINDS else []
        yield _problem(case, "target", f"there is no {test.target} in {case.tenant}", test.target, known)
    elif test.target is not None and tenant.target(test.target, test.action) == UNKNOWN:
        yield _not_callable(case, test.target, word)
    roles = sorted(_roles(tenant))
    for number, role in enumerate(test.roles):
        if role not in roles:
            yield _problem(case, "roles", f"no caller has the role `{role}` in {case.tenant}", role, roles, number)


def _not_callable(case: Case, target: str, word: str) -> Problem:
    """What is there, and is not called: not at all, or not with this action."""
    if word not in calls_of():
        callable_ = " or ".join(f"{one}/..." for one in calls_of())
        return _problem(case, "target", f"{target} is nothing that a caller can name; {callable_} is", target, [])
    if case.test.action is None:
        return _problem(case, "target", f"{target} is called by an action, and the test has no `action`", target, [])
    return _problem(case, "action", f"{target} does not do this: {case.test.action}", case.test.action, [])


def unknown_of(cases: Sequence[Case], snapshot: Snapshot) -> Iterator[Problem]:
    """What is unknown in every tenant of a test's document: one that several tenants share has to fit one of them."""
    shared: dict[tuple[str, int, str], list[set[Problem]]] = {}
    told: dict[tuple[str, int, str], list[Problem]] = {}
    for case in cases:
        key = (case.source.path, case.document, case.name)
        found = [*unknown_in(case, snapshot)]
        told.setdefault(key, []).extend(found)
        shared.setdefault(key, []).append({replace(one, message="", hint=None) for one in found})
    for key, problems in told.items():
        everywhere = set.intersection(*shared[key])
        yield from (one for one in problems if replace(one, message="", hint=None) in everywhere)


def _roles(tenant: Tenant) -> set[str]:
    bodies = [found.body for name in tenant.names("caller") if (found := tenant.resource(name)) is not None]
    return {word for body in bodies for noun, word in KINDS["caller"].offers(body) if noun == ROLE}


def _problem(case: Case, field: str, says: str, text: str, known: list[str], number: int | None = None) -> Problem:
    meant = nearest(text, known)
    hint = f"did you mean `{meant}`? Otherwise {OPTIONAL}" if meant else OPTIONAL
    path = (KEY, case.name, field) if number is None else (KEY, case.name, field, number)
    problem = Problem("matches-nothing", f"the test {case.name} is about nothing: {says}", hint=hint)
    return case.source.locate(problem, case.document, path, lambda _path: False)
