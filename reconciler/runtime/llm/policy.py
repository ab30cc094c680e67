"""How often and how long a call is tried, by its route or its integration; and what a try holds of limits."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.access.target import Target
from reconciler.model.target import Unfit
from reconciler.runtime.ledger.entries import METERED, Refused
from reconciler.runtime.llm import money
from reconciler.runtime.llm.candidates import Candidate
from reconciler.runtime.llm.records import OpenTry, Record
from reconciler.runtime.llm.request import ModelRequest
from reconciler.runtime.results import Refusal

RETRIED = frozenset({429, 500, 502, 503, 504, 529})
"""Statuses after which a call of an integration's own model is sent again."""
DIRECT_SECONDS = 600.0
"""How long a call of an integration's own model may take in all, unless one request of it may take longer."""
NOT_BOUNDED = money.Bound(0, 0, None, 0)
"""Of a try that no limit counts: its row says that it was made."""


class Policy(NamedTuple):
    """``seconds`` bound all tries together. A deployment is left out for ``cooldown_seconds`` after so many ``failures``; 0: never."""

    attempts: int
    statuses: frozenset[int]
    first_byte_seconds: float
    seconds: float
    failures: int
    cooldown_seconds: float


def policy_of(target: Target) -> Policy:
    """Return the policy of a route, or of an integration that is called by itself."""
    body = target.operation.body
    if target.alternatives:
        return Policy(
            body["retry"]["attempts"],
            frozenset(body["retry"]["statuses"]),
            float(body["first_byte_seconds"]),
            float(body["timeout_seconds"]),
            body["cooldown"]["failures"] if len(body["deployments"]) > 1 else 0,
            float(body["cooldown"]["seconds"]),
        )
    seconds = float(body["timeout_seconds"])
    return Policy(1 + body["max_retries"], RETRIED, seconds, max(seconds, DIRECT_SECONDS), 0, 0.0)


def try_of(record: Record, request: ModelRequest, candidate: Candidate, number: int, seconds: float) -> OpenTry:
    """Return a try with what it reserves; nothing for a first one that no limit counts, which its intent records.

    Raises Refusal.
    """
    one = money.Try(record.intent.id, number, record.intent.caller, record.route, candidate.deployment, seconds)
    if number == 1 and not candidate.levels:
        return OpenTry(one, candidate, None)
    bound, expected = candidate.bound or NOT_BOUNDED, None
    if any(level.expected for level in candidate.levels):
        expected = record.expected.of(record.intent.tenant, record.route, bound, request, candidate.facts)
    found = money.hold(one, candidate.levels, bound, expected)
    if isinstance(found, money.Unbounded):
        raise Refusal(found.code, unfit=(Unfit("", found.message),))
    return OpenTry(one, candidate, found)


def leaves_others(refused: Refused, candidate: Candidate) -> bool:
    """Whether another deployment may fit where this one did not: it may cost less, or the limit is of this one alone."""
    level = refused.level
    return level.unit in METERED or level.target.partition("#")[0] == candidate.deployment.integration.name


def limit_refusal(refused: Refused, candidate: Candidate) -> Refusal:
    """Return what an agent is told of a limit without room."""
    found = money.refusal(refused, candidate.bound)
    return Refusal(found.code, unfit=(Unfit("", found.message),), retry_after=found.retry_after)
