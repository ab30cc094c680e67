"""References that a plan would leave unmet: of what it writes, and of what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import ConfigurationInvalid
from reconciler.model.plan import Selection

from .support import CUSTOM, HTTP, World, at, body, plan, told, wish

A, B, D = "connector/a", "connector/b", "datasource/d"
SOURCE = {"type": "custom", "connector": "a"}


def selected(*targets: str) -> Selection:
    return Selection(targets=frozenset(map(at, targets)))


def codes(made: Any) -> list[tuple[str, str]]:
    return [(b.code, str(b.address)) for b in made.blockers]


class TestSelected:
    def test_a_target_that_is_not_selected_and_not_live(self) -> None:
        with pytest.raises(ConfigurationInvalid) as caught:
            plan(wish({A: CUSTOM, D: SOURCE}), World(), selected(D))
        problem = caught.value.problems[0]
        assert (problem.code, problem.address) == ("reference-not-selected", "acme/datasource/d")
        assert "--target acme/connector/a" in str(problem.hint)

    def test_nothing_is_pulled_in(self) -> None:
        assert told(plan(wish({A: CUSTOM, D: SOURCE}), World(), selected(D, A))) == {A: "create", D: "create"}
        assert told(plan(wish({A: CUSTOM, D: SOURCE}), World().ours(A, HTTP), selected(D))) == {D: "create"}

    def test_a_target_that_goes_while_its_dependant_is_not_selected(self) -> None:
        world = World().ours(A, CUSTOM).ours(D, SOURCE)
        with pytest.raises(ConfigurationInvalid) as caught:
            plan(wish({}), world, selected(A))
        assert "--target acme/datasource/d" in str(caught.value.problems[0].hint)
        assert told(plan(wish({}), world, selected(A, D))) == {A: "delete", D: "delete"}

    def test_a_target_that_moves_while_its_dependant_is_not_selected(self) -> None:
        world = World().ours(A, CUSTOM).ours(D, SOURCE)
        configuration = wish({B: CUSTOM, D: {**SOURCE, "connector": "b"}}, moved=[(A, B)])
        with pytest.raises(ConfigurationInvalid):
            plan(configuration, world, selected(B))
        assert told(plan(configuration, world, selected(B, D))) == {B: "move", D: "update"}

    def test_what_was_deleted_by_hand_and_is_not_selected(self) -> None:
        world = World().ours(A, CUSTOM).drop(A).ours(D, SOURCE)
        with pytest.raises(ConfigurationInvalid):
            plan(wish({A: CUSTOM, D: {**SOURCE, "description": "x"}}), world, selected(D))
        assert plan(wish({A: CUSTOM, D: SOURCE}), world, selected(D)).changes == ()

    def test_an_accepted_change_needs_its_target_too(self) -> None:
        """An apply checks it, so the plan has to say it."""
        world = World().ours(A, CUSTOM).drop(A).ours(D, SOURCE).edit(D, description="by hand")
        with pytest.raises(ConfigurationInvalid):
            plan(wish({A: CUSTOM, D: {**SOURCE, "description": "by hand"}}), world, selected(D))


class TestExternal:
    WISH = wish({D: SOURCE}, external=[A])

    def test_missing(self) -> None:
        made = plan(self.WISH, World())
        assert told(made) == {D: "create"}
        assert codes(made) == [("external-missing", "acme/datasource/d")]

    @pytest.mark.parametrize("pattern", ["connector/a", "acme/connector/*", "*/connector/a", "connector/*"])
    def test_patterns(self, pattern: str) -> None:
        made = plan(wish({D: SOURCE}, external=[pattern]), World())
        assert codes(made) == [("external-missing", "acme/datasource/d")]

    @pytest.mark.parametrize("there", [World().theirs(A, CUSTOM), World().row(A, CUSTOM)])
    def test_there(self, there: World) -> None:
        assert plan(self.WISH, there).blockers == ()

    def test_what_does_not_change_is_not_judged(self) -> None:
        made = plan(self.WISH, World().ours(D, SOURCE))
        assert made.changes == ()
        assert made.blockers == ()

    def test_taking_over_what_refers_to_it(self) -> None:
        made = plan(wish({D: SOURCE}, adopt={D: None}, external=[A]), World().row(D, body(D, SOURCE)))
        assert told(made) == {D: "adopt"}
        assert codes(made) == [("external-missing", "acme/datasource/d")]

    def test_what_was_ours_and_was_deleted_by_hand_is_not_there(self) -> None:
        """Our record of it goes in the same plan; a record is no row."""
        made = plan(self.WISH, World().ours(A, CUSTOM).drop(A))
        assert told(made) == {A: "forget", D: "create"}
        assert codes(made) == [("external-missing", "acme/datasource/d")]

    @pytest.mark.parametrize("changed", [True, False])
    def test_what_is_ours_and_was_declared_external_by_mistake(self, changed: bool) -> None:
        """It would be deleted: letting go of it is what is meant."""
        world = World().ours(A, CUSTOM).ours(D, SOURCE)
        wanted = {**SOURCE, "description": "x"} if changed else SOURCE
        made = plan(wish({D: wanted}, external=[A]), world)
        assert ("external-missing", "acme/datasource/d") in codes(made)
        assert "destroy: false" in made.blockers[0].hint
        let_go = plan(wish({D: wanted}, external=[A], let_go=[A]), world)
        assert let_go.blockers == ()
        assert told(let_go)[A] == "forget"


class TestDependants:
    def test_of_another_project(self) -> None:
        made = plan(wish({}), World().ours(A, CUSTOM).theirs(D, SOURCE))
        assert told(made) == {A: "delete"}
        assert codes(made) == [("depended-on", "acme/connector/a")]
        assert "'other'" in made.blockers[0].message

    def test_of_nobody(self) -> None:
        made = plan(wish({}), World().ours(A, CUSTOM).row(D, SOURCE))
        assert "no project owns" in made.blockers[0].message

    def test_of_what_is_let_go_in_the_same_plan(self) -> None:
        """It stays live, with a reference to nothing."""
        made = plan(wish({}, let_go=[D]), World().ours(A, CUSTOM).ours(D, SOURCE))
        assert told(made) == {A: "delete", D: "forget"}
        assert codes(made) == [("depended-on", "acme/connector/a")]

    def test_of_a_name_that_moves(self) -> None:
        world = World().ours(A, CUSTOM).theirs(D, SOURCE)
        made = plan(wish({B: CUSTOM}, moved=[(A, B)]), world)
        assert codes(made) == [("depended-on", "acme/connector/a")]

    def test_a_name_that_another_takes_is_still_there(self) -> None:
        world = World().ours(A, CUSTOM).ours(B, {**CUSTOM, "description": "b"}).theirs(D, SOURCE)
        swapped = wish({A: {**CUSTOM, "description": "b"}, B: CUSTOM}, moved=[(A, B), (B, A)])
        made = plan(swapped, world)
        assert told(made) == {A: "move", B: "move"}
        assert made.blockers == ()

    def test_a_replace_leaves_no_gap(self) -> None:
        assert plan(wish({A: HTTP}), World().ours(A, CUSTOM).theirs(D, SOURCE)).blockers == ()

    def test_in_another_tenant_it_is_another_name(self) -> None:
        assert plan(wish({}), World().ours(A, CUSTOM).theirs("globex/datasource/d", SOURCE)).blockers == ()

    def test_by_kind_and_name(self) -> None:
        limit = {"target": "connector/a", "concurrent": 1}
        made = plan(wish({}), World().ours(A, CUSTOM).theirs("limit/l", limit))
        assert codes(made) == [("depended-on", "acme/connector/a")]

    @pytest.mark.parametrize("raw", [[1], '{"connector": "\\ud800"}', {"connector": ["a"]}, {}, "null"])
    def test_rows_that_can_not_be_read_refer_to_nothing(self, raw: Any) -> None:
        assert plan(wish({}), World().ours(A, CUSTOM).row(D, raw)).blockers == ()

    def test_all_of_them_in_order(self) -> None:
        world = World().ours(A, CUSTOM)
        for name in ("z", "m", "b"):
            world.theirs(f"datasource/{name}", SOURCE)
        found = [b.message.split(",")[0] for b in plan(wish({}), world).blockers]
        assert found == [f"acme/datasource/{name}" for name in ("b", "m", "z")]
