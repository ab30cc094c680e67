"""What no call goes through, and what stands where nobody may call anything, is judged by its own change."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.access.planned import judged
from reconciler.model.address import Address
from reconciler.model.plan import Action, Change
from tests.access.test_effects import ANY, CALLER, CONNECTOR, PROJECT, created, data, known_after, known_before, updated
from tests.access.test_reference_model import TENANT

HTTP = {"type": "http", "method": "GET", "path": "/x"}
WIDENED = frozenset({"access-widened"})
OTHER = created("connector", "other", {"type": "http", "base_url": "https://y.example"})
CASES = {
    "another connector": (updated("datasource", "d", data(), data(connector="other")), True),
    "another connector of a template": (
        updated("template", "t", {**HTTP, "connector": "gone"}, {**HTTP, "connector": "gone-too"}),
        True,
    ),
    "another datasource": (
        updated("template", "t", {**HTTP, "datasource": "gone"}, {**HTTP, "datasource": "gone-too"}),
        True,
    ),
    "no role any more": (updated("datasource", "d", data(access_roles=["hr"]), data()), True),
    "a role more": (updated("datasource", "d", data(access_roles=["hr"]), data(access_roles=["hr", "it"])), True),
    "a role less": (updated("datasource", "d", data(access_roles=["hr", "it"]), data(access_roles=["hr"])), False),
    "roles for the first time": (updated("datasource", "d", data(), data(access_roles=["hr"])), False),
    "a description": (updated("datasource", "d", data(), data(description="x")), False),
    "a creation": (created("datasource", "d", data(connector="other")), False),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("callers", ["none", "some", "without a policy"])
def test_it_has_a_risk_of_its_own(name: str, callers: str) -> None:
    change, widens = CASES[name]
    rows = known_after(CONNECTOR, OTHER, *{"none": [], "some": [CALLER, ANY], "without a policy": [CALLER]}[callers])
    if change.old is not None:
        rows += known_before(change)
    found = judged([change], PROJECT, lambda _tenants, _besides: rows if callers != "none" else [])
    assert found.risks == ({change.address: WIDENED} if widens else {})


def test_what_is_only_renamed_leads_to_the_same() -> None:
    api = Address(TENANT, "connector", "web")
    moved = Change(api, Action.MOVE, CONNECTOR.new_text, CONNECTOR.new_text, previous=CONNECTOR.address)
    change = updated("datasource", "d", data(), data(connector="web"))
    for rows in ([], [*known_after(CONNECTOR, CALLER, ANY), *known_before(change)]):
        assert judged([moved, change], PROJECT, lambda _tenants, _besides, rows=rows: rows).risks == {}


def test_comparing_says_it_where_a_call_goes_through() -> None:
    """A call that nobody may make, before and after, gives no risk."""
    closed = created("datasource", "d", data())
    change = updated("datasource", "d", data(), data(connector="other"))
    reads = created("template", "t", {**HTTP, "datasource": "d"})
    few = created(
        "policy", "few", {"effect": "allow", "subjects": {"callers": ["x"]}, "actions": "any", "targets": "any"}
    )
    both: Any = [CONNECTOR, OTHER, closed, reads, CALLER]
    found = [judged([change], PROJECT, lambda _t, _b, p=policy: known_after(*both, p)).risks for policy in (few, ANY)]
    assert found == [{}, {change.address: frozenset({"access-widened", "access-narrowed"})}]
