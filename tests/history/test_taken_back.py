"""What a plan takes back is told from random histories: the last generation that moved a field, and to what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.history.taken_back import sentence, taken_back
from reconciler.model.address import Address
from reconciler.model.history import Generation, History, PastChange
from reconciler.model.plan import Action, Cause, Change, FieldChange

ADDRESS = Address("acme", "limit", "month")
OPERATIONS = st.sampled_from(["apply", "rollback", "revert"])


def generation(number: int, operation: str) -> Generation:
    return Generation(number, f"id-{number}", operation, "ada", "t", None, None, 0, "1", 0, 1, 0)


def body(values: tuple[int, int]) -> dict[str, int]:
    return {name: value for name, value in zip("ab", values, strict=True) if value}


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=6),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.data(),
)
def test_a_field_is_taken_back_where_it_returns_to_what_was_before(
    states: list[tuple[int, int]], wanted: tuple[int, int], data: st.DataObject
) -> None:
    bodies = [body(state) for state in states]
    past = tuple(
        PastChange(
            n,
            1,
            ADDRESS,
            "create" if n == 1 else "update",
            None,
            "u",
            None if n == 1 else bodies[n - 2],
            b,
            "",
            frozenset(),
            None,
        )
        for n, b in enumerate(bodies, 1)
    )
    operations = [data.draw(OPERATIONS) for _ in bodies]
    history = History(tuple(generation(n, o) for n, o in enumerate(operations, 1)), past)
    live, after = bodies[-1], body(wanted)
    fields = tuple(
        FieldChange((name,), "change", live.get(name), after.get(name), Cause.CONFIGURATION)
        for name in "ab"
        if live.get(name) != after.get(name)
    )
    found = taken_back([Change(ADDRESS, Action.UPDATE, live, after, fields=fields, uid="u")], history)
    expected: dict[int, list[str]] = {}
    for place, name in enumerate("ab"):
        values = [state[place] for state in states]
        moved = next((n for n in range(len(values), 1, -1) if values[n - 1] != values[n - 2]), None)
        if moved is not None and wanted[place] != values[-1] and wanted[place] == values[moved - 2]:
            expected.setdefault(moved, []).append(f"{ADDRESS} {name}")
    assert {one.generation.number: [*one.places] for one in found} == expected
    for one in found:
        assert one.generation.operation in sentence(one, len(states)) or one.generation.operation == "apply"
