"""`moved` entries: renames, chains, circles, those that are done, and those that can't be."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.model.plan import Action, Cause, Selection
from reconciler.planner.moves import linked

from .support import CUSTOM, HTTP, SQL, STABLE, World, at, body, causes, change, plan, told, wish

A, B, C, D = (f"connector/{name}" for name in "abcd")
ONE, TWO, THREE = ({"type": "custom", "description": text} for text in ("one", "two", "three"))
SWAP = [(A, B), (B, A)]


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

    def test_a_chain_stops_at_what_is_wanted(self) -> None:
        assert went([(A, B), (B, C)], World().ours(A, ONE), {B: ONE, C: TWO}) == {B: A, C: None}

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
    @pytest.mark.parametrize("moved_from", [A, None])
    def test_once_the_old_name_is_gone(self, moved_from: str | None) -> None:
        assert went([(A, B)], World().ours(B, ONE, moved_from=moved_from), {B: ONE}) == {}

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

    def test_one_was_there_and_the_other_is_new(self) -> None:
        made = plan(wish({A: ONE, B: TWO}, moved=SWAP), World().ours(A, ONE))
        assert told(made) == {B: "create"}
        world = World().ours(A, ONE).ours(B, TWO, explicit=change(made, B).explicit)
        assert went(SWAP, world, {A: ONE, B: TWO}) == {}

    def test_what_is_taken_over_does_not_swap_either(self) -> None:
        configuration = wish({A: ONE, B: TWO}, moved=SWAP, adopt={B: None})
        made = plan(configuration, World().ours(A, ONE).row(B, body(B, TWO)))
        assert told(made) == {B: "adopt"}
        world = World().ours(A, ONE).ours(B, TWO, explicit=change(made, B).explicit)
        assert plan(configuration, world).changes == ()

    def test_that_is_remembered_as_long_as_the_entry_is_there(self) -> None:
        world = World().ours(A, ONE).ours(B, TWO, explicit=[("moved", "a")])
        assert ("moved", "a") in change(plan(wish({A: ONE, B: THREE}, moved=SWAP), world), B).explicit
        assert ("moved", "a") not in change(plan(wish({A: ONE, B: THREE}), world), B).explicit


class TestImpossible:
    def test_the_target_is_ours_and_wanted(self) -> None:
        world = World().ours(A, ONE).ours(B, TWO)
        made = plan(wish({B: TWO}, moved=[(A, B)]), world)
        assert told(made) == {A: "delete"}

    def test_the_target_is_another_projects(self) -> None:
        world = World().ours(A, ONE).theirs(B, ONE)
        assert told(plan(wish({B: ONE}, moved=[(A, B)], adopt={B: "other"}), world)) == {A: "delete", B: "adopt"}

    def test_the_source_is_not_ours(self) -> None:
        assert told(plan(wish({B: ONE}, moved=[(A, B)]), World().row(A, ONE))) == {B: "create"}
        assert told(plan(wish({B: ONE}, moved=[(A, B)]), World().theirs(A, ONE))) == {B: "create"}

    def test_the_source_is_a_clone(self) -> None:
        """The address alone proves nothing: another row stands there now."""
        world = World().ours(A, ONE).row(A, body(A, ONE), "another uid")
        assert told(plan(wish({B: ONE}, moved=[(A, B)]), world)) == {B: "create", A: "forget"}

    def test_half_a_swap(self) -> None:
        """b is not there: a stays wanted, nothing would take its place."""
        assert told(plan(wish({A: ONE, B: TWO}, moved=SWAP), World().ours(A, ONE))) == {B: "create"}

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
