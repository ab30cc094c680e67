"""The same history of configurations at any pace: the same uid for the same thing, or a question."""

from __future__ import annotations

from random import Random

import pytest

from reconciler.errors import Refused
from reconciler.model.plan import Action

from .arena import Arena
from .paces import Environment, History, Registry, Version, configuration, history, is_lawful, paces

LENGTH = 5


def follow(story: History, pace: tuple[int, ...], arena: Arena | None = None) -> str:
    """Applies the versions of a pace, and returns how that ended: the same, refused, or lost (the files forgot too much)."""
    environment, registry = Environment(), Registry()
    if arena is not None:
        arena.reset()
    before = -1
    for number in pace:
        if before >= 0 and not is_lawful(story, before, number):
            return "lost"
        version = story.versions[number]
        try:
            plan = environment.plan(version) if arena is None else arena.plan(configuration(version))
        except Refused as error:
            return "refused" if {problem.code for problem in error.problems} == {"move-unclear"} else str(error)
        if arena is None:
            environment.apply(plan)
            assert environment.plan(version).changes == ()
            uids = environment.uids()
        else:
            arena.apply(plan)
            assert arena.plan(configuration(version)).changes == ()
            uids = dict(arena.sql("SELECT name, uid FROM resources"))
        registry.check(version, uids)
        before = number
    return "same"


def campaign(seeds: range, length: int = LENGTH) -> dict[str, int]:
    """Every pace of each seed's history; how often each ended how. Raises AssertionError for a pace that breaks the law."""
    ended: dict[str, int] = {}
    for seed in seeds:
        story = history(Random(seed), length)
        for pace in paces(length):
            try:
                end = follow(story, pace)
            except AssertionError as error:
                raise AssertionError(f"history {seed} at the pace {pace}: {error}") from error
            ended[end] = ended.get(end, 0) + 1
    return ended


def test_every_pace_of_random_histories() -> None:
    """Of those whose files still say enough, one in ten at most ends with a question; nearly none where nothing is skipped."""
    ended = campaign(range(120))
    assert ended.keys() == {"same", "refused", "lost"}
    assert ended["same"] > 10 * ended["refused"]
    unhurried = [follow(history(Random(seed), LENGTH), tuple(range(LENGTH))) for seed in range(240)]
    assert unhurried.count("same") > 0.9 * len(unhurried)
    assert unhurried.count("refused") < 0.02 * len(unhurried)


@pytest.mark.parametrize("seed", range(12))
def test_and_on_a_database(sqlite: Arena, seed: int) -> None:
    story = history(Random(seed), LENGTH)
    for pace in Random(seed).sample([*paces(LENGTH)], 3):
        assert follow(story, pace, sqlite) == follow(story, pace)


def test_a_plan_that_displaces_is_done_once(sqlite: Arena) -> None:
    """Prod skipped what freed the name: one plan ends what has it and moves another there; applied again it does nothing."""
    sqlite.reset()
    sqlite.apply(sqlite.plan(configuration(Version({"a": 1, "b": 2}))))
    (old,) = sqlite.sql("SELECT uid FROM resources WHERE name = 'a'")
    plan = sqlite.plan(configuration(Version({"b": 1}, {"a": "b"})))
    assert [change.action for change in plan.changes] == [Action.DELETE, Action.MOVE]
    assert sqlite.apply(plan).generation == 2
    assert sqlite.sql("SELECT name, uid FROM resources") == [("b", *old)]
    after = sqlite.dump()
    assert sqlite.apply(plan).generation is None
    assert sqlite.dump() == after
    assert [row[0] for row in sqlite.sql("SELECT action FROM changes WHERE generation = 2 ORDER BY position")] == [
        "delete",
        "move",
    ]


def test_the_example_of_the_issue(sqlite: Arena) -> None:
    """A suspended key stays suspended, under the name that it has now; what takes its old name is not."""
    sqlite.reset()
    sqlite.apply(sqlite.plan(configuration(Version({"a": 1}))))
    (uid,) = sqlite.sql("SELECT uid FROM resources")
    sqlite.sql("INSERT INTO statuses (tenant, uid, suspended_by) VALUES ('acme', ?, 'ada')", uid)
    sqlite.apply(sqlite.plan(configuration(Version({"b": 1, "a": 2}, {"a": "b", "c": "a"}))))
    suspended = "SELECT r.name FROM resources r JOIN statuses s ON (s.tenant, s.uid) = (r.tenant, r.uid)"
    assert sqlite.sql(suspended) == [("b",)]
    assert sqlite.sql("SELECT name FROM resources ORDER BY name") == [("a",), ("b",)]
