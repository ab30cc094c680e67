"""Equal changes in many tenants are one group, and nothing that differs is hidden in one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.model.address import Address
from reconciler.model.plan import Action, Blocker, Cause, Change, FieldChange, Plan, Touch
from reconciler.plan.convert import change_document, to_document
from reconciler.render.groups import digest_of, groups, groups_of, likeness, neighbours
from reconciler.render.html.rows import plan_rows
from reconciler.render.markdown import plan_markdown
from reconciler.render.plan_text import changes_text, plan_text
from reconciler.render.style import Style
from tests.plan.plans import CHANGE

TENANTS = ("acme", "beta", "globex", "initech")


def _plan(*changes: Change, **more: Any) -> Plan:
    return Plan("shop", None, None, 1, "sqlite:///x", "current", "0", "0", changes, **more)


def _created(tenant: str, **more: Any) -> Change:
    body = {"provider": "openai", "credential": f"vault://kv/{tenant}/openai#key", **more}
    return Change(Address(tenant, "integration", "openai"), Action.CREATE, None, body)


def _raised(tenant: str, **more: Any) -> Change:
    field = FieldChange(("requests",), "change", 1, 2, Cause.CONFIGURATION)
    known: dict[str, Any] = {"risks": ("limit-raised",), "uid": f"u-{tenant}", "row_version": len(tenant)}
    address = Address(tenant, "limit", "day")
    return Change(address, Action.UPDATE, {"requests": 1}, {"requests": 2}, (field,), **{**known, **more})


FOUR = _plan(*map(_created, TENANTS), *map(_raised, TENANTS), _created("zeta", models=["gpt-5"]))


def test_text_has_every_title_and_each_body_once() -> None:
    text = [*plan_text(FOUR, Style(False))]
    for change, verb in ((FOUR.changes[0], "created"), (FOUR.changes[4], "updated in-place")):
        at = text.index(f"  # {change.address} will be {verb}")
        name = f"{change.address.kind}/{change.address.name}"
        assert text[at : at + 5] == [
            *(f"  # {tenant}/{name} will be {verb}" for tenant in TENANTS),
            "  # (the same change in 4 tenants: acme, beta, globex, initech)",
        ]
    assert "\n".join(text).count('integration "openai" {') == 2
    assert "Plan: 5 to add, 4 to change, 0 to destroy." in text
    whole = "\n".join(plan_text(FOUR, Style(False, whole=True)))
    assert whole.count('integration "openai" {') == 5
    assert "the same change" not in whole


def test_comment_and_page() -> None:
    comment = plan_markdown(to_document(FOUR))
    assert "acme/integration/openai will be created in 4 tenants</summary>" in comment
    assert (
        "The same change in 4 tenants: `acme/limit/day`, `beta/limit/day`, `globex/limit/day`, `initech/limit/day`."
        in comment
    )
    assert "- medium: `acme/limit/day` and 3 more like it will be updated in-place" in comment
    assert comment.count("<details>") == 3
    rows = [head.whole() for head in plan_rows(to_document(FOUR))]
    assert [(row["a"], len(row.get("same", [1]))) for row in rows] == [
        ("acme/limit/day", 4),
        ("acme/integration/openai", 4),
        ("zeta/integration/openai", 1),
    ]


def test_one_that_is_blocked_stands_alone_on_the_page() -> None:
    blocker = Blocker("protected", "no", "", Address("beta", "limit", "day"))
    rows = [head.whole() for head in plan_rows(to_document(replace(FOUR, blockers=(blocker,))))]
    assert [(row["a"], row["g"]) for row in rows if row["k"] == "limit"] == [
        ("beta/limit/day", "Blocked"),
        ("acme/limit/day", "Medium risk"),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"risks": ()},
        {"outside": Touch("eve", "2026-03-01T02:00:00Z")},
        {"reason": "live-invalid"},
        {"adopted_from": "other"},
        {"unchanged": 3},
        {"status": ("frozen by ada",)},
        {"new": {"requests": 3}},
        {"old": {"requests": 0}},
        {"previous": Address("beta", "limit", "was")},
        {"fields": (FieldChange(("requests",), "change", 1, 2, Cause.BOTH),)},
    ],
)
def test_what_differs_in_anything_shown_stands_alone(other: dict[str, Any]) -> None:
    assert len(groups([_raised("acme"), _raised("beta")])) == 1
    assert len(groups([_raised("acme"), replace(_raised("beta"), **other)])) == 2


@pytest.mark.parametrize(
    ("mine", "theirs", "equal"),
    [
        ("vault://kv/acme/x#k", "vault://kv/beta/x#k", True),
        ("vault://kv/acme/x#k", "vault://kv/acme/x#k", False),
        ("vault://kv/beta/x#k", "vault://kv/acme/x#k", False),
        ("acme", "beta", False),
        ("SELECT * FROM acme.orders", "SELECT * FROM beta.orders", False),
        ("see vault://kv/acme/x", "see vault://kv/beta/x", False),
    ],
)
def test_only_a_tenant_s_own_name_in_a_reference_may_differ(mine: str, theirs: str, equal: bool) -> None:
    changes = [_created(tenant, credential=text) for tenant, text in (("acme", mine), ("beta", theirs))]
    assert (len(groups(changes)) == 1) is equal


CHANGES = st.lists(
    st.builds(
        lambda tenant, name, value, action: Change(
            Address(tenant, "limit", name),
            action,
            {"v": 0},
            {"v": value},
            (FieldChange(("v",), "change", 0, value, Cause.CONFIGURATION),),
        ),
        st.sampled_from(TENANTS), st.sampled_from("ab"), st.integers(1, 2), st.sampled_from([Action.UPDATE, Action.REPLACE]),
    ),
    max_size=12,
    unique_by=lambda change: change.address,
)  # fmt: skip


@settings(derandomize=True, database=None, deadline=None)
@given(CHANGES)
def test_no_change_is_lost_and_a_group_holds_equal_ones(changes: list[Change]) -> None:
    for found in (groups(changes), [*neighbours(changes)]):
        assert sorted(change.address for group in found for change in group) == sorted(c.address for c in changes)
        for group in found:
            assert len({(c.address.name, c.action, c.new) for c in group}) == 1
    everything = {(c.address.name, c.action, c.new) for c in changes}
    assert len(groups(changes)) == len(everything)
    titles = [
        line
        for line in changes_text(changes, Style(False))
        if (line.startswith("  # ") and "will be" in line) or "must be" in line
    ]
    assert len(titles) == len(changes)


@given(st.lists(CHANGE, min_size=2, max_size=2))
def test_a_change_is_like_another_exactly_if_their_documents_are(changes: list[Change]) -> None:
    """The short way for creations says what the documents say."""
    one, other = changes
    other = replace(
        other, address=other.address._replace(kind=one.address.kind, name=one.address.name), action=one.action
    )
    for pair in ((one, other), (one, replace(one, address=other.address)), (one, replace(one, old=None, fields=()))):
        told = len({likeness(each) for each in pair}), len({digest_of(change_document(each)) for each in pair})
        assert told[0] == told[1]


def test_only_names_that_stand_twice_are_looked_into() -> None:
    asked: list[int] = []
    names = ["a", "b", "a", "c"]
    found = groups_of(names, lambda number: asked.append(number) or bytes(1))  # type: ignore[func-returns-value]
    assert (found, asked) == ([[0, 2], [1], [3]], [0, 2])


def test_a_document_of_halves_of_pairs_has_a_digest() -> None:
    (document,) = to_document(_plan(_raised("acme")))["resource_changes"]
    assert digest_of({**document, "name": "\ud83d"}) != digest_of(document)
