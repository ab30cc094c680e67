"""The whole plan: ownership, conflicts, adoption, protection, selection, outside changes, and what the header says."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace

from reconciler.errors import Refused
from reconciler.model.live import DatabaseState, Live
from reconciler.model.plan import Action, Revision, Selection
from reconciler.planner.make import Setting, make_plan

from .support import (
    CUSTOM,
    HTTP,
    SOMEBODY,
    SQL,
    TODAY,
    World,
    at,
    body,
    change,
    ignoring,
    plan,
    resource,
    told,
    wish,
)

A, B, C = "connector/a", "connector/b", "connector/c"
SOURCE = {"type": "custom", "connector": "a"}


class TestOwnership:
    def test_only_what_is_ours_is_deleted(self) -> None:
        world = World().ours(A, CUSTOM).theirs(B, CUSTOM).row(C, CUSTOM)
        made = plan(wish({}), world)
        assert told(made) == {A: "delete"}
        assert change(made, A).reason == "not-in-configuration"
        assert made.owned == 1

    def test_a_clone_is_not_ours(self) -> None:
        """``INSERT ... SELECT`` copies the column ``project``, and proves nothing."""
        world = World().ours(A, CUSTOM)
        world.rows[at(A)] = replace(world.rows[at(A)], project="shop")
        world.row(B, world.rows[at(A)].raw)
        world.rows[at(B)] = replace(world.rows[at(B)], project="shop")
        assert told(plan(wish({}), world)) == {A: "delete"}

    def test_deleted_and_made_again_by_hand_is_not_ours(self) -> None:
        world = World().ours(A, CUSTOM).row(A, CUSTOM, "another")
        made = plan(wish({}), world)
        assert told(made) == {A: "forget"}
        assert change(made, A).reason == "deleted-outside"
        with pytest.raises(Refused):
            plan(wish({A: CUSTOM}), world)

    @pytest.mark.parametrize(
        ("world", "code", "hint"),
        [
            (World().row(A, CUSTOM), "not-owned", "adopt: [connector/a]"),
            (World().theirs(A, CUSTOM), "owned-by-another", "from_project: other"),
        ],
    )
    def test_a_conflict_says_how_to_adopt(self, world: World, code: str, hint: str) -> None:
        with pytest.raises(Refused) as caught:
            plan(wish({A: CUSTOM}), world)
        assert [(p.code, p.address) for p in caught.value.problems] == [(code, "acme/connector/a")]
        assert hint in str(caught.value.problems[0].hint)
        assert caught.value.exit_code == 6

    def test_all_conflicts_at_once_in_order(self) -> None:
        world = World().row(C, CUSTOM).theirs(A, CUSTOM).row(B, CUSTOM)
        with pytest.raises(Refused) as caught:
            plan(wish({C: CUSTOM, B: CUSTOM, A: CUSTOM}), world)
        assert [p.address for p in caught.value.problems] == [f"acme/{entry}" for entry in (A, B, C)]


class TestAdoption:
    @pytest.mark.parametrize(("owner", "told_owner"), [(None, ""), ("other", "other")])
    def test_as_it_is(self, owner: str | None, told_owner: str) -> None:
        world = World().theirs(A, CUSTOM) if owner else World().row(A, body(A, CUSTOM))
        found = change(plan(wish({A: CUSTOM}, adopt={A: owner}), world), A)
        assert (found.action, found.adopted_from, found.reason) == (Action.ADOPT, told_owner, "adopted")
        assert found.before == found.after
        assert found.outside is None

    def test_with_an_update(self) -> None:
        world = World().theirs(A, SQL)
        found = change(plan(wish({A: {**SQL, "max_rows": 5}}, adopt={A: "other"}), world), A)
        assert (found.action, found.adopted_from, found.reason) == (Action.UPDATE, "other", "adopted")

    @pytest.mark.parametrize("named", [None, "somebody"])
    def test_from_another_project_it_has_to_be_named(self, named: str | None) -> None:
        with pytest.raises(Refused):
            plan(wish({A: CUSTOM}, adopt={A: named}), World().theirs(A, CUSTOM))

    def test_is_done_once_it_is_ours(self) -> None:
        assert plan(wish({A: CUSTOM}, adopt={A: "other"}), World().ours(A, CUSTOM)).changes == ()

    def test_of_what_is_not_there_is_a_creation(self) -> None:
        assert told(plan(wish({A: CUSTOM}, adopt={A: "other"}), World())) == {A: "create"}

    def test_of_what_its_project_lost(self) -> None:
        """The other project applied another row: this one is nobody's."""
        world = World().theirs(A, CUSTOM).row(A, body(A, CUSTOM), "another")
        assert change(plan(wish({A: CUSTOM}, adopt={A: "other"}), world), A).adopted_from == ""

    def test_of_two_rows_that_somebody_swapped_by_hand(self) -> None:
        world = World().ours(A, CUSTOM).ours(B, SQL)
        world.rename(A, C).rename(B, A).rename(C, B)
        with pytest.raises(Refused):
            plan(wish({A: CUSTOM, B: SQL}), world)
        assert told(plan(wish({A: SQL, B: CUSTOM}, adopt={A: None, B: None}), world)) == {A: "adopt", B: "adopt"}


