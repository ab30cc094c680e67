"""`moved` entries: renames, chains, circles, those that are done, and those that can't be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.errors import Refused
from reconciler.model.address import Address
from reconciler.model.configuration import Removal
from reconciler.model.live import DatabaseState, Live
from reconciler.model.plan import Action, Cause, Selection
from reconciler.planner.make import Setting, make_plan
from reconciler.planner.moves import linked

from .support import CUSTOM, HTTP, SQL, STABLE, TODAY, World, at, body, causes, change, plan, told, wish

A, B, C, D = (f"connector/{name}" for name in "abcd")
ONE, TWO, THREE = ({"type": "custom", "description": text} for text in ("one", "two", "three"))
SWAP = [(A, B), (B, A)]
SEEN = {A: [("moved", "b"), ("moved", "to", "b")], B: [("moved", "a"), ("moved", "to", "a")]}
"""What the two rows remember of these entries."""


def selected(*targets: str) -> Selection:
    return Selection(targets=frozenset(map(at, targets)))


def went(entries: Iterable[tuple[str, str]], world: World, bodies: dict[str, dict[str, str]]) -> dict[str, str | None]:
    """Where each changed resource comes from."""
    made = plan(wish(bodies, moved=entries), world)
    return {
        f"connector/{c.address.name}": str(c.previous).removeprefix("acme/") if c.previous else None
        for c in made.changes
    }


class TestRenames:
    def test_keeps_the_uid(self) -> None:
        world = World().ours(A, ONE)
        found = change(plan(wish({B: ONE}, moved=[(A, B)]), world), B)
        assert (found.action, found.previous, found.reason) == (Action.MOVE, at(A), "moved")
        assert (found.uid, found.row_version) == (world.rows[at(A)].uid, world.rows[at(A)].row_version)
        assert found.before == found.after == body(A, ONE)
        assert found.cause is Cause.CONFIGURATION

    def test_with_an_update(self) -> None:
        world = World().ours(A, ONE)
        found = change(plan(wish({B: TWO}, moved=[(A, B)]), world), B)
        assert (found.action, found.previous, found.reason) == (Action.UPDATE, at(A), "moved")
        assert found.uid == world.rows[at(A)].uid
        assert causes(found) == {"description": Cause.CONFIGURATION}

    @pytest.mark.parametrize("destroy", [True, False])
    def test_what_comes_to_a_name_that_is_left_may_be_removed(self, destroy: bool) -> None:
        """The hint of the question has to be an answer to it."""
        world = World().ours(A, ONE).ours(C, THREE)
        wanted = wish({B: ONE}, moved=[(A, B), (C, A)])
        with pytest.raises(Refused, match="is it to be destroyed"):
            plan(wanted, world)
        made = plan(replace(wanted, removals=(Removal(at(A), destroy),)), world)
        ended = Action.DELETE if destroy else Action.FORGET
        found = {str(c.address): (c.action, c.previous) for c in made.changes}
        assert found[f"acme/{B}"] == (Action.MOVE, at(A))
        assert ended in {action for action, _ in found.values()}

    def test_a_chain_over_names_that_nobody_wants(self) -> None:
        assert went([(A, B), (B, C)], World().ours(A, ONE), {C: ONE}) == {C: A}

    def test_a_chain_through_a_name_that_somebody_deleted(self) -> None:
        world = World().ours(A, ONE).ours(B, TWO).drop(B)
        made = plan(wish({C: ONE}, moved=[(A, B), (B, C)]), world)
        assert told(made) == {C: "move", B: "forget"}
        assert change(made, B).reason == "deleted-outside"

    def test_to_a_name_that_somebody_deleted(self) -> None:
        world = World().ours(A, ONE).ours(B, TWO).drop(B)
        made = plan(wish({B: ONE}, moved=[(A, B)]), world)
        assert told(made) == {B: "move"}
        assert [(o.address, o.op) for o in made.outside] == [(at(B), "deleted")]

    def test_a_swap(self) -> None:
        world = World().ours(A, ONE).ours(B, TWO)
        made = plan(wish({A: TWO, B: ONE}, moved=SWAP), world)
        assert told(made) == {A: "move", B: "move"}
        assert change(made, A).uid == world.rows[at(B)].uid
        assert change(made, B).uid == world.rows[at(A)].uid

    def test_a_shift(self) -> None:
        world = World().ours(A, ONE).ours(B, TWO)
        assert went([(A, B), (B, C)], world, {B: ONE, C: TWO}) == {B: A, C: B}

    def test_a_circle_of_three(self) -> None:
        world = World().ours(A, ONE).ours(B, TWO).ours(C, THREE)
        entries = [(A, B), (B, C), (C, A)]
        assert went(entries, world, {A: THREE, B: ONE, C: TWO}) == {A: C, B: A, C: B}

    def test_what_refers_to_it_is_told_the_new_name(self) -> None:
        source = {"type": "custom", "connector": "a"}
        world = World().ours(A, ONE).ours("datasource/s", source)
        made = plan(wish({B: ONE, "datasource/s": {**source, "connector": "b"}}, moved=[(A, B)]), world)
        assert told(made) == {B: "move", "datasource/s": "update"}
        assert [c.address.name for c in made.changes] == ["b", "s"]

    def test_a_move_is_no_deletion_and_no_creation(self) -> None:
        made = plan(wish({B: ONE}, moved=[(A, B)]), World().ours(A, ONE))
        assert (made.added, made.changed, made.destroyed) == (0, 0, 0)
        assert made.tenants_gone == ()


class TestDone:
    def test_once_the_old_name_is_gone(self) -> None:
        assert went([(A, B)], World().ours(B, ONE, moved_from=A), {B: ONE}) == {}
        assert went([(A, B)], World().ours(B, ONE, explicit=[("moved", "a")]), {B: ONE}) == {}

    def test_nothing_was_ever_there(self) -> None:
        assert went([(A, B)], World(), {B: ONE}) == {B: None}

    def test_a_swap_that_stays_in_git_does_not_swap_back(self) -> None:
        world = World().ours(A, TWO, moved_from=B).ours(B, ONE, moved_from=A)
        assert went(SWAP, world, {A: TWO, B: ONE}) == {}
        assert went(SWAP, world, {A: THREE, B: ONE}) == {A: None}

    def test_one_half_of_a_swap_was_deleted_by_hand(self) -> None:
        world = World().ours(A, TWO, moved_from=B).ours(B, ONE, moved_from=A)
        assert went(SWAP, world.drop(B), {A: TWO, B: ONE}) == {B: None}

    def test_a_shift_stays_done(self) -> None:
        world = World().ours(B, ONE, moved_from=A).ours(C, TWO, moved_from=B)
        assert went([(A, B), (B, C)], world, {B: ONE, C: TWO}) == {}

    def test_the_last_of_a_shift_was_deleted_by_hand(self) -> None:
        """What is called b now stays b: it is wanted there."""
        world = World().ours(B, ONE, moved_from=A).ours(C, TWO, moved_from=B).drop(C)
        assert went([(A, B), (B, C)], world, {B: ONE, C: TWO}) == {C: None}

    def test_a_chain_grows_later(self) -> None:
        """a -> b was applied; now b -> c follows, and the first entry is still there."""
        assert went([(A, B), (B, C)], World().ours(B, ONE, moved_from=A), {C: ONE}) == {C: B}

    def test_a_rename_back(self) -> None:
        assert went([(B, A)], World().ours(B, ONE, moved_from=A), {A: ONE}) == {A: B}

    def test_a_rename_back_with_the_old_entry_still_there(self) -> None:
        world = World().ours(B, ONE, moved_from=A)
        assert went(SWAP, world, {A: ONE}) == {A: B}

    @pytest.mark.parametrize("entries", [SWAP, [(A, B), (B, C), (C, A)]])
    def test_a_new_environment_does_not_swap_what_it_was_given(self, entries: list[tuple[str, str]]) -> None:
        """The entries were there before the resources: all were created under their new names."""
        bodies = {A: ONE, B: TWO, C: THREE}
        created = plan(wish(bodies, moved=entries), World())
        assert {c.action for c in created.changes} == {Action.CREATE}
        world = World()
        for made in created.changes:
            world.ours(
                f"connector/{made.address.name}", bodies[f"connector/{made.address.name}"], explicit=made.explicit
            )
        assert went(entries, world, bodies) == {}
        assert set(went(entries, world, {**bodies, A: TWO})) == {A}

    def test_what_is_taken_over_does_not_swap_either(self) -> None:
        configuration = wish({A: ONE, B: TWO}, moved=SWAP, adopt={A: None, B: None})
        made = plan(configuration, World().row(A, body(A, ONE)).row(B, body(B, TWO)))
        assert told(made) == {A: "adopt", B: "adopt"}
        world = World().ours(A, ONE, explicit=change(made, A).explicit)
        assert plan(configuration, world.ours(B, TWO, explicit=change(made, B).explicit)).changes == ()

    def test_that_is_remembered_as_long_as_the_entry_is_there(self) -> None:
        """By the rows at both of its ends."""
        world = World().ours(A, ONE, explicit=SEEN[A]).ours(B, TWO, explicit=SEEN[B])
        for name in (A, B):
            bodies = {A: ONE, B: TWO, name: THREE}
            assert {*change(plan(wish(bodies, moved=SWAP), world), name).explicit} >= {*SEEN[name]}
            assert not {*change(plan(wish(bodies), world), name).explicit} & {*SEEN[name]}

    def test_an_entry_that_comes_again_is_about_what_is_there_now(self) -> None:
        """a -> b was done and cleaned up; another a came, and is moved onto b, whose present resource goes."""
        world = World().ours(B, TWO, explicit=[("moved", "a")]).later().ours(A, ONE)
        made = plan(wish({B: ONE}, moved=[(A, B)]), world)
        assert [(c.action, c.uid) for c in made.changes] == [
            (Action.DELETE, world.rows[at(B)].uid),
            (Action.MOVE, world.rows[at(A)].uid),
        ]


class TestSkippedVersions:
    """What an environment finds that never applied what happened in between."""

    def test_the_old_name_is_filled_by_what_comes_from_elsewhere(self) -> None:
        """`new` came and took the name a, in versions that were not applied here."""
        moved = [("connector/new", A), (A, "connector/old")]
        world = World().ours(A, ONE)
        made = plan(wish({A: TWO, "connector/old": ONE}, moved=moved), world)
        assert told(made) == {A: "create", "connector/old": "move"}
        assert change(made, "connector/old").uid == world.rows[at(A)].uid
        assert made.notes == (
            "the move acme/connector/new -> acme/connector/a has nothing to do, because acme/connector/new is not live here: "
            "acme/connector/a is created",
        )

    def test_an_environment_that_skipped_nothing_has_the_same(self) -> None:
        moved = [("connector/new", A), (A, "connector/old")]
        world = World().ours(A, ONE).ours("connector/new", TWO)
        assert went(moved, world, {A: TWO, "connector/old": ONE}) == {A: "connector/new", "connector/old": A}

    def test_the_name_that_it_gets_is_freed_in_the_same_plan(self) -> None:
        world = World().ours(A, ONE).ours(B, TWO)
        made = plan(wish({B: THREE}, moved=[(A, B)]), world)
        assert [(c.address, c.action, c.uid, c.previous) for c in made.changes] == [
            (at(B), Action.DELETE, world.rows[at(B)].uid, None),
            (at(B), Action.UPDATE, world.rows[at(A)].uid, at(A)),
        ]
        assert made.changes[0].reason == "name-taken"
        assert (made.added, made.changed, made.destroyed) == (0, 1, 1)

    def test_what_is_protected_is_not_displaced(self) -> None:
        world = World().ours(A, ONE).ours(B, {**TWO, "protected": True})
        assert [b.code for b in plan(wish({B: ONE}, moved=[(A, B)]), world).blockers] == ["protected"]

    @pytest.mark.parametrize("selection", [Selection(deletes=False), Selection(deletes=False, replaces=False)])
    def test_where_nothing_may_be_deleted_all_stays(self, selection: Selection) -> None:
        world = World().ours(A, ONE).ours(B, TWO)
        assert plan(wish({B: ONE}, moved=[(A, B)]), world, selection).changes == ()

    def test_it_was_let_go_of_under_its_later_name(self) -> None:
        world = World().ours(A, ONE)
        assert told(plan(wish({}, moved=[(A, B)], let_go=[B]), world)) == {A: "forget"}

    def test_it_was_destroyed_under_its_later_name(self) -> None:
        configuration = replace(wish({}, moved=[(A, B)]), removals=(Removal(at(B), destroy=True),))
        assert told(plan(configuration, World().ours(A, ONE))) == {A: "delete"}


class TestUnclear:
    """What the entries leave open is a question, and never a guess."""

    def refused(self, world: World, *arguments: Any, **entries: Any) -> tuple[str, str]:
        with pytest.raises(Refused) as caught:
            plan(wish(*arguments, **entries), world)
        assert [problem.code for problem in caught.value.problems] == ["move-unclear"]
        (problem,) = caught.value.problems
        return problem.message, problem.hint or ""

    def test_a_chain_through_names_that_are_both_wanted(self) -> None:
        """b was created and moved on before a came, or after it."""
        message, hint = self.refused(World().ours(A, ONE), {B: ONE, C: TWO}, moved=[(A, B), (B, C)])
        assert message.endswith("leave open where it is now: acme/connector/b or acme/connector/c")
        assert "leave only the `moved` entry that says where it is now" in hint

    @pytest.mark.parametrize(("entry", "to"), [((A, B), B), ((A, C), C)])
    def test_and_what_answers_it(self, entry: tuple[str, str], to: str) -> None:
        assert went([entry], World().ours(A, ONE), {B: ONE, C: TWO})[to] == A

    def test_half_a_swap(self) -> None:
        """It was renamed there and back, or b came and they swapped."""
        message, _ = self.refused(World().ours(A, ONE), {A: ONE, B: TWO}, moved=SWAP)
        assert "acme/connector/b or acme/connector/a" in message

    def test_the_old_name_is_declared_again(self) -> None:
        message, hint = self.refused(World().ours(A, ONE), {A: ONE, B: TWO}, moved=[(A, B)])
        assert message.endswith("is that the same resource or a new one?")
        assert "remove the `moved` entry" in hint

    def test_unless_it_is_known_to_have_moved_before(self) -> None:
        world = World().ours(B, ONE, explicit=[("moved", "a")]).ours(A, TWO, explicit=[("moved", "to", "b")])
        assert told(plan(wish({A: TWO, B: ONE}, moved=[(A, B)]), world)) == {}

    def test_its_later_name_is_not_declared_either(self) -> None:
        """An entry that was kept longer than what it moved must not destroy what is still called by the old name."""
        message, hint = self.refused(World().ours(A, ONE), {}, moved=[(A, B)])
        assert "is it to be destroyed?" in message
        assert "removed: [{from: connector/b, destroy: true}]" in hint

    def test_what_an_entry_brought_to_a_name_never_was_here(self) -> None:
        """Elsewhere b ended, and a took its name: what is called b here must not pass for a."""
        message, hint = self.refused(World().ours(B, ONE), {B: TWO}, moved=[(A, B)])
        assert message.endswith("is acme/connector/b the same resource, or is it to be replaced?")
        assert "remove the `moved` entry to keep what is live" in hint

    def test_there_and_back(self) -> None:
        """Renamed twice, or swapped with what came and went in between."""
        message, hint = self.refused(World().ours(A, ONE), {A: ONE}, moved=SWAP)
        assert "did another take its name?" in message
        assert "remove these `moved` entries where it is the same" in hint

    def test_a_seen_entry_from_a_name_that_is_no_longer_declared(self) -> None:
        """It came by b -> a; is it to go by a -> b once more, or has it ended?"""
        world = World().ours(A, ONE, explicit=SEEN[A])
        message, _ = self.refused(world, {B: ONE}, moved=SWAP)
        assert "is it to go there again?" in message
        assert went([(A, B)], world, {B: ONE}) == {B: A}
        assert told(plan(wish({B: ONE}, moved=SWAP, let_go=[A]), world)) == {B: "create", A: "forget"}

    def test_let_go_of_under_a_later_name_and_its_own_is_wanted(self) -> None:
        world = World().ours(A, ONE)
        moved = [(C, A), (A, B)]
        self.refused(world, {A: TWO}, moved=moved, let_go=[B])
        configuration = replace(wish({A: TWO}, moved=moved), removals=(Removal(at(B), destroy=True),))
        made = plan(configuration, world)
        assert [(c.action, c.reason) for c in made.changes] == [(Action.REPLACE, "name-taken")]

    def test_the_target_is_another_projects(self) -> None:
        world = World().ours(A, ONE).theirs(B, ONE)
        message, _ = self.refused(world, {B: ONE}, moved=[(A, B)], adopt={B: "other"})
        assert "another resource is live at acme/connector/b" in message

    def test_two_entries_to_one_name(self) -> None:
        self.refused(World().ours(A, ONE).ours(B, TWO), {C: ONE}, moved=[(A, C), (B, C)])

    def test_only_where_it_is_selected(self) -> None:
        world = World().ours(A, ONE).ours(D, TWO)
        configuration = wish({A: ONE, B: TWO, D: THREE}, moved=SWAP)
        assert told(plan(configuration, world, selected(D))) == {D: "update"}
        with pytest.raises(Refused):
            plan(configuration, world, selected(A))


class TestImpossible:
    def test_a_note_says_whose_the_source_is(self) -> None:
        made = plan(wish({B: ONE}, moved=[(A, B)]), World().theirs(A, ONE))
        assert [note.partition("because ")[2] for note in made.notes] == [
            "acme/connector/a belongs to the project 'other'"
        ]

    def test_no_note_in_a_new_environment_and_of_what_is_done(self) -> None:
        assert plan(wish({B: ONE}, moved=[(A, B)]), World().ours(B, ONE, moved_from=A)).notes == ()
        fresh = Setting("a database", TODAY, "1.0")
        assert make_plan(wish({B: ONE}, moved=[(A, B)]), Live(DatabaseState.EMPTY), fresh).notes == ()

    def test_the_source_is_not_ours(self) -> None:
        assert told(plan(wish({B: ONE}, moved=[(A, B)]), World().row(A, ONE))) == {B: "create"}
        assert told(plan(wish({B: ONE}, moved=[(A, B)]), World().theirs(A, ONE))) == {B: "create"}

    def test_the_source_is_a_clone(self) -> None:
        """The address alone proves nothing: another row stands there now."""
        world = World().ours(A, ONE).row(A, body(A, ONE), "another uid")
        assert told(plan(wish({B: ONE}, moved=[(A, B)]), world)) == {B: "create", A: "forget"}

    def test_a_row_that_was_renamed_by_hand_is_not_followed(self) -> None:
        world = World().ours(A, ONE).rename(A, C)
        made = plan(wish({A: ONE}), world)
        assert told(made) == {A: "create"}
        assert change(made, A).reason == "deleted-outside"
        assert told(plan(wish({C: ONE}, moved=[(A, C)], adopt={C: None}), world)) == {C: "adopt", A: "forget"}


class TestSelection:
    @pytest.mark.parametrize("target", [A, B])
    def test_a_rename_is_selected_by_either_name(self, target: str) -> None:
        world = World().ours(A, ONE)
        assert told(plan(wish({B: ONE, D: TWO}, moved=[(A, B)]), world, selected(target))) == {B: "move"}

    @pytest.mark.parametrize("target", [A, B, C])
    def test_a_shift_is_selected_whole(self, target: str) -> None:
        """b can't be filled before what is called b has left."""
        world = World().ours(A, ONE).ours(B, TWO)
        made = plan(wish({B: ONE, C: TWO, D: ONE}, moved=[(A, B), (B, C)]), world, selected(target))
        assert told(made) == {B: "move", C: "move"}

    @pytest.mark.parametrize("target", [A, B, C])
    def test_a_circle_is_selected_whole(self, target: str) -> None:
        world = World().ours(A, ONE).ours(B, TWO).ours(C, THREE)
        entries = [(A, B), (B, C), (C, A)]
        made = plan(wish({A: THREE, B: ONE, C: TWO}, moved=entries), world, selected(target))
        assert told(made) == {A: "move", B: "move", C: "move"}

    def test_what_is_not_selected_stays_under_its_old_name(self) -> None:
        world = World().ours(A, ONE)
        assert told(plan(wish({B: ONE, D: TWO}, moved=[(A, B)]), world, selected(D))) == {D: "create"}

    def test_by_path(self) -> None:
        world = World().ours(A, ONE).ours(C, TWO)
        selection = Selection(paths=frozenset({at(B)}), deletes=False)
        assert told(plan(wish({B: ONE}, moved=[(A, B)]), world, selection)) == {B: "move"}

    def test_a_move_that_would_replace_is_left_out_with_what_follows_it(self) -> None:
        """b -> c would be a replacement, so b stays, and a can't take its name."""
        world = World().ours(A, ONE).ours(B, SQL).ours(D, ONE)
        configuration = wish({B: ONE, C: HTTP, D: TWO}, moved=[(A, B), (B, C)])
        assert told(plan(configuration, world)) == {B: "move", C: "replace", D: "update"}
        careful = Selection(deletes=False, replaces=False)
        assert told(plan(configuration, world, careful)) == {D: "update"}


