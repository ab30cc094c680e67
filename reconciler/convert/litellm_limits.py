"""LiteLLM's budgets and rate limits turned into limits: of one integration, of a provider's, or of the tenant."""

from __future__ import annotations

from typing import Any

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.values import amount, period, whole
from reconciler.model.integers import SAFE_INTEGER

KEYS = ("rpm", "tpm", "max_budget", "max_parallel_requests")


def of_entry(conversion: Conversion, entry: Node, integration: str) -> None:
    """`rpm`, `tpm` and budgets of one model; LiteLLM reads them beside the parameters or among them."""
    params = entry.get("litellm_params")
    found = {key: (params.get(key) if params is not None else None) or entry.get(key) for key in KEYS}
    target = f"integration/{integration}"
    made_of = tuple(node for key in ("rpm", "tpm") if (node := found[key]) is not None)
    if made_of:
        body = {"requests": whole(found["rpm"], 0, SAFE_INTEGER), "tokens": whole(found["tpm"], 0, SAFE_INTEGER)}
        _add(conversion, f"{integration}-minute", target, {"per": "minute", **body}, *made_of)
    budget = found["max_budget"]
    if budget is not None and params is not None:
        _budget(conversion, integration, target, budget, params.get("budget_duration") or entry.get("budget_duration"))
    _concurrent(conversion, integration, target, found["max_parallel_requests"])


def of_proxy(conversion: Conversion, root: Node, integrations: dict[str, list[str]]) -> None:
    """`max_budget`, the most requests at once, and the budgets of providers."""
    settings = root.get("litellm_settings")
    if settings is not None and (budget := settings.get("max_budget")) is not None:
        _budget(conversion, "all", "tenant", budget, settings.get("budget_duration"))
    for key in ("global_max_parallel_requests", "max_parallel_requests"):
        _concurrent(conversion, "all", "tenant", root.at("general_settings", key))
    budgets = root.at("router_settings", "provider_budget_config")
    for provider, node in budgets.fields() if budgets is not None else ():
        own = integrations.get("vertex-ai" if provider == "vertex_ai" else provider, [])
        limit = node.get("budget_limit") or node.get("max_budget")
        if len(own) != 1 or limit is None:
            reason = f"a limit counts for one integration, and {len(own)} are of this provider: divide the budget"
            (node.restricts if own else node.left)(reason)
        else:
            _budget(
                conversion,
                own[0],
                f"integration/{own[0]}",
                limit,
                node.get("time_period") or node.get("budget_duration"),
            )


def of_key(conversion: Conversion, key: Node, caller: str) -> None:
    """Add limits for the budget and the rates of one virtual key, on its caller."""
    target = f"caller/{caller}"
    amounts = {"requests": key.get("rpm_limit"), "tokens": key.get("tpm_limit")}
    made_of = tuple(node for node in amounts.values() if node is not None)
    if made_of:
        body = {"per": "minute", **{name: whole(node, 0, SAFE_INTEGER) for name, node in amounts.items()}}
        _add(conversion, f"{caller}-minute", target, body, *made_of)
    budget = key.get("max_budget")
    if budget is not None and budget.value is not None:
        _budget(conversion, caller, target, budget, key.get("budget_duration"))
    _concurrent(conversion, caller, target, key.get("max_parallel_requests"))


def _budget(conversion: Conversion, name: str, target: str, budget: Node, duration: Node | None) -> None:
    if duration is None:
        budget.left("the budget never begins anew, and a limit has a period: choose one")
        return
    per = period(duration)
    if per is None:
        budget.left("its period is none that a limit has")
        return
    _add(conversion, f"{name}-budget", target, {"per": per, "cost_usd": amount(budget)}, budget, duration)


def _concurrent(conversion: Conversion, name: str, target: str, node: Node | None) -> None:
    if node is not None and (number := whole(node, 0, 1_000_000)) is not None:
        _add(conversion, f"{name}-at-once", target, {"concurrent": number}, node)


def _add(conversion: Conversion, wanted: str, target: str, amounts: dict[str, Any], *made_of: Node) -> None:
    if any(value is not None for key, value in amounts.items() if key != "per"):
        conversion.add("limit", conversion.name("limit", wanted), {"target": target, **amounts}, *made_of)