class TestLettingGo:
    def test_the_row_stays(self) -> None:
        world = World().ours(A, CUSTOM)
        found = change(plan(wish({}, let_go=[A]), world), A)
        assert (found.action, found.reason, found.uid) == (Action.FORGET, "removed-block", world.rows[at(A)].uid)
        assert found.before == found.after == body(A, CUSTOM)

    def test_what_is_not_ours_is_not_touched(self) -> None:
        assert plan(wish({}, let_go=[A, B]), World().row(A, CUSTOM).theirs(B, CUSTOM)).changes == ()

    def test_what_was_deleted_by_hand_is_forgotten(self) -> None:
        world = World().ours(A, CUSTOM).drop(A)
        found = change(plan(wish({}), world), A)
        assert (found.action, found.reason, found.outside) == (Action.FORGET, "deleted-outside", SOMEBODY)

    def test_also_where_nothing_is_deleted(self) -> None:
        made = plan(wish({}, let_go=[A]), World().ours(A, CUSTOM).ours(B, CUSTOM), Selection(deletes=False))
        assert told(made) == {A: "forget"}


class TestProtected:
    RAW = {**CUSTOM, "protected": True}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("after", "action"), [({}, "delete"), ({A: HTTP}, "replace"), ({A: {**HTTP, "protected": True}}, "replace")]
    )
    def test_blocks_and_the_plan_is_there_all_the_same(self, after: dict[str, dict[str, str]], action: str) -> None:
        made = plan(wish(after), World().ours(A, self.RAW))
        assert told(made) == {A: action}
        assert [(b.code, b.address) for b in made.blockers] == [("protected", at(A))]
        assert action in made.blockers[0].message

    def test_blocks_letting_go(self) -> None:
        made = plan(wish({}, let_go=[A]), World().ours(A, self.RAW))
        assert [b.code for b in made.blockers] == ["protected"]

    def test_a_replace_with_a_move_or_an_adoption(self) -> None:
        moved = plan(wish({B: HTTP}, moved=[(A, B)]), World().ours(A, self.RAW))
        adopted = plan(wish({A: HTTP}, adopt={A: "other"}), World().theirs(A, self.RAW))
        assert [b.code for b in (*moved.blockers, *adopted.blockers)] == ["protected", "protected"]

    def test_is_judged_by_what_is_live(self) -> None:
        """Not by what was applied, nor by what is wanted."""
        lifted = World().ours(A, self.RAW).edit(A, protected=False)
        assert plan(wish({}), lifted).blockers == ()
        added = World().ours(A, CUSTOM).edit(A, protected=True)
        assert [b.code for b in plan(wish({}), added).blockers] == ["protected"]

    def test_does_not_block_updates_moves_and_records(self) -> None:
        assert plan(wish({A: CUSTOM}), World().ours(A, self.RAW)).blockers == ()
        assert plan(wish({A: {**self.RAW, "description": "new"}}), World().ours(A, self.RAW)).blockers == ()
        assert plan(wish({}), World().ours(A, self.RAW).drop(A)).blockers == ()