class TestMixed:
    def test_with_protection(self) -> None:
        """A name is no part of what is protected."""
        raw = {**CUSTOM, "protected": True}
        made = plan(wish({B: raw}, moved=[(A, B)]), World().ours(A, raw))
        assert told(made) == {B: "move"}
        assert made.blockers == ()

    def test_with_removed(self) -> None:
        """A move wins as long as it has something to do."""
        made = plan(wish({B: ONE}, moved=[(A, B)], let_go=[A]), World().ours(A, ONE))
        assert told(made) == {B: "move"}

    def test_with_a_change_by_hand(self) -> None:
        world = World().ours(A, ONE).edit(A, description="by hand")
        made = plan(wish({B: ONE}, moved=[(A, B)]), world)
        found = change(made, B)
        assert (found.action, causes(found)) == (Action.UPDATE, {"description": Cause.OUTSIDE})
        assert [o.address for o in made.outside] == [at(A)]


NAMES = "abcdef"


@STABLE
@given(st.permutations(NAMES), st.integers(0, 6))
def test_linked_addresses_are_those_of_one_chain_or_circle(order: list[str], length: int) -> None:
    def here(name: str) -> Address:
        return at(f"connector/{name}")

    steps = {here(old): here(new) for old, new in zip(NAMES[:length], order, strict=False) if old != new}
    groups = linked(steps)
    assert groups.keys() == {*steps, *steps.values()}
    for old, new in steps.items():
        assert groups[old] == groups[new]
    for address, group in groups.items():
        assert address in group
        assert all(groups[one] == group for one in group)
        reached, grown = {address}, set[Address]()
        while reached != grown:
            grown = set(reached)
            reached |= {new for old, new in steps.items() if old in reached} | {
                old for old, new in steps.items() if new in reached
            }
        assert group == reached
