"""A plan's document with changes that are made when they are asked for: the same document, and what shows it keeps none of them."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
from hypothesis import given

from reconciler.batches import BATCH, MANY
from reconciler.cli.options import print_beside_plan
from reconciler.cli.pipeline import in_repository
from reconciler.model.plan import Plan
from reconciler.plan.convert import change_document, to_document
from reconciler.plan.lazy import Mapped, document_of
from reconciler.plan.text import CHANGES
from reconciler.processes import forked
from reconciler.render.formats import DRIFT_FORMATS, PLAN_FORMATS

from .plans import PLANS
from .test_codec import many
from .test_indented import whole


def as_told(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, CHANGES: [*document[CHANGES]]}


@given(PLANS)
def test_it_is_the_document(plan: Plan) -> None:
    found = document_of(plan)
    assert as_told(found) == to_document(plan)
    assert [*found] == [*to_document(plan)]


def test_it_is_a_sequence_that_keeps_nothing() -> None:
    asked: list[int] = []
    squares = Mapped(range(10), lambda number: asked.append(number) or number * number)
    assert (len(squares), asked) == (10, [])
    assert [squares[3], squares[-1], *squares[1:3]] == [9, 81, 1, 4]
    assert asked == [3, 9, 1, 2]
    assert [*squares] == [*squares] == [number * number for number in range(10)]
    with pytest.raises(IndexError):
        squares[10]


class Counted(dict[str, Any]):
    """A change's document; how many there are at a time, at most."""

    alive = most = 0

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)
        weakref.finalize(self, self.gone)

    @staticmethod
    def gone() -> None:
        Counted.alive -= 1


@pytest.mark.parametrize("name", PLAN_FORMATS)
def test_no_format_holds_the_changes(name: str) -> None:
    """Of as many as one process shows alone, so that they can be counted here."""
    plan = many(MANY - 1)
    Counted.alive = Counted.most = 0
    document = {**document_of(plan), CHANGES: Mapped(plan.changes, lambda change: Counted(change_document(change)))}
    shown = "".join(PLAN_FORMATS[name](in_repository(document)))
    assert shown == "".join(PLAN_FORMATS[name](in_repository(to_document(plan))))
    assert Counted.most < BATCH


@pytest.mark.parametrize("name", DRIFT_FORMATS)
def test_nor_what_is_pending_beside_drift(name: str) -> None:
    plan = many(MANY - 1)
    drift = {"project": "shop", "environment": None, "generation": 1, "clean": 3, "findings": []}
    Counted.alive = Counted.most = 0
    document = {**document_of(plan), CHANGES: Mapped(plan.changes, lambda change: Counted(change_document(change)))}
    shown = "".join(DRIFT_FORMATS[name]({**drift, "pending": document}))
    assert shown == "".join(DRIFT_FORMATS[name]({**drift, "pending": to_document(plan)}))
    assert Counted.most < BATCH


@pytest.mark.parametrize("name", PLAN_FORMATS)
def test_over_processes(name: str) -> None:
    plan = many(MANY + BATCH + 1)
    assert "".join(PLAN_FORMATS[name](document_of(plan), forked)) == "".join(PLAN_FORMATS[name](to_document(plan)))


@pytest.mark.parametrize("count", [0, 1, MANY + 1])
def test_a_plan_inside_of_another_document(capsys: pytest.CaptureFixture[str], count: int) -> None:
    plan = many(count)
    print_beside_plan({"outcome": "applied", "summary": {"add": count}}, "plan", plan)
    inside = whole(plan).decode().replace("\n", "\n  ")
    assert capsys.readouterr().out == (
        f'{{\n  "outcome": "applied",\n  "summary": {{\n    "add": {count}\n  }},\n  "plan": {inside}\n}}\n'
    )
