"""Names in access tests that nothing has: such a test expects a denial of something that nobody can ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from reconciler.access.snapshot import Snapshot, Tenant
from reconciler.errors import Problem
from reconciler.kinds.access_test import KEY, Case
from reconciler.kinds.nearest import nearest
from reconciler.kinds.table import KINDS, calls_of
from reconciler.model.selector import OPTIONAL, ROLE
from reconciler.model.target import UNKNOWN


def unknown_in(case: Case, snapshot: Snapshot) -> Iterator[Problem]:
    """Yield a caller, a target and roles that the tenant does not have; a misspelt policy or tool fails its test by itself."""
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
    roles = sorted(roles_in(tenant))
    for number, role in enumerate(test.roles):
        if role not in roles:
            yield _problem(case, "roles", f"no caller has the role `{role}` in {case.tenant}", role, roles, number)


def _not_callable(case: Case, target: str, word: str) -> Problem:
    """Return what is there, and is not called: not at all, or not with this action."""
    if word not in calls_of():
        callable_ = " or ".join(f"{one}/..." for one in calls_of())
        return _problem(case, "target", f"{target} is nothing that a caller can name; {callable_} is", target, [])
    if case.test.action is None:
        return _problem(case, "target", f"{target} is called by an action, and the test has no `action`", target, [])
    return _problem(case, "action", f"{target} does not do this: {case.test.action}", case.test.action, [])


Elsewhere: TypeAlias = Callable[[], Iterable[tuple[str, Snapshot]]]


class Unknown(NamedTuple):
    """``problems`` of tests about nothing; ``skipped`` are the cases that another environment is for, with what is missing here."""

    problems: tuple[Problem, ...]
    skipped: Mapping[int, str]


def unknown_of(cases: Sequence[Case], snapshot: Snapshot, elsewhere: Elsewhere) -> Unknown:
    """Return what is unknown in every tenant of a test's document: one that several tenants share has to fit one of them.

    ``elsewhere`` are the project's other environments, looked at only for a test about nothing: a test that is about something
    in one of them is skipped. ``skipped`` is by the position in ``cases``.
    """
    tests: dict[tuple[str, int, str], list[int]] = {}
    for number, case in enumerate(cases):
        tests.setdefault((*case.document, case.name), []).append(number)
    problems, skipped = list[Problem](), dict[int, str]()
    for numbers in tests.values():
        own = [cases[number] for number in numbers]
        found = _everywhere(own, snapshot)
        others = elsewhere() if found else ()
        environment = next((name for name, other in others if not _everywhere(own, other)), None)
        if environment is not None:
            message = f"{found[0].message.partition(': ')[2]}; it is for the environment {environment}"
            skipped |= dict.fromkeys(numbers, message)
        else:
            problems += found
    return Unknown((*problems,), skipped)


def _everywhere(cases: Sequence[Case], snapshot: Snapshot) -> list[Problem]:
    """Return what is unknown in all the tenants of one test."""
    found = [[*unknown_in(case, snapshot)] for case in cases]
    shared = set.intersection(*({replace(one, message="", hint=None) for one in own} for own in found))
    return [one for own in found for one in own if replace(one, message="", hint=None) in shared]


def roles_in(tenant: Tenant) -> set[str]:
    """Return the roles that callers of a tenant have, or that their tokens may give."""
    bodies = [found.body for name in tenant.names("caller") if (found := tenant.resource(name)) is not None]
    return {word for body in bodies for noun, word in KINDS["caller"].offers(body) if noun == ROLE}


def _problem(case: Case, field: str, says: str, text: str, known: list[str], number: int | None = None) -> Problem:
    meant = nearest(text, known)
    hint = f"did you mean `{meant}`? Otherwise {OPTIONAL}" if meant else OPTIONAL
    path = (KEY, case.name, field) if number is None else (KEY, case.name, field, number)
    problem = Problem("matches-nothing", f"the test {case.name} is about nothing: {says}", hint=hint)
    return case.locate(problem, path)
