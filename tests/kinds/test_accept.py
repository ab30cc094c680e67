"""Equal bodies are validated once: and only equal ones, and only those without problems."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from reconciler.kinds import accept as module
from reconciler.kinds.accept import Accepted, accept, written
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.resource import resource_of
from reconciler.model.spec import Spec

ADDRESS = Address("acme", "limit", "a")
MONTH = {"target": "tenant", "per": "month", "requests": 1}


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    module._accepted.cache_clear()


def limit(**fields: Any) -> Any:
    body = {**MONTH, **fields}
    return accept(KINDS["limit"], body, ADDRESS, written(body))


def test_it_is_what_the_kind_makes_of_it() -> None:
    for _ in range(2):
        found = limit(cost_usd=Decimal("2500.00"))
        spec = parse(KINDS["limit"], {**MONTH, "cost_usd": Decimal("2500.00")}, ADDRESS)
        assert isinstance(spec, Spec)
        resource = resource_of(ADDRESS, spec)
        assert found == (resource.text, resource.body, resource.digest, resource.explicit)
        assert canonical(found.body) == found.text


def test_equal_bodies_are_validated_once() -> None:
    assert limit() is limit()
    assert limit() is not limit(requests=2)


@pytest.mark.parametrize(
    "value", [True, "1", Decimal(1), 1.0, [1], {"a": 1}, None, Decimal("NaN"), pytest.param(10**6000, id="long")]
)
def test_what_only_looks_equal_is_judged_for_itself(value: Any) -> None:
    assert isinstance(limit(requests=1), Accepted)
    found = limit(requests=value)
    fresh = parse(KINDS["limit"], {**MONTH, "requests": value}, ADDRESS)
    assert isinstance(found, Accepted) == isinstance(fresh, Spec)
    assert isinstance(found, Accepted) or found == fresh


def test_another_kind_is_another_body() -> None:
    body = {"target": "tenant", "per": "month", "requests": 1}
    assert isinstance(accept(KINDS["limit"], body, ADDRESS, written(body)), Accepted)
    assert not isinstance(accept(KINDS["connector"], body, ADDRESS, written(body)), Accepted)


def test_problems_name_who_has_them() -> None:
    for name in ("a", "b"):
        body = {"target": "tenant"}
        found = accept(KINDS["limit"], body, Address("acme", "limit", name), written(body))
        assert {problem.address for problem in found} == {f"acme/limit/{name}"}  # type: ignore[union-attr]


def test_few_and_small_bodies_are_remembered() -> None:
    for number in range(module.MOST + 10):
        limit(requests=number + 1)
    assert module._accepted.cache_info().currsize == module.MOST
    module._accepted.cache_clear()
    limit(description="x" * 600, labels={f"key-{n}": "v" * 200 for n in range(30)})
    assert module._accepted.cache_info().currsize == 0


def test_a_body_without_a_bottom_is_a_problem() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert not isinstance(limit(labels=deep), Accepted)
