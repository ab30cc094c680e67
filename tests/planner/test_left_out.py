"""Over random states: what is planned and what is left out are together what would be planned of everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.model.plan import Plan, Selection
from reconciler.plan.selected import selection_document
from reconciler.planner.left_out import MOST, with_left_out
from reconciler.planner.make import EVERYTHING, Setting, make_plan
from reconciler.render.left_out import NO_CHANGES, left_out_lines, no_changes

from .support import CUSTOM, HTTP, SQL, STABLE, TODAY, World, at, ignoring, wish

ENTRIES = [f"{tenant}/connector/{name}" for tenant in ("acme", "globex") for name in "abc"]
BODIES = [CUSTOM, {"type": "custom", "description": "x"}, HTTP, SQL]
STATES = st.dictionaries(st.sampled_from(ENTRIES), st.sampled_from(BODIES))
SELECTIONS = st.builds(
    Selection,
    paths=st.none() | st.frozensets(st.sampled_from([*map(at, ENTRIES)])),
    targets=st.frozensets(st.sampled_from([*map(at, ENTRIES)]), max_size=2),
    tenants=st.frozensets(st.sampled_from(["acme", "globex"]), max_size=1),
    deletes=st.booleans(),
    replaces=st.booleans(),
)
SETTING = Setting("sqlite:///x", TODAY, "1")


def _both(
    live: dict[str, object], wanted: dict[str, object], selection: Selection, field: str = ""
) -> tuple[Plan, Plan]:
    world = World()
    for entry, raw in live.items():
        world.ours(entry, raw)  # type: ignore[arg-type]
    made = wish(wanted, ignore=[ignoring(field)] if field else ())  # type: ignore[arg-type]
    plan = make_plan(made, world.live, SETTING, selection)
    return with_left_out(plan, made, world.live, SETTING, selection), make_plan(made, world.live, SETTING, EVERYTHING)


@STABLE
@given(STATES, STATES, SELECTIONS)
def test_nothing_is_lost(live: dict[str, object], wanted: dict[str, object], selection: Selection) -> None:
    plan, whole = _both(live, wanted, selection)
    assert len(plan.changes) + sum(one.count for one in plan.left_out) == len(whole.changes)
    named = {address for one in plan.left_out for address in one.addresses}
    assert named | {change.address for change in plan.changes} == {change.address for change in whole.changes}
    assert (no_changes(selection_document(plan)) == NO_CHANGES) is (len(plan.changes) == len(whole.changes))
    assert len([*left_out_lines(selection_document(plan))]) == len(plan.left_out)
    for one in plan.left_out:
        assert all(selection.selects(address) is (one.why != "not-selected") for address in one.addresses)


@STABLE
@given(STATES, STATES)
def test_what_a_rule_covers_is_counted(live: dict[str, object], wanted: dict[str, object]) -> None:
    plan, _ = _both(live, wanted, EVERYTHING, "description")
    differ = {
        at(e) for e in live.keys() & wanted.keys() if {live[e] is BODIES[0], wanted[e] is BODIES[0]} == {True, False}
    }
    differ &= {at(e) for e in live.keys() & wanted.keys() if {str(live[e]), str(wanted[e])} == {*map(str, BODIES[:2])}}
    assert {address for one in plan.left_out for address in one.addresses} == differ
    assert sum(one.count for one in plan.left_out) == len(differ)


def test_what_is_too_much_is_not_compared() -> None:
    many = {f"acme/connector/n{n}": CUSTOM for n in range(MOST + 1)}
    selection = replace(EVERYTHING, targets=frozenset({at("acme/connector/n1")}))
    plan, _ = _both({}, many, selection)  # type: ignore[arg-type]
    assert [(one.why, one.count) for one in plan.left_out] == [("not-compared", MOST)]
    assert NO_CHANGES not in no_changes(selection_document(plan))
