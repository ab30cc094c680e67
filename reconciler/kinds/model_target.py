"""Models as targets: an integration by itself, and a route, which leads to one of several integrations.

`route/NAME` is what callers and policies name. `route/NAME/INTEGRATION` is the same call by way of one of its integrations: a
try. Who may make it is decided for each way: what denies, freezes or switches off an integration takes it out of the route.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from reconciler.model.body import Body
from reconciler.model.selector import ACTION as SELECTED_ACTION
from reconciler.model.selector import ALLOWED_CLASS, DENIED_CLASS, EVERY, Offer
from reconciler.model.target import UNKNOWN, UNUSABLE, Bound, Calls, Identity, Look, Operation, Unfit

INTEGRATION, ROUTE = "integration", "route"
ACTION = "invoke"


class ModelInputs:
    """The request of a model, which has a form of its own: the surfaces of models read it, and no other surface."""

    schema: Mapping[str, Any] = MappingProxyType({})
    claims = ()
    asks_identity = False

    def identify(self, identity: Identity) -> Mapping[str, Any]:
        """Return nothing: no value of a request comes from the caller's identity."""
        return {}

    def bind(self, given: Mapping[str, Any], identity: Identity) -> Bound | tuple[Unfit, ...]:
        """Refuse: a call by name and arguments is no request of a model."""
        return (Unfit("target", "a model is called in its provider's format, e.g. at /v1/chat/completions"),)


_INPUTS = ModelInputs()


def _integration(name: str, _action: str | None, look: Look) -> Operation | str:
    target = f"{INTEGRATION}/{name}"
    if look(target) is None:
        return UNKNOWN
    return Operation((target,), target, ACTION, writes=False, inputs=_INPUTS)


def _route(name: str, _action: str | None, look: Look) -> Operation | str:
    """Return a call of a route, or of one of its ways: NAME/INTEGRATION."""
    name, _, integration = name.partition("/")
    target = f"{ROUTE}/{name}"
    body = look(target)
    if body is None:
        return UNKNOWN
    ways = integrations_of(body)
    if not integration:
        alternatives = tuple(f"{target}/{one}" for one in ways)
        return Operation((target,), target, ACTION, writes=False, inputs=_INPUTS, alternatives=alternatives)
    if integration not in ways:
        return UNKNOWN
    reached = f"{INTEGRATION}/{integration}"
    if look(reached) is None:
        return UNUSABLE
    return Operation((target, reached), target, ACTION, writes=False, inputs=_INPUTS)


def integrations_of(route: Body) -> tuple[str, ...]:
    """Return the integrations that a route leads to, each once, in the order of its deployments."""
    return (*dict.fromkeys(one["integration"] for one in route["deployments"]),)


def has_model(integration: Body, model: str) -> bool:
    """Whether an integration may be asked for a model."""
    return not integration["models"] or model in integration["models"]


def offers(body: Body) -> Iterator[Offer]:
    """Yield what a model offers to policies: its action, and what data may be sent, as of data that is read."""
    yield Offer(SELECTED_ACTION, ACTION)
    found = body.get("classification")
    yield from (Offer(ALLOWED_CLASS, found), Offer(DENIED_CLASS, found)) if found else (Offer(DENIED_CLASS, EVERY),)


INTEGRATION_CALLS = Calls(INTEGRATION, _integration)
ROUTE_CALLS = Calls(ROUTE, _route)
