"""The codes of problem documents by status: those of every request, of every body, query and call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.codes import Code
from reconciler.runtime.surfaces.problem import BY_OUTCOME, FAILED, REFUSALS

Errors = Mapping[int, tuple[Code, ...]]
"""No codes at a status: any code, since a connector or the operator's network names it."""
OPEN: tuple[Code, ...] = ()
EVERY_REQUEST: Errors = {
    400: ("request-malformed",),
    401: ("unauthenticated",),
    403: ("wrong-origin",),
    408: ("request-timeout",),
    413: ("too-large",),
    414: ("uri-too-long",),
    421: ("wrong-host",),
    429: ("too-many-requests",),
    431: ("headers-too-large",),
    500: ("internal-error",),
    503: ("frozen", "overloaded", "stopping", "unavailable"),
}
"""By the door and the guard, before a route is asked, and by whatever fails behind one."""
EVERY_BODY: Errors = {400: ("invalid-json",), 415: ("wrong-media-type",), 422: ("invalid-values",)}
EVERY_QUERY: Errors = {400: ("invalid-page", "invalid-values")}
EVERY_SCOPE: Errors = {403: ("forbidden",), 404: ("not-found",)}
NOT_FOUND: Errors = {404: ("not-found",)}


def merged(groups: Iterable[Errors]) -> dict[int, tuple[Code, ...]]:
    """Return the union of groups, sorted by status and code."""
    found: dict[int, set[Code] | None] = {}
    for group in groups:
        for status, codes in group.items():
            known = found.setdefault(status, set())
            found[status] = None if known is None or not codes else known | {*codes}
    return {status: tuple(sorted(codes)) if codes is not None else OPEN for status, codes in sorted(found.items())}


def _of_calls() -> Errors:
    found: dict[int, tuple[Code, ...]] = {400: ("invalid-run", "invalid-key")}
    for code, (status, _) in REFUSALS.items():
        found[status] = (*found.get(status, ()), code)
    return {**found, **{status: OPEN for status, _ in (*BY_OUTCOME.values(), FAILED)}}


EVERY_CALL = _of_calls()
