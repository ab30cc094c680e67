"""LiteLLM's names of models, aliases, fallbacks and weights turned into routes.

Source: `model_list`, `router_settings` and `litellm_settings` of LiteLLM's config.yaml, as its router reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct, field

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.values import whole

_NO_NAME = "a pattern of names: an integration without `models` takes any, as INTEGRATION/MODEL"
_TAKEN = "INTEGRATION/MODEL is a name of its own here: choose another for the route"
_MOST_WEIGHT = 1000


class Offered(NamedTuple):
    """A deployment of one entry: an integration, and the name of the model there."""

    entry: Node
    integration: str
    model: str


class _Named(Struct):
    """What one `model_name` stands for."""

    names: list[str]
    offered: list[Offered] = field(default_factory=list)


def convert(conversion: Conversion, root: Node, offered: list[Offered]) -> dict[str, str]:
    """Add a route for each name of a model; return the targets by the names that callers send."""
    named, targets = dict[str, _Named](), dict[str, str]()
    integrations = {one.integration for one in offered}
    for one in offered:
        alias = one.entry.get("model_name")
        name = str(alias.value) if alias is not None else one.model
        prefix, _, rest = name.partition("/")
        reason = _NO_NAME if "*" in name or "*" in one.model else ""
        if not reason and rest and prefix in integrations:
            if (one.integration, one.model) == (prefix, rest):
                targets[name] = f"integration/{prefix}"
            else:
                reason = _TAKEN
        if alias is not None:
            alias.left(reason) if reason else alias.carry()
        if not reason and name not in targets:
            named.setdefault(name, _Named([name])).offered.append(one)
    _aliases(root, named)
    behind = dict(_fallbacks(root))
    settings = _settings(root)
    for wanted, found in named.items():
        names = [name for name in {*found.names} if conversion.names.claim("model", name)]
        targets |= dict.fromkeys(found.names, "")
        if not names:
            found.offered[0].entry.note("a route of another file has this name of a model", wanted)
            continue
        route = conversion.name("route", wanted, found.offered[0].entry.get("model_name"))
        body = {"models": sorted(names), **_deployments(found, named, behind.get(wanted)), **settings}
        conversion.add("route", route, body, *(each.entry for each in found.offered))
        targets |= dict.fromkeys(names, f"route/{route}")
    return {name: target for name, target in targets.items() if target}


def _aliases(root: Node, named: Mapping[str, _Named]) -> None:
    """`model_group_alias`: another name of a model, as a text or as `{model, hidden}`."""
    aliases = root.at("router_settings", "model_group_alias")
    for alias, node in aliases.fields() if aliases is not None else ():
        inner = node.get("model")
        meant = inner if inner is not None else node
        if not isinstance(meant.value, str) or meant.value not in named or alias in named:
            node.left("an alias stands for a name of `model_list` here, and for one alone")
            continue
        meant.carry()
        named[meant.value].names.append(alias)
        if (hidden := node.get("hidden")) is not None:
            hidden.left("each name of a route is in the list of models of those who may use it")


def _fallbacks(root: Node) -> Iterator[tuple[str, Node]]:
    """Yield the names of models with those that answer in their place, of both sections that may have them."""
    for section in ("router_settings", "litellm_settings"):
        found = root.at(section, "fallbacks")
        for one in found.items() if found is not None and isinstance(found.value, list) else ():
            yield from one.fields()
        for key in ("context_window_fallbacks", "content_policy_fallbacks", "default_fallbacks"):
            if (other := root.at(section, key)) is not None:
                other.left(
                    "a route falls back after failures only: a deployment whose context is too small is passed over"
                )


def _deployments(one: _Named, named: Mapping[str, _Named], fallbacks: Node | None) -> dict[str, Any]:
    """Return the deployments of a route and their strategy: LiteLLM shuffles those of one name, and then falls back in order."""
    own = [*one.offered]
    weights = [_weight(each.entry) for each in own]
    spare = [*_spare(named, fallbacks)]
    listed = [{"integration": each.integration, "model": each.model} for each in (*own, *spare)]
    kept: list[dict[str, Any]] = []
    for each, weight in zip(listed, [*weights, *(None for _ in spare)], strict=True):
        if each not in [{key: value for key, value in other.items() if key != "weight"} for other in kept]:
            kept.append({**each, "weight": weight})
    orders = [each.entry.at("litellm_params", "order") for each in own]
    by_order = any(node is not None for node in orders)
    for node in orders:
        if node is not None:
            node.carry()
    if by_order:
        places = {id(each): whole(order, 0, 1000) or 0 for each, order in zip(kept, orders, strict=False)}
        kept.sort(key=lambda each: places.get(id(each), 1000))
    is_weighted = len(own) > 1 and not spare and not by_order
    if len(own) > 1 and not is_weighted:
        own[0].entry.note("they are tried in the order of the list: shares and an order exclude each other here")
    found = [each if is_weighted else {**each, "weight": None} for each in kept]
    deployments = [{key: value for key, value in each.items() if value is not None} for each in found]
    return {"deployments": deployments, "strategy": "weighted" if is_weighted else None}


def _weight(entry: Node) -> int | None:
    node = entry.at("litellm_params", "weight")
    return whole(node, 1, _MOST_WEIGHT) if node is not None else None


def _spare(named: Mapping[str, _Named], fallbacks: Node | None) -> Iterator[Offered]:
    for node in fallbacks.items() if fallbacks is not None else ():
        found = named.get(node.value) if isinstance(node.value, str) else None
        if found is None:
            node.left("this name stands for no model of `model_list`")
            continue
        node.carry()
        yield from found.offered


def _settings(root: Node) -> dict[str, Any]:
    """`num_retries`, `allowed_fails` and `cooldown_time` of the router."""
    retries = whole(root.at("router_settings", "num_retries"), 0, 9)
    fails = whole(root.at("router_settings", "allowed_fails"), 0, 999)
    seconds = whole(root.at("router_settings", "cooldown_time"), 1, 3600)
    cooldown = {"failures": None if fails is None else fails + 1, "seconds": seconds}
    return {
        "retry": {} if retries is None else {"attempts": retries + 1},
        "cooldown": {key: value for key, value in cooldown.items() if value is not None},
        "timeout_seconds": whole(root.at("router_settings", "timeout"), 1, 3600),
    }
