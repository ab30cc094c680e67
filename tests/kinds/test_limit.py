"""Limits: targets, periods and amounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.resource import resource_of
from reconciler.model.spec import Spec

from .support import address, body, found, minimal, one


@pytest.mark.parametrize("target", ["tenant", "integration/a", "connector/a-b", "datasource/x1", "template/t"])
def test_targets(target: str) -> None:
    assert found("limit", minimal("limit", "", target=target)) == set()


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("tenants", "invalid-reference"),
        ("integration", "invalid-reference"),
        ("integration/", "invalid-reference"),
        ("integration/A", "invalid-reference"),
        ("acme/integration/a", "invalid-reference"),
        ("", "invalid-reference"),
        ("x" * 200, "too-long"),
        (5, "wrong-type"),
    ],
)
def test_wrong_targets(target: Any, code: str) -> None:
    assert found("limit", minimal("limit", "", target=target)) == {(code, ("target",))}


def test_a_limit_has_no_limit_as_its_target() -> None:
    spec = parse(KINDS["limit"], minimal("limit", "", target="limit/a"), address("limit"))
    assert isinstance(spec, Spec)  # so that a circle of limits can be told as one
    (problem,) = KINDS["limit"].check(resource_of(address("limit"), spec), lambda _address: None)
    assert (problem.code, problem.path) == ("invalid-target", ("target",))


def test_references() -> None:
    kind = KINDS["limit"]
    assert list(kind.references_of("acme", {"target": "tenant"})) == []
    (reference,) = kind.references_of("acme", {"target": "integration/a"})
    assert reference == (("target",), Address("acme", "integration", "a"))


@pytest.mark.parametrize("per", ["second", "minute", "hour", "day", "month"])
@pytest.mark.parametrize("amount", [{"requests": 0}, {"tokens": 5}, {"cost_usd": "0.5"}, {"requests": 1, "tokens": 2}])
def test_amounts_per_period(per: str, amount: dict[str, Any]) -> None:
    raw = {"target": "tenant", "per": per, **amount}
    assert body("limit", raw) == {"description": "", "labels": {}, "protected": False, "on_exceed": "block", **raw}


def test_concurrent_stands_alone() -> None:
    assert found("limit", {"target": "tenant", "concurrent": 5}) == set()
    raw = {"target": "tenant", "concurrent": 5, "per": "day", "requests": 1, "cost_usd": 1}
    assert found("limit", raw) == {("conflicting-fields", (name,)) for name in ("per", "requests", "cost_usd")}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"per": "day"}, {("missing-field", ("requests",))}),
        ({"requests": 5}, {("missing-field", ("per",))}),
        ({}, {("missing-field", ("per",))}),
        ({"per": "year", "requests": 5}, {("invalid-choice", ("per",))}),
        ({"per": "day", "requests": -1}, {("out-of-range", ("requests",))}),
        ({"per": "day", "tokens": 2**53}, {("out-of-range", ("tokens",))}),
        ({"per": "day", "tokens": "50_000"}, {("wrong-type", ("tokens",))}),
        ({"per": "day", "cost_usd": "-1"}, {("out-of-range", ("cost_usd",))}),
        ({"per": "day", "cost_usd": "1_000.50"}, {("underscore-number", ("cost_usd",))}),
        ({"per": "day", "cost_usd": "lots"}, {("wrong-type", ("cost_usd",))}),
        ({"per": "day", "cost_usd": True}, {("wrong-type", ("cost_usd",))}),
        ({"per": "day", "cost_usd": Decimal("0.1234567891")}, {("out-of-range", ("cost_usd",))}),
        ({"per": "day", "requests": 1, "on_exceed": "stop"}, {("invalid-choice", ("on_exceed",))}),
        ({"concurrent": 1_000_001}, {("out-of-range", ("concurrent",))}),
    ],
)
def test_wrong_limits(raw: dict[str, Any], expected: Any) -> None:
    assert found("limit", {"target": "tenant", **raw}) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("2500.00"), "2500"), (2500, "2500"), ("2500.00", "2500"), ("0.10", "0.1"), (0, "0"), ("1000", "1000")],
)
def test_one_text_per_amount(value: Any, text: str) -> None:
    assert body("limit", {"target": "tenant", "per": "month", "cost_usd": value})["cost_usd"] == text


@pytest.mark.parametrize("target", ["connector/a", "datasource/a", "template/a"])
@pytest.mark.parametrize("field", ["tokens", "cost_usd"])
def test_tokens_and_costs_are_counted_for_models_only(target: str, field: str) -> None:
    raw = {"target": target, "per": "day", field: 5}
    assert found("limit", raw) == {("conflicting-fields", (field,))}
    assert one("limit", raw).hint == "limit `requests` here"
    assert found("limit", {**raw, "target": "integration/a"}) == set()
