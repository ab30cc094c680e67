"""Who owns a row and what is protected: a plan and an apply ask the same functions over the same states."""

from __future__ import annotations

from random import Random

from reconciler.apply.decide import Locked
from reconciler.errors import Refused
from reconciler.planner.protection import protected

from .support import CUSTOM, HTTP, World, at, plan, wish

NAMES = [f"connector/{name}" for name in "abcde"]


def world(random: Random) -> World:
    """Ours, others' and nobody's; some protected, edited, dropped or cloned by hand."""
    found = World()
    for name in NAMES:
        body = {**random.choice([CUSTOM, HTTP]), "protected": random.random() < 0.3}
        fate = random.randrange(6)
        if fate < 3:
            found.ours(name, body)
            if fate == 1:
                found.edit(name, protected=random.random() < 0.5)
            elif random.random() < 0.2:
                found.drop(name)
            elif random.random() < 0.2:
                found.row(name, found.rows[at(name)].raw, "another uid")
        elif fate == 3:
            found.theirs(name, body)
        elif fate == 4:
            found.row(name, body)
    return found


def test_a_plan_and_an_apply_give_one_answer() -> None:
    held = 0
    for seed in range(300):
        random = Random(seed)
        there = world(random)
        live = there.live
        locked = Locked(live.rows, live.applied, live.owners, frozenset())
        for name in NAMES:
            assert live.owns(at(name)) == locked.owns(at(name))
            assert live.owner(at(name)) == locked.owner(at(name))
        wanted = {name: CUSTOM for name in NAMES if random.random() < 0.5 and live.owner(at(name)) is None}
        try:
            made = plan(wish(wanted, adopt=dict.fromkeys(wanted)), there)
        except Refused:
            continue
        found = [blocker for blocker in made.blockers if blocker.code == "protected"]
        assert found == [*protected(made.changes, locked.body_before)], seed
        held += len(found)
    assert held > 50
