"""Limits of tokens and cost: which of them a call and each of its tries count against, and how they are shown."""

from __future__ import annotations

from typing import Any

from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.model.known import Known, Text
from reconciler.model.price import MOST, PICO
from reconciler.runtime.limits import by_limit, counters_of, declared, levels_of_call, levels_of_try, status_of
from tests.planner.support import at, resource

LIMITS: dict[str, dict[str, Any]] = {
    "all": {"target": "tenant", "per": "month", "requests": 9, "tokens": 1000, "cost_usd": "2.5"},
    "one": {"target": "integration/openai", "per": "day", "tokens": 70, "requests": 5},
    "other": {"target": "integration/azure", "per": "day", "tokens": 70},
    "slots": {"target": "integration/openai", "concurrent": 2},
    "warns": {"target": "tenant", "per": "day", "cost_usd": "999999999999", "on_exceed": "warn"},
}


def tenant() -> Tenant:
    openai = {"provider": "openai", "credential": "env://OPENAI"}
    bodies = {"integration/openai": openai, "integration/azure": openai}
    bodies |= {f"limit/{name}": body for name, body in LIMITS.items()}
    known = (
        Known(at(name), f"u-{name}", Text(resource(name, raw).text, 1), "shop", True) for name, raw in bodies.items()
    )
    return snapshot_of(known).tenant("acme")


def named(levels: Any) -> set[tuple[str, str, str]]:
    return {(level.target, level.unit, level.per) for level in levels}


def test_a_call_counts_once_and_its_tries_count_what_they_use() -> None:
    assert named(levels_of_call(tenant(), "bot", "")) == {("tenant", "requests", "month")}
    assert named(levels_of_try(tenant(), "bot", "", "integration/openai")) == {
        *(("tenant", "tokens", "month"), ("tenant", "cost", "month"), ("tenant", "cost", "day")),
        *(("integration/openai", "tokens", "day"), ("integration/openai", "requests", "day")),
        ("integration/openai", "concurrent", ""),
    }


def test_cost_is_counted_in_pico_dollars_up_to_what_a_counter_holds() -> None:
    caps = {(level.per, level.unit): (level.cap, level.warns) for level in declared(tenant()) if level.unit == "cost"}
    assert caps == {("month", "cost"): (2 * PICO + PICO // 2, False), ("day", "cost"): (MOST, True)}


def test_status_is_in_dollars_and_says_what_is_held() -> None:
    levels = [level for _, level in by_limit(tenant()) if level.target == "tenant" and level.per == "month"]
    assert [level.unit for level in counters_of(levels)][3:] == ["requests held", "tokens held", "cost held"]
    requests, tokens, cost = status_of(levels, [3, 250, PICO, 0, 10, PICO // 4])
    assert (requests["used"], requests["percent"], "held" in requests) == (3, 33.3, False)
    assert (tokens["used"], tokens["held"], tokens["limit"], tokens["percent"]) == (250, 10, 1000, 25.0)
    assert (cost["unit"], cost["used"], cost["held"], cost["limit"]) == ("cost_usd", 1.0, 0.25, 2.5)
