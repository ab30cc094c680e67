"""A rotated secret behind an unchanged reference: which plan says so, and what it leaves alone."""

from __future__ import annotations

from reconciler.apply.trust import check
from reconciler.model.fingerprint import Fingerprints, Seen
from reconciler.model.plan import Action, Plan, Selection
from reconciler.plan.convert import believed, to_document
from reconciler.planner.make import EVERYTHING
from reconciler.planner.secrets import rotated, with_secrets
from tests.planner.support import CUSTOM, REF, SQL, World, at, change, plan, told, wish

DSN = ("dsn",)


def seen(mark: str, reference: str = REF, entry: str = "connector/a") -> Fingerprints:
    return {at(entry): {DSN: Seen(reference, mark)}}


def planned(wanted: dict[str, object], world: World, selection: Selection = EVERYTHING) -> Plan:
    configuration = wish(wanted)  # type: ignore[arg-type]
    made = plan(configuration, world, selection)
    return with_secrets(made, {at("connector/a"): (DSN,)}, configuration, world.live, selection)


def test_another_mark_of_the_same_form_is_another_secret() -> None:
    assert rotated(seen("hmac:k1:aa"), seen("hmac:k1:bb")) == {at("connector/a"): (DSN,)}
    assert rotated(seen("version:1"), seen("version:2")) == {at("connector/a"): (DSN,)}


def test_what_cannot_be_compared_is_no_change() -> None:
    for before, now in (
        (seen("hmac:k1:aa"), seen("hmac:k1:aa")),
        (seen("hmac:k1:aa"), seen("hmac:k2:bb")),  # another key
        (seen("version:1"), seen("hmac:k1:aa")),  # another way of telling
        (seen("hmac:k1:aa"), seen("hmac:k1:bb", "vault://kv/acme/other#key")),  # another reference: the files say so
        ({}, seen("hmac:k1:aa")),
        (seen("hmac:k1:aa"), {}),
    ):
        assert rotated(before, now) == {}


def test_a_resource_without_another_change_is_updated() -> None:
    made = planned(
        {"connector/a": SQL, "connector/b": CUSTOM}, World().ours("connector/a", SQL).ours("connector/b", CUSTOM)
    )
    assert told(made) == {"connector/a": "update"}
    found = change(made, "connector/a")
    assert found.before == found.after
    assert [(field.path, field.op, field.before, field.after) for field in found.fields] == [(DSN, "secret", REF, REF)]
    assert found.risks == ("credential-changed",)
    assert made.unchanged == 1
    assert found.unchanged == len(found.after or {}) - 1


def test_an_update_gets_one_more_field() -> None:
    made = planned({"connector/a": {**SQL, "pool_size": 9}}, World().ours("connector/a", SQL))
    assert sorted(field.op for field in change(made, "connector/a").fields) == ["add", "secret"] or sorted(
        field.op for field in change(made, "connector/a").fields
    ) == ["change", "secret"]
    assert made.unchanged == 0


def test_what_is_new_or_not_ours_or_not_selected_is_left_alone() -> None:
    assert told(planned({"connector/a": SQL}, World())) == {"connector/a": "create"}
    replaced = planned(
        {"connector/a": {"type": "http", "base_url": "https://x.example"}}, World().ours("connector/a", SQL)
    )
    assert change(replaced, "connector/a").action is Action.REPLACE
    assert all(field.op != "secret" for field in change(replaced, "connector/a").fields)
    selection = Selection(targets=frozenset({at("connector/b")}))
    world = World().ours("connector/a", SQL).ours("connector/b", CUSTOM)
    assert told(planned({"connector/a": SQL, "connector/b": CUSTOM}, world, selection)) == {}
    assert told(planned({"connector/b": CUSTOM}, World().ours("connector/b", CUSTOM))) == {}


def test_a_saved_plan_carries_it() -> None:
    made = planned({"connector/a": SQL}, World().ours("connector/a", SQL))
    document = to_document(made)
    assert believed(document).plan == made
    check(made)
    assert "secret" in {field["op"] for field in document["resource_changes"][0]["fields"]}
