"""Whatever is wanted: an apply makes it so, the next plan is empty, and a second apply writes nothing."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.body import canonical
from reconciler.model.plan import Action

from .arena import Arena
from .strategies import Desired, examples, loaded, renamed, states, write


def _converges(arena: Arena, folder: Path, desired: Desired, spread: Random | None) -> None:
    arena.reset()
    write(folder, desired, spread)
    configuration = loaded(folder)
    plan = arena.plan(configuration)
    assert {change.address for change in plan.changes} == set(configuration.resources)
    assert {change.action for change in plan.changes} <= {Action.CREATE}
    arena.apply(plan)
    after = arena.dump()

    again = arena.plan(loaded(folder))
    assert again.changes == ()
    assert again.outside == ()
    assert again.blockers == ()
    assert again.unchanged == again.owned == len(configuration.resources)
    assert arena.apply(again).generation is None
    assert arena.apply(plan).generation is None  # the very same plan once more
    assert arena.dump() == after
    live = arena.live(configuration).rows
    assert {a: canonical(row.raw) for a, row in live.items()} == {
        a: canonical(resource.body) for a, resource in configuration.resources.items()
    }


@examples(1000)
@given(desired=states(most=2), spread=st.none() | st.integers(0, 9999).map(Random))
def test_states_converge_on_sqlite(sqlite: Arena, manifests: Path, desired: Desired, spread: Random | None) -> None:
    _converges(sqlite, manifests, desired, spread)


@examples(125)
@given(
    several=st.lists(states(tenants=("a", "b"), most=2), min_size=8, max_size=8),
    spread=st.integers(0, 9999).map(Random),
)
def test_states_converge_on_postgresql(
    postgresql: Arena, manifests: Path, several: list[Desired], spread: Random
) -> None:
    """Eight states in one apply, each with tenants of its own."""
    whole = (group for number, state in enumerate(several) for group in renamed(state, f"-{number}"))
    _converges(postgresql, manifests, tuple(whole), spread)
