"""`adopt` entries that stay in git: a row goes to each project once at most, and never back and forth."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from msgspec.structs import replace

from reconciler.errors import Refused
from reconciler.model.configuration import Adoption, Configuration
from tests.conftest import new_postgres_database
from tests.planner.support import CUSTOM, at, wish
from tests.properties.arena import Arena, arena

C = "connector/c"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest) -> Iterator[Arena]:
    url = new_postgres_database(request.getfixturevalue("postgres_server")) if request.param == "postgresql" else None
    with arena(request.param, url) as found:
        yield found


@pytest.fixture
def place(made: Arena) -> Arena:
    made.reset()
    return made


def project(name: str, adopts_from: str | None = None, note: str = "") -> Configuration:
    adopt = {C: adopts_from} if adopts_from else {}
    return replace(wish({C: {**CUSTOM, "description": note}}, adopt=adopt), project=name)


def owner(place: Arena) -> str:
    ((found,),) = place.sql("SELECT project FROM resources")
    return str(found)


def test_two_projects_do_not_take_it_from_each_other(place: Arena) -> None:
    one, two = project("one", "two"), project("two", "one")
    place.apply(place.plan(one))
    place.apply(place.plan(two))
    assert owner(place) == "two"
    with pytest.raises(Refused, match="was taken over from this project by 'two': which of the two") as caught:
        place.plan(one)
    assert [problem.code for problem in caught.value.problems] == ["adopted-since"]
    assert "reconciler adopt acme/connector/c --from-project two" in (caught.value.problems[0].hint or "")
    assert place.plan(two).changes == ()


def test_that_is_remembered_when_the_entry_is_gone(place: Arena) -> None:
    place.apply(place.plan(project("one")))
    place.apply(place.plan(project("two", "one")))
    place.apply(place.plan(project("two", note="cleaned up")))
    with pytest.raises(Refused, match="was taken over from this project"):
        place.plan(project("one", "two"))


def test_by_hand_it_comes_back_and_stays(place: Arena) -> None:
    place.apply(place.plan(project("one")))
    place.apply(place.plan(project("two", "one")))
    by_hand = replace(project("one"), adoptions=(Adoption(at(C), "two", again=True),))
    place.apply(place.plan(by_hand))
    assert owner(place) == "one"
    with pytest.raises(Refused, match="was taken over from this project by 'one'"):
        place.plan(project("two", "one"))


def test_what_was_let_go_of_can_be_taken_over_again(place: Arena) -> None:
    place.apply(place.plan(project("one")))
    place.apply(place.plan(project("two", "one")))
    place.apply(place.plan(replace(wish({}, let_go=[C]), project="two")))
    place.apply(place.plan(project("one", "two")))
    assert owner(place) == "one"


def test_a_row_goes_to_each_project_once(place: Arena) -> None:
    """Projects in a ring, each with an entry to take from the one before; applied in any order, with changes in between."""
    names = ["one", "two", "three"]
    for seed in range(6 if place.database.is_sqlite else 2):
        random, owners = Random(seed), list[str]()
        place.reset()
        place.apply(place.plan(project("one")))
        for step in range(14):
            name = random.choice(names)
            before = names[names.index(name) - 1]
            try:
                place.apply(place.plan(project(name, before, str(step) if random.random() < 0.5 else "")))
            except Refused:
                continue
            owners.append(owner(place))
        changes = [one for one, last in zip(owners, ["", *owners], strict=False) if one != last]
        assert len(changes) == len({*changes}), (seed, changes)