class TestSelection:
    WORLD = World().ours(A, CUSTOM).ours("globex/connector/a", CUSTOM).ours(C, CUSTOM)
    WISH = wish({A: HTTP, B: CUSTOM, "globex/connector/b": CUSTOM})

    def test_everything(self) -> None:
        made = plan(self.WISH, self.WORLD)
        assert len(made.changes) == 5
        assert not made.partial

    def test_targets(self) -> None:
        made = plan(self.WISH, self.WORLD, Selection(targets=frozenset({at(A), at(C)})))
        assert told(made) == {A: "replace", C: "delete"}
        assert made.partial

    def test_tenants(self) -> None:
        made = plan(self.WISH, self.WORLD, Selection(tenants=frozenset({"globex"})))
        assert {str(c.address): c.action.value for c in made.changes} == {
            "globex/connector/a": "delete",
            "globex/connector/b": "create",
        }

    def test_sorts_narrow_each_other(self) -> None:
        selection = Selection(targets=frozenset({at(A), at("globex/connector/b")}), tenants=frozenset({"globex"}))
        assert [str(c.address) for c in plan(self.WISH, self.WORLD, selection).changes] == ["globex/connector/b"]

    def test_paths_never_delete(self) -> None:
        """A PATH selects what it holds; what no file holds is in no PATH."""
        paths = frozenset(self.WISH.resources)
        made = plan(self.WISH, self.WORLD, Selection(paths=paths, deletes=False))
        assert Action.DELETE not in {c.action for c in made.changes}
        assert made.partial
        only_one = plan(self.WISH, self.WORLD, Selection(paths=frozenset({at(B)})))
        assert told(only_one) == {B: "create"}

    def test_without_deletions(self) -> None:
        made = plan(self.WISH, self.WORLD, Selection(deletes=False, replaces=False))
        assert {c.action for c in made.changes} == {Action.CREATE}
        assert made.partial

    def test_outside_changes_are_those_of_the_selection(self) -> None:
        world = World().ours(A, SQL).edit(A, max_rows=7).ours(B, SQL).edit(B, max_rows=7)
        made = plan(wish({A: SQL, B: SQL}), world, Selection(targets=frozenset({at(B)})))
        assert [o.address for o in made.outside] == [at(B)]

    def test_conflicts_outside_of_it_do_not_matter(self) -> None:
        made = plan(wish({A: CUSTOM, B: CUSTOM}), World().row(A, CUSTOM), Selection(targets=frozenset({at(B)})))
        assert told(made) == {B: "create"}

    def test_a_row_of_a_newer_tool_outside_of_it_does_not_matter(self) -> None:
        world = World().ours(A, CUSTOM).row(A, CUSTOM, "uid-1", spec_version=9)
        assert told(plan(wish({A: CUSTOM, B: CUSTOM}), world, Selection(targets=frozenset({at(B)})))) == {B: "create"}


