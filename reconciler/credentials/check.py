"""Every reference of some resources resolved: which can't be, and why; never a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from reconciler.errors import Problem, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.secret_ref import Use, references_in
from reconciler.secrets.fetch import Fetched
from reconciler.secrets.resolve import Resolver, Wanted
from reconciler.secrets.weak import weakness

SOON = timedelta(days=30)
"""How long before a secret's end a check warns of it."""


class CheckedReferences(NamedTuple):
    """One reference in one resource, and what is behind it, or why there is nothing."""

    address: Address
    use: Use
    outcome: Fetched | ReconcilerError


def check(resolver: Resolver, bodies: Iterable[tuple[Address, Body]]) -> list[CheckedReferences]:
    """Each reference is resolved once for each tenant, in parallel; in the order of the resources."""
    uses = [(address, use) for address, body in bodies for use in references_in(body)]
    outcomes = resolver.fetched_all(Wanted(address.tenant, use.reference) for address, use in uses)
    return [CheckedReferences(address, use, outcomes[Wanted(address.tenant, use.reference)]) for address, use in uses]


def weak(found: Iterable[CheckedReferences]) -> Iterator[Problem]:
    """Of those whose value can't be kept out of text for certain: it is masked where a value stands, and not elsewhere."""
    for address, use, outcome in found:
        if isinstance(outcome, Fetched) and (why := weakness(outcome.secret)) is not None:
            message = f"{use.reference} can't be masked wherever it may be written: {why}"
            yield Problem("weak-secret", message, str(address), use.path, hint="choose a longer one, made at random")


def ending(found: Iterable[CheckedReferences], now: datetime) -> Iterator[Problem]:
    """Of those whose value has ended, or ends within ``SOON``."""
    for address, use, outcome in found:
        ends = outcome.expires_at if isinstance(outcome, Fetched) else None
        if ends is None or ends - now > SOON:
            continue
        day, hint = ends.date().isoformat(), "give it its next value, e.g. by `reconciler secrets rotate`"
        if ends <= now:
            yield Problem("secret-expired", f"{use.reference} expired on {day}", str(address), use.path, hint=hint)
        else:
            yield Problem("secret-expires", f"{use.reference} expires on {day}", str(address), use.path, hint=hint)


def replaced(found: Iterable[CheckedReferences]) -> Iterator[Problem]:
    """Of those behind which another secret is than the one that was applied: an apply binds them to it."""
    for address, use, outcome in found:
        if isinstance(outcome, Fetched) and outcome.another_for is not None:
            whose = "" if outcome.another_for == address else f" to {outcome.another_for}"
            yield Problem(
                "secret-replaced",
                f"{use.reference} points to another secret than the one that was applied{whose}",
                str(address),
                use.path,
                hint="`reconciler plan` shows it, and an apply of that binds it to the new secret; until then it is neither "
                "probed nor served",
            )


def problems(found: Iterable[CheckedReferences]) -> Iterator[Problem]:
    """Of those that do not resolve, at their fields."""
    for address, use, outcome in found:
        if isinstance(outcome, ReconcilerError):
            for problem in outcome.problems:
                yield Problem(problem.code, problem.message, str(address), use.path, hint=problem.hint)
