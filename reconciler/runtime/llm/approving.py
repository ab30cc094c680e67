"""Model calls that wait for an approval: what is sealed of a request, and what an approval of it holds for."""

from __future__ import annotations

from reconciler import strict_json
from reconciler.access.decide import Ask, Decision
from reconciler.access.judge import Caller
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.model.target import Unfit
from reconciler.runtime.approvals import Wanted
from reconciler.runtime.hashing import ValuesKey
from reconciler.runtime.llm.request import ModelRequest

MOST_SEALED = 1024 * 1024
"""Bytes of a request that may wait: 100 of a target lie in the store at a time."""


def too_large_to_seal(request: ModelRequest) -> Unfit | None:
    """Return what is wrong with a request that is too large to wait for an approval."""
    if len(request.raw) <= MOST_SEALED:
        return None
    return Unfit(
        "", f"a request that waits for an approval has at most {MOST_SEALED} bytes, and this has {len(request.raw)}"
    )


def wanted_of(
    key: ValuesKey, tenant: Tenant, caller: Caller, ask: Ask, decision: Decision, request: ModelRequest
) -> Wanted:
    """Return what an approval is wanted for: the request at its endpoint, whatever order its fields have, by any deployment of its route."""
    target = decision.target
    assert target is not None
    sealed = {"endpoint": request.endpoint.path, "headers": dict(request.headers), "body": dict(request.body)}
    ways = tuple(one for one in map(tenant.target, target.alternatives) if isinstance(one, Target))
    return Wanted(caller, ask, decision, target, sealed, key.hash(strict_json.write_sorted(sealed)), ways)
