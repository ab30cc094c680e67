"""Under the lock: what somebody changed since the plan was made must still go with what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from msgspec.structs import replace

from reconciler.errors import ConfigurationInvalid, PlanStale, Refused
from reconciler.model.body import Body
from reconciler.model.configuration import Configuration
from reconciler.planner import make
from tests.conftest import new_postgres_database
from tests.planner.fitting import fitting, some
from tests.planner.support import HTTP, SQL, wish
from tests.properties.arena import Arena, arena

C, D, T = "connector/c", "datasource/d", "template/t"
API: Body = {"type": "api", "connector": "c"}
DATABASE: Body = {"type": "database", "connector": "c"}
GET: Body = {"type": "http", "datasource": "d", "method": "GET", "path": "/v1"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest) -> Iterator[Arena]:
    url = new_postgres_database(request.getfixturevalue("postgres_server")) if request.param == "postgresql" else None
    with arena(request.param, url) as found:
        yield found


@pytest.fixture
def place(made: Arena) -> Arena:
    made.reset()
    return made


def other(configuration: Configuration) -> Configuration:
    return replace(configuration, project="other")


def refused(place: Arena, plan: object, error: type[Exception]) -> str:
    before = place.dump()
    with pytest.raises(error) as caught:
        place.apply(plan)  # type: ignore[arg-type]
    assert place.dump() == before, "a refused apply changed something"
    assert {problem.code for problem in caught.value.problems} == {"unfit-reference"}  # type: ignore[attr-defined]
    return str(caught.value)


def test_the_target_became_another_type(place: Arena) -> None:
    place.apply(place.plan(wish({C: HTTP})))
    late = place.plan(wish({C: HTTP, D: API}))
    place.apply(place.plan(wish({C: SQL})))
    assert "a datasource of type api needs a connector of type http" in refused(place, late, PlanStale)


def test_a_dependant_came_meanwhile(place: Arena) -> None:
    place.apply(place.plan(wish({C: HTTP})))
    late = place.plan(wish({C: SQL}))
    place.apply(place.plan(wish({C: HTTP, D: API, T: GET})))
    found = refused(place, late, PlanStale)
    assert "acme/datasource/d would not fit" in found
    assert "acme/template/t would not fit" in found


def test_a_dependant_of_another_project_came_meanwhile(place: Arena) -> None:
    place.apply(place.plan(wish({C: HTTP})))
    late = place.plan(wish({C: SQL}))
    place.apply(place.plan(other(wish({D: API}, external=[C]))))
    assert "acme/datasource/d would not fit" in refused(place, late, Refused)


def test_what_another_project_has_became_another_type(place: Arena) -> None:
    place.apply(place.plan(other(wish({C: HTTP}))))
    late = place.plan(wish({D: API}, external=[C]))
    place.apply(place.plan(other(wish({C: SQL}))))
    assert "acme/datasource/d would not fit" in refused(place, late, Refused)


def test_both_at_once_and_what_means_nothing_to_rules(place: Arena) -> None:
    place.apply(place.plan(wish({C: HTTP, D: API, T: GET})))
    place.apply(place.plan(wish({C: {**HTTP, "description": "new"}, D: API, T: GET})))
    place.apply(place.plan(wish({C: SQL, D: DATABASE})))


def test_a_plan_and_an_apply_give_one_answer(place: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plan refuses, an apply refuses too that was handed the same changes without the plan's own judgement."""
    answers = []
    for seed in range(24 if place.database.is_sqlite else 6):
        random = Random(seed)
        before, after = fitting(random), fitting(random)
        theirs = {name for name in before if random.random() < 0.2}
        place.reset()
        for kinds in (("connector",), ("connector", "datasource"), ("connector", "datasource", "template")):
            there = {name: body for name, body in before.items() if name.startswith(kinds)}
            place.apply(place.plan(other(wish({n: b for n, b in there.items() if n in theirs}, external=before))))
            place.apply(place.plan(wish({n: b for n, b in there.items() if n not in theirs}, external=theirs)))
        wanted = wish({name: body for name, body in after.items() if name not in theirs}, external=theirs)
        selection = some(random, {*before, *after})
        try:
            refused_by_plan = bool(place.plan(wanted, selection).blockers)
        except ConfigurationInvalid:
            refused_by_plan = True
        with monkeypatch.context() as blind:
            blind.setattr(make, "misfit_blockers", lambda *_: ())
            blind.setattr(make, "unmet_references", lambda *_: ())
            plan = place.plan(wanted, selection)
        try:
            place.apply(plan)
            refused_by_apply = False
        except (PlanStale, Refused):
            refused_by_apply = True
        assert refused_by_plan == refused_by_apply, seed
        answers.append(refused_by_plan)
    assert 0 < sum(answers) < len(answers)


def test_protection_is_judged_under_the_lock(place: Arena) -> None:
    """By what is live, and not by what the plan says of it."""
    place.apply(place.plan(wish({C: {**HTTP, "protected": True}})))
    plan = replace(place.plan(wish({})), blockers=())
    with pytest.raises(Refused, match="protected"):
        place.apply(plan)


def test_the_target_was_deleted_meanwhile(place: Arena) -> None:
    place.apply(place.plan(wish({C: HTTP})))
    late = place.plan(wish({C: HTTP, D: API}))
    place.apply(place.plan(wish({})))
    with pytest.raises(PlanStale, match="acme/datasource/d refers to acme/connector/c, which is not live"):
        place.apply(late)
