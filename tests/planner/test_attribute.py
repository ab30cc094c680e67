"""Whose doing a difference is: configuration, outside, both or the tool; and the fields that are left to others."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ConfigurationInvalid
from reconciler.kinds.table import KINDS
from reconciler.model.body import Body, canonical
from reconciler.model.plan import Action, Cause
from reconciler.planner.attribute import attributed

from .support import (
    CUSTOM,
    HTTP,
    REF,
    SOMEBODY,
    SQL,
    STABLE,
    TODAY,
    World,
    at,
    body,
    causes,
    change,
    ignoring,
    plan,
    told,
    wish,
)

A = "connector/a"
BEARER = {"type": "bearer", "token": REF}


def _one(before: Body, after: Body, **edited: Any) -> Any:
    """The change of one connector that was applied, edited by hand, and is now wanted otherwise."""
    world = World().ours(A, before)
    return change(plan(wish({A: after}), world.edit(A, **edited) if edited else world), A)


class TestCauses:
    def test_the_files_changed(self) -> None:
        found = _one(SQL, {**SQL, "max_rows": 5})
        assert causes(found) == {"max_rows": Cause.CONFIGURATION}
        assert found.outside is None
        assert (found.fields[0].before, found.fields[0].after) == (1000, 5)

    def test_somebody_changed_the_row(self) -> None:
        found = _one(SQL, SQL, max_rows=7)
        assert causes(found) == {"max_rows": Cause.OUTSIDE}
        assert found.outside == SOMEBODY
        assert found.cause is Cause.OUTSIDE

    def test_both_did(self) -> None:
        found = _one(SQL, {**SQL, "max_rows": 5}, max_rows=7)
        assert causes(found) == {"max_rows": Cause.BOTH}

    def test_each_field_by_itself(self) -> None:
        found = _one(SQL, {**SQL, "max_rows": 5, "pool_size": 9}, pool_size=7, description="by hand")
        assert causes(found) == {
            "description": Cause.OUTSIDE,
            "max_rows": Cause.CONFIGURATION,
            "pool_size": Cause.BOTH,
        }
        assert found.cause is Cause.BOTH

    def test_a_field_that_somebody_changed_to_what_is_now_wanted_is_no_change(self) -> None:
        found = _one(SQL, {**SQL, "max_rows": 7, "pool_size": 9}, max_rows=7)
        assert causes(found) == {"pool_size": Cause.CONFIGURATION}

    def test_the_default_of_a_field_that_was_written_is_not_the_tools_doing(self) -> None:
        found = _one({**SQL, "max_rows": 5}, SQL)
        assert causes(found) == {"max_rows": Cause.CONFIGURATION}
        assert found.fields[0].after == 1000

    def test_writing_out_a_default_is_no_change(self) -> None:
        assert plan(wish({A: {**SQL, "max_rows": 1000, "labels": {}}}), World().ours(A, SQL)).changes == ()

    def test_nested_fields(self) -> None:
        before = {**HTTP, "auth": BEARER, "headers": {"X-A": "1", "X-B": "2"}}
        after = {**HTTP, "auth": {**BEARER, "token": "env://T"}, "headers": {"X-A": "1", "X-C": "3"}}
        found = _one(before, after, headers={"X-A": "by hand", "X-B": "2"})
        assert causes(found) == {
            "auth.token": Cause.CONFIGURATION,
            "headers.X-A": Cause.OUTSIDE,
            "headers.X-B": Cause.CONFIGURATION,
            "headers.X-C": Cause.CONFIGURATION,
        }
        assert [field.op for field in found.fields] == ["change", "change", "remove", "add"]

    def test_added_and_removed_by_hand(self) -> None:
        labels = {"team": "payments", "tier": "1"}
        found = _one({**SQL, "labels": labels}, {**SQL, "labels": labels}, labels={"tier": "1", "by": "hand"})
        assert causes(found) == {"labels.by": Cause.OUTSIDE, "labels.team": Cause.OUTSIDE}
        assert [field.op for field in found.fields] == ["remove", "add"]

    def test_the_same_key_added_by_hand_and_by_the_files(self) -> None:
        found = _one(SQL, {**SQL, "labels": {"team": "a"}}, labels={"team": "b"})
        assert causes(found) == {"labels.team": Cause.BOTH}

    def test_true_and_one_are_different(self) -> None:
        found = _one({**CUSTOM, "config": {"on": True}}, {**CUSTOM, "config": {"on": 1}})
        assert causes(found) == {"config.on": Cause.CONFIGURATION}


class TestTool:
    """A default that a new version changed: what was applied says the old value, and nobody ever wrote the field."""

    def _older(self, raw: Body, **defaults: Any) -> World:
        """Applied and live with the defaults of an older tool."""
        world = World().ours(A, {**raw, **defaults})
        applied = world.applied[at(A)]
        written = frozenset(path for path in applied.explicit if path[0] not in defaults)
        world.ours(A, {**raw, **defaults}, explicit=written)
        return world

    def test_a_changed_default(self) -> None:
        found = change(plan(wish({A: SQL}), self._older(SQL, max_rows=500)), A)
        assert causes(found) == {"max_rows": Cause.TOOL}
        assert found.cause is Cause.TOOL
        assert found.outside is None

    def test_a_default_that_is_gone(self) -> None:
        found = change(
            plan(wish({A: SQL}), self._older(SQL, network_exceptions=[{"cidr": "10.0.0.0/8", "port": 1}])), A
        )
        assert causes(found) == {"network_exceptions": Cause.TOOL}

    def test_a_default_inside_of_a_map(self) -> None:
        raw = {**HTTP, "auth": {"type": "api_key", "key": REF}}
        world = World().ours(A, {**HTTP, "auth": {"type": "api_key", "key": REF, "header": "X-Key"}})
        world.ours(
            A,
            {**HTTP, "auth": {"type": "api_key", "key": REF, "header": "X-Key"}},
            explicit=[("type",), ("base_url",), ("auth", "type"), ("auth", "key")],
        )
        assert causes(change(plan(wish({A: raw}), world), A)) == {"auth.header": Cause.TOOL}

    def test_with_a_change_of_the_files_beside_it(self) -> None:
        found = change(plan(wish({A: {**SQL, "pool_size": 9}}), self._older(SQL, max_rows=500)), A)
        assert causes(found) == {"max_rows": Cause.TOOL, "pool_size": Cause.CONFIGURATION}
        assert found.cause is Cause.CONFIGURATION

    def test_a_default_that_somebody_also_changed_by_hand_is_both(self) -> None:
        found = change(plan(wish({A: SQL}), self._older(SQL, max_rows=500).edit(A, max_rows=7)), A)
        assert causes(found) == {"max_rows": Cause.BOTH}

    def test_a_new_kind_of_default_by_another_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same with another spec class in the table, as a new version would have it."""
        world = World().ours(A, SQL)
        variants = dict(KINDS["connector"].variants)
        field = variants["sql"].model_fields["max_rows"]
        monkeypatch.setattr(field, "default", 200)
        variants["sql"].model_rebuild(force=True)
        try:
            found = change(plan(wish({A: SQL}), world), A)
            assert causes(found) == {"max_rows": Cause.TOOL}
        finally:
            monkeypatch.undo()
            variants["sql"].model_rebuild(force=True)
        assert body(A, SQL)["max_rows"] == 1000

    @pytest.mark.parametrize(
        ("before", "after", "fields"),
        [
            (
                HTTP,
                {**HTTP, "auth": {"type": "api_key", "key": REF}},
                {"auth.header", "auth.in", "auth.key", "auth.type"},
            ),
            (
                {**HTTP, "auth": {"type": "api_key", "key": REF}},
                HTTP,
                {"auth.header", "auth.in", "auth.key", "auth.type"},
            ),
        ],
    )
    def test_defaults_that_come_with_another_type_of_a_map_are_not(
        self, before: Body, after: Body, fields: set[str]
    ) -> None:
        assert causes(_one(before, after)) == dict.fromkeys(fields, Cause.CONFIGURATION)

    @pytest.mark.parametrize("there", [True, False])
    def test_defaults_that_come_and_go_with_a_new_map_are_not(self, there: bool) -> None:
        mcp = {"type": "mcp", "transport": "sse", "url": "https://mcp.example.com"}
        with_tool = {**mcp, "tools": {"search": {}}}
        found = _one(*((with_tool, mcp) if there else (mcp, with_tool)))
        assert set(causes(found).values()) == {Cause.CONFIGURATION}
        assert set(causes(found)) == {"tools.search.description", "tools.search.requires_approval", "tools.search.risk"}

    def test_defaults_of_another_type_are_not(self) -> None:
        found = _one(SQL, HTTP)
        assert found.action is Action.REPLACE
        assert Cause.TOOL not in causes(found).values()

    def test_what_is_taken_over_is_changed_by_the_files(self) -> None:
        world = World().row(A, body(A, {**SQL, "max_rows": 5}))
        found = change(plan(wish({A: SQL}, adopt={A: None}), world), A)
        assert causes(found) == {"max_rows": Cause.CONFIGURATION}


