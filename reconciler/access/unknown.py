"""Names in access tests that nothing has: such a test expects a denial of something that nobody can ask for."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.access.expected import KEY, Case
from reconciler.access.snapshot import Snapshot, Tenant
from reconciler.errors import Problem
from reconciler.kinds.table import KINDS, calls_of
from reconciler.kinds.wording import nearest
from reconciler.model.selector import ROLE

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
    roles = sorted(_roles(tenant))
    for number, role in enumerate(test.roles):
        if role not in roles:
            yield _problem(case, "roles", f"no caller has the role `{role}` in {case.tenant}", role, roles, number)


def _roles(tenant: Tenant) -> set[str]:
    bodies = [found.body for name in tenant.names("caller") if (found := tenant.resource(name)) is not None]
    return {word for body in bodies for noun, word in KINDS["caller"].offers(body) if noun == ROLE}


def _problem(case: Case, field: str, says: str, text: str, known: list[str], number: int | None = None) -> Problem:
    meant = nearest(text, known)
    hint = f"did you mean `{meant}`? Otherwise {OPTIONAL}" if meant else OPTIONAL
    path = (KEY, case.name, field) if number is None else (KEY, case.name, field, number)
    problem = Problem("matches-nothing", f"the test {case.name} is about nothing: {says}", hint=hint)
    return case.source.locate(problem, case.document, path, lambda _path: False)
