"""Plans for the tests of their files: one of every action, and random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from reconciler.errors import Place
from reconciler.model.address import Address
from reconciler.model.binding import Reviewed
from reconciler.model.effects import Effect, Effects, Reach
from reconciler.model.plan import (
    Action,
    Blocker,
    Cause,
    Change,
    FieldChange,
    OutsideChange,
    Plan,
    Revision,
    Touch,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAME = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
BODY = st.dictionaries(TEXT, JSON, max_size=3)
ADDRESS = st.builds(Address, NAME, st.sampled_from(["connector", "limit", "agent"]), NAME)
TOUCH = st.builds(Touch, TEXT, TEXT)
PATH = st.lists(TEXT | st.integers(0, 9), max_size=3).map(tuple)
FIELD = st.builds(FieldChange, PATH, st.sampled_from(["add", "remove", "change"]), JSON, JSON, st.sampled_from(Cause))
PLACE = st.builds(Place, TEXT, st.none() | st.integers(1, 9), st.none() | st.integers(1, 9))
CHANGE = st.builds(
    Change,
    address=ADDRESS,
    action=st.sampled_from(Action),
    old=st.none() | BODY,
    new=st.none() | BODY,
    fields=st.lists(FIELD, max_size=2).map(tuple),
    previous=st.none() | ADDRESS,
    adopted_from=st.none() | TEXT,
    reason=TEXT,
    outside=st.none() | TOUCH,
    uid=st.none() | TEXT,
    row_version=st.none() | st.integers(0, 2**63 - 1),
    explicit=st.lists(PATH, max_size=2).map(tuple),
    source=st.none() | PLACE,
    unchanged=st.integers(0, 99),
    sources=st.lists(st.tuples(PATH, PLACE), max_size=2).map(tuple),
)
OUTSIDE = st.builds(
    OutsideChange,
    ADDRESS,
    st.sampled_from(["changed", "deleted"]),
    st.none() | BODY,
    st.none() | BODY,
    st.lists(FIELD, max_size=2).map(tuple),
    TOUCH,
)
PLANS = st.builds(
    Plan,
    project=NAME,
    environment=st.none() | NAME,
    lineage=st.none() | TEXT,
    apply_id=st.none() | TEXT,
    generation=st.integers(0, 2**40),
    database=TEXT,
    database_state=st.sampled_from(["missing", "empty", "foreign", "older", "current", "newer"]),
    configuration=TEXT,
    tool_version=TEXT,
    changes=st.lists(CHANGE, max_size=3).map(tuple),
    outside=st.lists(OUTSIDE, max_size=2).map(tuple),
    unchanged=st.integers(0, 99),
    owned=st.integers(0, 99),
    tenants_gone=st.lists(NAME, max_size=2).map(tuple),
    desired_empty=st.booleans(),
    partial=st.booleans(),
    revision=st.none() | st.builds(Revision, TEXT, st.booleans()),
    notes=st.lists(TEXT, max_size=2).map(tuple),
    secrets=st.lists(st.builds(Reviewed, NAME, NAME, TEXT), max_size=2).map(tuple),
    blockers=st.lists(st.builds(Blocker, TEXT, TEXT, TEXT, st.none() | ADDRESS), max_size=2).map(tuple),
    effects=st.builds(
        Effects,
        st.lists(
            st.builds(
                Effect,
                *(TEXT, TEXT, st.booleans()),
                st.lists(st.builds(Reach, TEXT, TEXT, st.none() | TEXT, st.none() | TEXT, TEXT), max_size=2).map(tuple),
                st.integers(0, 10**6),
                st.lists(ADDRESS, max_size=2).map(tuple),
                st.lists(TEXT, max_size=2).map(tuple),
                st.none() | TEXT,
            ),
            max_size=2,
        ).map(tuple),
        *[st.integers(0, 10**6)] * 3,
    ),
)

OLD: dict[str, Any] = {"type": "custom", "description": "old ü😀"}
NEW: dict[str, Any] = {"type": "custom", "description": "new"}
BOB = Touch("bob", "2026-02-28T01:00:00Z")


def _at(name: str) -> Address:
    return Address("acme", "connector", name)


def _change(name: str, action: Action, before: Any, after: Any, **more: Any) -> Change:
    fields: tuple[FieldChange, ...] = ()
    if before is not None and after is not None and before != after:
        fields = (FieldChange(("description",), "change", "old ü😀", "new", Cause.BOTH),)
    return Change(_at(name), action, before, after, fields, uid=f"uid-{name}", row_version=7, **more)


EXAMPLE = Plan(
    project="shop",
    environment="prod",
    lineage="11111111-2222-3333-4444-555555555555",
    apply_id="66666666-7777-4888-9999-000000000000",
    generation=4,
    database="postgresql://db/shop",
    database_state="current",
    configuration="0" * 32,
    tool_version="1.0",
    changes=(
        _change("a", Action.CREATE, None, NEW, explicit=(("type",),), source=Place("x.yaml", 3, 5)),
        _change("b", Action.UPDATE, OLD, NEW, outside=BOB, unchanged=4),
        _change("c", Action.REPLACE, OLD, NEW, reason="type-changed"),
        _change("d", Action.DELETE, OLD, None, reason="not-in-configuration"),
        _change("e", Action.MOVE, OLD, OLD, previous=_at("old"), reason="moved"),
        _change("f", Action.ADOPT, OLD, OLD, adopted_from="other", reason="adopted"),
        _change("g", Action.FORGET, OLD, OLD, reason="removed-block"),
    ),
    outside=(
        OutsideChange(_at("b"), "changed", OLD, NEW, (FieldChange(("n", 0), "add", None, 1, Cause.OUTSIDE),), BOB),
        OutsideChange(_at("z"), "deleted", OLD, None, (), BOB),
    ),
    unchanged=3,
    owned=9,
    tenants_gone=("globex",),
    revision=Revision("c0ffee", dirty=True),
    notes=("a note",),
    blockers=(Blocker("protected", "no", "set it", _at("d")), Blocker("x", "y")),
)