VALUES = st.sampled_from([None, 1, 2, {"n": 1}, {"n": 2}, {"n": 1, "m": {}}, [1], [1, 2], True])
BODIES = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@STABLE
@given(BODIES, BODIES, BODIES)
def test_the_causes_follow_from_the_three_values(live: Body, desired: Body, applied: Body) -> None:
    """Never outside where live is as applied, never configuration or tool where it is not."""
    written = [(key,) for key in desired]
    for field in attributed(live, desired, applied, written, ()):
        if canonical(live) == canonical(applied):
            assert not field.cause.is_outside
        if canonical(desired) == canonical(applied):
            assert field.cause is Cause.OUTSIDE
    assert attributed(live, live, applied, written, ()) == ()


class TestIgnore:
    def test_update_keeps_what_is_live(self) -> None:
        world = World().ours(A, SQL).edit(A, max_rows=7)
        configuration = wish({A: {**SQL, "pool_size": 9}}, ignore=[ignoring("max_rows")])
        found = change(plan(configuration, world), A)
        assert causes(found) == {"pool_size": Cause.CONFIGURATION}
        assert found.after is not None
        assert found.after["max_rows"] == 7
        assert found.outside is None
        assert plan(configuration, world).outside == ()

    def test_alone_it_is_no_change_and_no_drift(self) -> None:
        made = plan(wish({A: SQL}, ignore=[ignoring("max_rows")]), World().ours(A, SQL).edit(A, max_rows=7))
        assert made.changes == ()
        assert made.outside == ()
        assert made.unchanged == 1

    def test_create_writes_what_is_wanted(self) -> None:
        found = change(plan(wish({A: {**SQL, "max_rows": 5}}, ignore=[ignoring("max_rows")]), World()), A)
        assert found.after is not None
        assert found.after["max_rows"] == 5

    def test_the_configuration_may_say_something_else_for_ever(self) -> None:
        made = plan(wish({A: {**SQL, "max_rows": 5}}, ignore=[ignoring("max_rows")]), World().ours(A, SQL))
        assert made.changes == ()

    @pytest.mark.parametrize(("days", "counts"), [(1, True), (0, True), (-1, False)])
    def test_until(self, days: int, counts: bool) -> None:
        until: date = TODAY + timedelta(days=days)
        made = plan(
            wish({A: SQL}, ignore=[ignoring("max_rows", until=until)]), World().ours(A, SQL).edit(A, max_rows=7)
        )
        assert bool(made.changes) is not counts
        assert bool(made.outside) is not counts
        assert bool(made.notes) is not counts

    @pytest.mark.parametrize("pattern", ["acme/connector/*", "*/a", "acme/connector/a"])
    def test_the_address_is_a_pattern(self, pattern: str) -> None:
        world = World().ours(A, SQL).edit(A, max_rows=7)
        assert plan(wish({A: SQL}, ignore=[ignoring("max_rows", pattern)]), world).changes == ()
        assert plan(wish({A: SQL}, ignore=[ignoring("max_rows", "globex/*")]), world).changes != ()

    @pytest.mark.parametrize("field", ["labels", "labels.*", "labels.by", "*"])
    def test_maps_and_what_is_in_them(self, field: str) -> None:
        configuration = wish({A: {**SQL, "labels": {"team": "a"}}}, ignore=[ignoring(field)])
        world = World().ours(A, {**SQL, "labels": {"team": "a"}}).edit(A, labels={"team": "a", "by": "hand"})
        assert plan(configuration, world).changes == ()

    def test_what_somebody_took_out_stays_out(self) -> None:
        labels = {"team": "a", "tier": "1"}
        configuration = wish({A: {**SQL, "labels": labels, "pool_size": 9}}, ignore=[ignoring("labels.tier")])
        found = change(plan(configuration, World().ours(A, {**SQL, "labels": labels}).edit(A, labels={"team": "a"})), A)
        assert found.after is not None
        assert found.after["labels"] == {"team": "a"}

    def test_a_list_is_one_field(self) -> None:
        source = {"type": "database", "connector": "a", "tags": ["a", "b"]}
        world = World().ours(A, SQL).ours("datasource/d", source).edit("datasource/d", tags=["c"])
        assert plan(wish({A: SQL, "datasource/d": source}, ignore=[ignoring("tags")]), world).changes == ()
        assert told(plan(wish({A: SQL, "datasource/d": source}, ignore=[ignoring("tags[[]0]")]), world)) == {
            "datasource/d": "update"
        }

    MCP: Body = {"type": "mcp", "transport": "sse", "url": "https://mcp.example.com"}  # noqa: RUF012

    @pytest.mark.parametrize("field", ["tools", "tools.*", "tools.search"])
    def test_a_map_that_is_new_in_the_files_is_not_half_written(self, field: str) -> None:
        """Left out as a whole: nothing of it is live."""
        configuration = wish({A: {**self.MCP, "tools": {"search": {}}, "rate_limit": 9}}, ignore=[ignoring(field)])
        found = change(plan(configuration, World().ours(A, self.MCP)), A)
        assert found.after == body(A, {**self.MCP, "rate_limit": 9})
        assert set(causes(found)) == {"rate_limit"}

    def test_a_field_of_a_new_map_is_created_as_it_is_wanted(self) -> None:
        configuration = wish({A: {**self.MCP, "tools": {"search": {"risk": "low"}}}}, ignore=[ignoring("tools.*.risk")])
        found = change(plan(configuration, World().ours(A, self.MCP)), A)
        assert found.after == body(A, {**self.MCP, "tools": {"search": {"risk": "low"}}})

    def test_a_map_goes_with_its_ignored_field(self) -> None:
        world = World().ours(A, {**self.MCP, "tools": {"search": {"risk": "low"}}})
        found = change(plan(wish({A: self.MCP}, ignore=[ignoring("tools.*.risk")]), world), A)
        assert found.after == body(A, self.MCP)

    def test_a_replace_writes_what_is_wanted(self) -> None:
        """It is a creation: fields of the old type would not fit."""
        configuration = wish(
            {A: {**HTTP, "description": "new"}}, ignore=[ignoring("max_rows"), ignoring("description")]
        )
        found = change(plan(configuration, World().ours(A, SQL).edit(A, max_rows=7, description="by hand")), A)
        assert found.action is Action.REPLACE
        assert found.after == body(A, {**HTTP, "description": "new"})
        assert found.outside == SOMEBODY

    def test_a_type_that_is_left_to_others_is_no_replace(self) -> None:
        world = World().ours(A, SQL).put(A, body(A, HTTP))
        assert plan(wish({A: SQL}, ignore=[ignoring("*")]), world).changes == ()

    def test_rules_that_take_apart_what_belongs_together_are_refused(self) -> None:
        world = World().ours(A, HTTP)
        configuration = wish({A: {**HTTP, "auth": BEARER}}, ignore=[ignoring("auth.type")])
        with pytest.raises(ConfigurationInvalid) as caught:
            plan(configuration, world)
        assert [(p.code, p.address) for p in caught.value.problems] == [("ignored-unfit", "acme/connector/a")]

    def test_what_is_live_and_no_longer_valid_is_not_kept(self) -> None:
        world = World().ours(A, SQL).edit(A, max_rows="many")
        found = change(plan(wish({A: SQL}, ignore=[ignoring("max_rows")]), world), A)
        assert found.reason == "live-invalid"
        assert found.after == body(A, SQL)

    def test_a_move_keeps_it_too(self) -> None:
        world = World().ours(A, SQL).edit(A, max_rows=7)
        configuration = wish({"connector/b": SQL}, moved=[(A, "connector/b")], ignore=[ignoring("max_rows")])
        assert told(plan(configuration, world)) == {"connector/b": "move"}

    def test_what_is_ignored_and_as_wanted_is_not_accepted_either(self) -> None:
        """Somebody set the field to what the files say: nothing to write, not even a record."""
        world = World().ours(A, SQL).edit(A, max_rows=7)
        assert plan(wish({A: {**SQL, "max_rows": 7}}, ignore=[ignoring("max_rows")]), world).changes == ()
