"""The names of models that agents send, turned into targets: a route's own names, else INTEGRATION/MODEL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller, judge
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.kinds.model_target import INTEGRATION, ROUTE, has_model
from reconciler.model.status import Status


class Way(NamedTuple):
    """One deployment that a caller may use: the target by which it is reached, and the provider's name of the model."""

    target: Target
    model: str
    weight: int = 1


def target_of_model(tenant: Tenant, model: str) -> str | None:
    """Return the target that the name of a model stands for, whoever asks; None where it stands for nothing.

    A name that two routes claim stands for none: two pipelines can bring that about.
    """
    claims = tenant.once(_claims).get(model)
    if claims is not None:
        return claims[0] if len(claims) == 1 else None
    integration, _, name = model.partition("/")
    found = tenant.resource(f"{INTEGRATION}/{integration}")
    return found.name if found is not None and name and has_model(found.body, name) else None


def _claims(tenant: Tenant) -> Mapping[str, tuple[str, ...]]:
    """Return the routes that claim each name of a model."""
    found: dict[str, tuple[str, ...]] = {}
    for route in filter(None, map(tenant.resource, tenant.names(ROUTE))):
        for model in route.body["models"]:
            found[model] = (*found.get(model, ()), route.name)
    return found


def models_of(tenant: Tenant, status: Status | None, caller: Caller, has_key: bool = True) -> dict[str, Target]:
    """Return exactly the models that a caller may use and that have a name here, sorted by it. ``has_key`` is as in ``judge``."""
    decided = {model: judge(tenant, status, caller, Ask(name), has_key) for model, name in models_in(tenant).items()}
    return {model: one.target for model, one in decided.items() if one.allowed and one.target is not None}


def models_in(tenant: Tenant) -> dict[str, str]:
    """Return the models that have a name in a tenant, each with its target, sorted by name; for whom is not looked at.

    An integration without a list of models answers for any; only its default has a name then.
    """
    found = [(model, claims[0]) for model, claims in tenant.once(_claims).items() if len(claims) == 1]
    for one in filter(None, map(tenant.resource, tenant.names(INTEGRATION))):
        default = one.body.get("default_model")
        names = (
            (f"{one.known.address.name}/{model}", one.name) for model in one.body["models"] or filter(None, [default])
        )
        found += [(model, name) for model, name in names if target_of_model(tenant, model) == name]
    return dict(sorted(found))


def ways_of(tenant: Tenant, status: Status | None, caller: Caller, target: Target, model: str) -> list[Way]:
    """Return the deployments that may answer a call which was decided, in the order of the route.

    ``model`` is the name that the agent sent.
    """
    if not target.alternatives:
        return [Way(target, model.partition("/")[2])]
    decided = (judge(tenant, status, caller, Ask(name)) for name in target.alternatives)
    allowed = [one.target for one in decided if one.allowed and one.target is not None]
    by_integration = {one.connector.known.address.name: one for one in allowed}
    return [
        Way(by_integration[one["integration"]], one["model"], one.get("weight") or 1)
        for one in target.operation.body["deployments"]
        if one["integration"] in by_integration
    ]