class TestOutside:
    def test_lists_what_was_done_to_ours(self) -> None:
        world = (
            World().ours(A, SQL).edit(A, max_rows=7).ours(B, CUSTOM).drop(B).ours(C, CUSTOM).theirs("limit/x", LIMIT)
        )
        made = plan(wish({A: {**SQL, "max_rows": 7}, C: CUSTOM}), world)
        assert [(o.address, o.op, o.touch) for o in made.outside] == [
            (at(A), "changed", SOMEBODY),
            (at(B), "deleted", SOMEBODY),
        ]
        first = made.outside[0]
        assert [(f.path, f.before, f.after) for f in first.fields] == [(("max_rows",), 1000, 7)]
        assert (first.before, first.after) == (body(A, SQL), body(A, {**SQL, "max_rows": 7}))

    def test_a_default_of_a_newer_tool_is_no_outside_change(self) -> None:
        world = World().ours(A, {**SQL, "max_rows": 500}, explicit=[("type",), ("dialect",), ("dsn",)])
        assert plan(wish({A: SQL}), world).outside == ()

    def test_what_is_ignored_is_not_listed(self) -> None:
        world = World().ours(A, SQL).edit(A, max_rows=7, pool_size=9)
        made = plan(wish({A: SQL}, ignore=[ignoring("max_rows")]), world)
        assert [[f.path for f in o.fields] for o in made.outside] == [[("pool_size",)]]


LIMIT = {"target": "tenant", "concurrent": 1}


class TestHeader:
    def test_says_what_it_was_made_from(self) -> None:
        revision = Revision("c0ffee", dirty=True)
        setting = Setting("sqlite:///x.db", TODAY, "9.9", revision)
        configuration = replace(wish({A: CUSTOM}), project="shop")
        made = make_plan(configuration, World().ours(A, CUSTOM).live, setting)
        assert (made.project, made.lineage, made.generation) == ("shop", "lineage", 1)
        assert (made.database, made.database_state, made.tool_version) == ("sqlite:///x.db", "current", "9.9")
        assert (made.revision, made.configuration, made.unchanged, made.owned) == (revision, configuration.digest, 1, 1)

    @pytest.mark.parametrize("state", [DatabaseState.MISSING, DatabaseState.EMPTY])
    def test_a_database_that_is_not_there_yet(self, state: DatabaseState) -> None:
        made = make_plan(wish({A: CUSTOM}), Live(state), Setting("x", TODAY, "1"))
        assert told(made) == {A: "create"}
        assert (made.lineage, made.generation, made.database_state) == (None, 0, state.value)

    def test_an_empty_wish(self) -> None:
        made = plan(wish({}), World().ours(A, CUSTOM))
        assert made.desired_empty
        assert made.tenants_gone == ("acme",)

    def test_tenants_gone(self) -> None:
        world = World().ours(A, CUSTOM).ours("globex/connector/a", CUSTOM).ours("initech/connector/a", CUSTOM)
        made = plan(wish({B: CUSTOM}, let_go=["initech/connector/a"]), world)
        assert made.tenants_gone == ("globex",)
        assert not made.desired_empty

    def test_a_tenant_of_which_one_resource_stays_is_not_gone(self) -> None:
        assert plan(wish({B: CUSTOM}), World().ours(A, CUSTOM).ours(B, CUSTOM)).tenants_gone == ()
        assert plan(wish({A: HTTP}), World().ours(A, CUSTOM)).tenants_gone == ()

    def test_a_tenant_that_somebody_emptied_is_not_our_doing(self) -> None:
        assert plan(wish({}), World().ours(A, CUSTOM).drop(A)).tenants_gone == ()

    def test_notes_rules_that_ended(self) -> None:
        rules = [ignoring("max_rows", until=date(2026, 2, 28)), ignoring("labels", until=TODAY)]
        made = plan(wish({A: CUSTOM}, ignore=rules), World())
        assert len(made.notes) == 1
        assert "2026-02-28" in made.notes[0]
        unmatched = plan(wish({}, ignore=[ignoring("labels")]), World())
        assert "matches no resource" in unmatched.notes[0]

    def test_is_a_value(self) -> None:
        """Nothing that goes in is changed."""
        world = World().ours(A, SQL).edit(A, max_rows=7)
        wanted = resource(A, SQL)
        before = dict(wanted.body)
        first = plan(wish({A: SQL}), world)
        assert plan(wish({A: SQL}), world) == first
        assert wanted.body == before
