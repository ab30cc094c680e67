"""Two digests of a plan: one of what it would do, one of where that was written."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.errors import Place
from reconciler.model.plan import Change, Plan, Revision
from reconciler.plan import codec
from reconciler.plan.convert import to_document

from .oracle import content_digest, sources_digest
from .plans import EXAMPLE, PLANS


def digests(plan: Plan) -> tuple[str, str]:
    document = to_document(plan)
    written = codec.write(plan, io.BytesIO(), None).digests
    assert written == (document["digest"], document["sources_digest"])
    assert written == (content_digest(document), sources_digest(document))
    return written


def elsewhere(change: Change, place: Place | None) -> Change:
    fields = tuple(replace(field, source=place) for field in change.fields)
    sources = tuple((path, place) for path, _ in change.sources) if place else ()
    return replace(change, source=place, fields=fields, sources=sources)


@given(PLANS, st.sampled_from([None, Place("other.yaml", 99, 1), Place('x","tenant":"y', 1, None)]))
def test_places_and_commits_move_the_second_one_only(plan: Plan, place: Place | None) -> None:
    moved = replace(plan, changes=tuple(elsewhere(one, place) for one in plan.changes), revision=Revision("f00"))
    before, after = digests(plan), digests(moved)
    assert after[0] == before[0]
    assert (after[1] == before[1]) == (_places(moved) == _places(plan))


def test_places_of_the_example_move_the_second_one_only() -> None:
    """Without chance: the example has places, and all of them move."""
    place = Place("other.yaml", 99, 1)
    moved = replace(EXAMPLE, changes=tuple(elsewhere(one, place) for one in EXAMPLE.changes))
    before, after = digests(EXAMPLE), digests(moved)
    assert _places(moved) != _places(EXAMPLE)
    assert after[0] == before[0]
    assert after[1] != before[1]


def _places(plan: Plan) -> Any:
    return plan.revision, [(one.source, [f.source for f in one.fields], one.sources) for one in plan.changes]


def test_what_a_plan_would_do_moves_the_first_one() -> None:
    for number, change in enumerate(EXAMPLE.changes):
        other = replace(change, uid="another")
        changes = (*EXAMPLE.changes[:number], other, *EXAMPLE.changes[number + 1 :])
        assert digests(replace(EXAMPLE, changes=changes))[0] != digests(EXAMPLE)[0]
