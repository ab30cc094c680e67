"""One address: created, updated, replaced, accepted, adopted; and what is live and no longer valid."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import force_setattr

from reconciler.model.body import canonical
from reconciler.model.plan import Action, Cause, Selection

from .support import CUSTOM, HTTP, SOMEBODY, SQL, World, at, body, causes, change, plan, told, wish

A = "connector/a"


class TestCreate:
    def test_nothing_is_there(self) -> None:
        found = change(plan(wish({A: SQL}), World()), A)
        assert (found.action, found.reason, found.before, found.outside) == (Action.CREATE, "", None, None)
        assert found.after == body(A, SQL)
        assert found.cause is Cause.CONFIGURATION
        assert set(found.explicit) == {("type",), ("dialect",), ("dsn",)}

    def test_somebody_deleted_it(self) -> None:
        made = plan(wish({A: SQL}), World().ours(A, SQL).drop(A))
        found = change(made, A)
        assert (found.action, found.reason, found.outside) == (Action.CREATE, "deleted-outside", SOMEBODY)
        assert found.cause is Cause.OUTSIDE
        assert [(o.address, o.op, o.touch) for o in made.outside] == [(at(A), "deleted", SOMEBODY)]

    def test_somebody_deleted_it_and_nobody_knows_who(self) -> None:
        world = World().ours(A, SQL).drop(A)
        world.deletions.clear()
        found = change(plan(wish({A: SQL}), world), A)
        assert found.outside == ("unknown", "unknown")


class TestUpdate:
    def test_names_the_row_it_is_about(self) -> None:
        world = World().ours(A, SQL)
        found = change(plan(wish({A: {**SQL, "pool_size": 9}}), world), A)
        row = world.rows[at(A)]
        assert (found.action, found.reason) == (Action.UPDATE, "")
        assert (found.uid, found.row_version) == (row.uid, row.row_version)
        assert found.before == body(A, SQL)
        assert found.after == body(A, {**SQL, "pool_size": 9})
        assert found.unchanged == len(body(A, SQL)) - 1

    def test_the_order_of_a_set_and_the_text_of_a_number_are_no_change(self) -> None:
        limit = {"target": "tenant", "per": "month", "cost_usd": "2500.00"}
        source = {"type": "custom", "connector": "a", "tags": ["b", "a"]}
        world = World().ours(A, SQL).ours("limit/m", limit).ours("datasource/d", source)
        same = {A: SQL, "limit/m": {**limit, "cost_usd": 2500}, "datasource/d": {**source, "tags": ["a", "b"]}}
        assert plan(wish(same), world).changes == ()

    def test_a_row_without_its_defaults_is_no_change(self) -> None:
        """Somebody wrote the same in another form: what is missing has its default, a set its order."""
        source = {"type": "custom", "connector": "a", "tags": ["b", "a"]}
        world = World().ours(A, SQL).put(A, SQL).ours("datasource/d", source).put("datasource/d", source)
        made = plan(wish({A: SQL, "datasource/d": source}), world)
        assert made.changes == ()
        assert made.outside == ()


class TestAccepted:
    def test_live_becomes_what_was_applied(self) -> None:
        world = World().ours(A, SQL).edit(A, max_rows=7)
        made = plan(wish({A: {**SQL, "max_rows": 7}}), world)
        found = change(made, A)
        assert (found.action, found.reason) == (Action.ADOPT, "outside-change-accepted")
        assert found.before == found.after == body(A, {**SQL, "max_rows": 7})
        assert found.adopted_from is None
        assert found.fields == ()
        assert found.outside == SOMEBODY

    def test_and_then_there_is_nothing_left_to_do(self) -> None:
        world = World().ours(A, {**SQL, "max_rows": 7}).edit(A)
        made = plan(wish({A: {**SQL, "max_rows": 7}}), world)
        assert made.changes == ()
        assert made.outside == ()


class TestReplace:
    @pytest.mark.parametrize(
        ("entry", "before", "after", "reason"),
        [
            (A, SQL, HTTP, "type-changed"),
            (
                "integration/i",
                {"provider": "ollama", "base_url": "https://x.example.com"},
                {"provider": "custom", "base_url": "https://x.example.com"},
                "provider-changed",
            ),
        ],
    )
    def test_another_type_or_provider(self, entry: str, before: Any, after: Any, reason: str) -> None:
        made = plan(wish({entry: after}), World().ours(entry, before))
        found = change(made, entry)
        assert (found.action, found.reason) == (Action.REPLACE, reason)
        assert (made.added, made.changed, made.destroyed) == (1, 0, 1)
        assert set(causes(found).values()) == {Cause.CONFIGURATION}

    def test_another_dialect_is_an_update(self) -> None:
        assert told(plan(wish({A: {**SQL, "dialect": "mysql"}}), World().ours(A, SQL))) == {A: "update"}

    def test_a_type_that_somebody_changed_by_hand_is_replaced_back(self) -> None:
        found = change(plan(wish({A: SQL}), World().ours(A, SQL).put(A, body(A, HTTP))), A)
        assert (found.action, found.reason, found.outside) == (Action.REPLACE, "type-changed", SOMEBODY)
        assert causes(found)["type"] is Cause.OUTSIDE

    def test_with_a_move(self) -> None:
        found = change(
            plan(wish({"connector/b": HTTP}, moved=[(A, "connector/b")]), World().ours(A, SQL)), "connector/b"
        )
        assert (found.action, found.previous, found.reason) == (Action.REPLACE, at(A), "type-changed")
        assert found.before == body(A, SQL)

    def test_with_an_adoption(self) -> None:
        world = World().theirs(A, SQL)
        found = change(plan(wish({A: HTTP}, adopt={A: "other"}), world), A)
        assert (found.action, found.adopted_from) == (Action.REPLACE, "other")

    def test_is_left_out_where_nothing_may_be_destroyed(self) -> None:
        selection = Selection(deletes=False, replaces=False)
        made = plan(wish({A: HTTP, "connector/b": CUSTOM}), World().ours(A, SQL), selection)
        assert told(made) == {"connector/b": "create"}


class TestInvalid:
    """A live body that no longer parses is a change, and never a crash."""

    @pytest.mark.parametrize(
        "raw",
        [
            {"type": "sql"},
            {},
            [],
            [1],
            None,
            "text",
            7,
            {"type": "sql", "dialect": "postgresql", "dsn": "plain password", "max_rows": "many"},
            {"type": "nothing"},
            {"type": ["sql"]},
            {"": {"": ""}},
        ],
    )
    def test_it_is_updated_back_and_keeps_its_uid(self, raw: Any) -> None:
        world = World().ours(A, SQL).put(A, raw)
        made = plan(wish({A: SQL}), world)
        found = change(made, A)
        assert (found.action, found.reason, found.outside) == (Action.UPDATE, "live-invalid", SOMEBODY)
        assert found.after == body(A, SQL)
        assert found.uid == world.rows[at(A)].uid
        assert [o.address for o in made.outside] == [at(A)]
        assert found.cause is Cause.OUTSIDE

    @pytest.mark.parametrize(
        "text", ['{"description": "\\ud800"}', "1e400", "[" * 300 + "]" * 300, "[" * 1100 + "]" * 1100, "9" * 400]
    )
    def test_json_that_only_databases_take(self, text: str) -> None:
        world = World().ours(A, SQL).put(A, text).row("connector/b", text)
        assert told(plan(wish({A: SQL}), world)) == {A: "update"}
        assert told(plan(wish({"connector/c": SQL}), world)) == {A: "delete", "connector/c": "create"}

    def test_a_body_that_differs_only_in_what_json_calls_equal(self) -> None:
        """1000.0 is no integer of the model, and equal to the one that is wanted: the row is mended all the same."""
        world = World().ours(A, SQL).put(A, {**body(A, SQL), "max_rows": 1000.0})
        found = change(plan(wish({A: SQL}), world), A)
        assert (found.action, found.reason, found.fields) == (Action.UPDATE, "live-invalid", ())
        assert found.cause is Cause.OUTSIDE

    def test_another_type_in_the_files_is_still_a_replace(self) -> None:
        world = World().ours(A, SQL).put(A, {"type": "sql"})
        assert told(plan(wish({A: HTTP}), world)) == {A: "replace"}

    def test_taking_over_what_does_not_parse(self) -> None:
        made = plan(wish({A: SQL}, adopt={A: None}), World().row(A, {"type": "sql"}))
        assert change(made, A).reason == "live-invalid"
        assert change(made, A).adopted_from == ""

    def test_deleting_what_does_not_parse(self) -> None:
        found = change(plan(wish({}), World().ours(A, SQL).put(A, [1])), A)
        assert (found.action, found.outside) == (Action.DELETE, SOMEBODY)
        assert found.before is not None
        assert found.before[""].startswith("(not shown: ")


class TestTouched:
    def test_rows_that_the_database_vouches_for_are_not_parsed(self) -> None:
        """What is live, applied and wanted by their digests alone: nothing is read, nothing is written."""
        world = World().ours(A, SQL)
        row = world.rows[at(A)]
        force_setattr(row, "text", "not even JSON")
        assert plan(wish({A: SQL}), world).changes == ()

    def test_a_digest_that_the_database_does_not_vouch_for_counts_for_nothing(self) -> None:
        world = World().ours(A, SQL).row(A, {**body(A, SQL), "max_rows": 7}, World().ours(A, SQL).rows[at(A)].uid)
        assert canonical(world.rows[at(A)].raw) != canonical(body(A, SQL))
        assert told(plan(wish({A: SQL}), world)) == {A: "update"}
