"""The deployments that a request can go to, each with its request, its limits and its bounds; or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from reconciler.access.models import Way
from reconciler.kinds.provider.wire import Wire
from reconciler.kinds.provider.wires import WIRES
from reconciler.model.price import ModelFacts
from reconciler.runtime.ledger.entries import Level, is_metered
from reconciler.runtime.llm.fields import Wrong, governed, governed_beta
from reconciler.runtime.llm.headers import betas
from reconciler.runtime.llm.money import Bound, Unbounded, bound
from reconciler.runtime.llm.outgoing import Outgoing, outgoing_of
from reconciler.runtime.llm.request import ENDPOINTS, Deployment, ModelRequest

LONGEST_TOKEN = 128
"""Bytes of the longest token of today's tokenizers, a run of spaces: no text has fewer tokens than its bytes by these."""


class Candidate(NamedTuple):
    """One deployment that may answer. ``bound`` is None where nothing bounds it and no limit asks for a bound."""

    way: Way
    deployment: Deployment
    outgoing: Outgoing
    levels: tuple[Level, ...]
    bound: Bound | None
    facts: ModelFacts

    @property
    def is_metered(self) -> bool:
        """Whether a limit counts the tokens or the cost of a try."""
        return is_metered(self.levels)


class Rules(NamedTuple):
    """What candidates are judged by: ``levels`` of a try at `integration/NAME`, and what is known of a provider's model."""

    levels: Callable[[str], tuple[Level, ...]]
    facts: Callable[[str, str, str], ModelFacts]
    route_output: int | None = None


def candidates_of(request: ModelRequest, ways: Sequence[Way], rules: Rules) -> tuple[list[Candidate], Wrong | None]:
    """Return the candidates in the order of the ways; if there is none, why the first way is none."""
    judged = [_judged(request, way, rules) for way in ways]
    found = [one for one in judged if isinstance(one, Candidate)]
    wrong = [one for one in judged if isinstance(one, Wrong)]
    if found or not wrong:
        return found, None
    # what another deployment could do is the better reason
    return [], min(wrong, key=lambda one: one.code == "format-not-supported")


def _judged(request: ModelRequest, way: Way, rules: Rules) -> Candidate | Wrong:
    integration = way.target.connector
    body = integration.body
    wire = WIRES[body["provider"]]
    if request.endpoint.name not in wire.places(body):
        return _no_format(request, integration.name, wire, body)
    levels = rules.levels(integration.name)
    metered = is_metered(levels)
    if (wrong := _governed(request, body, metered or bool(body["models"]))) is not None:
        return wrong
    deployment = Deployment(integration, way.model, way.weight)
    facts = rules.facts(deployment.provider, way.model, str(body.get("base_url") or ""))
    if (
        facts.context_window is not None
        and len(request.raw) > facts.context_window * LONGEST_TOKEN
        and not request.media
    ):
        return Wrong("too-large", "", f"the request is larger than the context window of {way.model}")
    found = bound(request, deployment, facts, rules.route_output)
    if isinstance(found, Unbounded) and metered:
        return Wrong(found.code, "", found.message)
    bounds = None if isinstance(found, Unbounded) else found
    outgoing = outgoing_of(request, body, wire, way.model, _limit(request, bounds, metered, rules.route_output))
    assert outgoing is not None
    return Candidate(way, deployment, outgoing, levels, bounds, facts)


def _limit(request: ModelRequest, bounds: Bound | None, metered: bool, route_output: int | None) -> int | None:
    """Return the bound on output that has to stand in the request: only where a limit or the route asks for one."""
    if bounds is None or (not metered and route_output is None):
        return None
    return bounds.limit_to


def _governed(request: ModelRequest, body: Mapping[str, object], is_strict: bool) -> Wrong | None:
    listed, config = body.get("allow_fields"), body.get("config")
    allowed = frozenset(listed if isinstance(listed, list | tuple) else ())
    wrong = governed(request.endpoint.name, request.endpoint.format, request.body, allowed, is_strict)
    own = config.get("beta") if isinstance(config, dict) else None
    more = frozenset(own if isinstance(own, list | tuple) else ())
    return wrong or governed_beta(betas(request.headers), allowed | more, is_strict)


def _no_format(request: ModelRequest, name: str, wire: Wire, body: Mapping[str, object]) -> Wrong:
    """Say what an integration speaks instead."""
    paths = [ENDPOINTS[one].path for one in ENDPOINTS if one in wire.places(dict(body))]
    other = f"it answers at {', '.join(paths)}" if paths else "it can't be called with what is configured"
    return Wrong("format-not-supported", "", f"{name} does not serve {request.endpoint.path}: {other}")
