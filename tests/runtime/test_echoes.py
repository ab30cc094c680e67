"""The mediator is the one exit of answers, and scrubs them there; what is no secret passes unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.access.decide import Ask
from reconciler.runtime.call import Answer
from reconciler.secrets.scrub import Scrubber
from tests.conftest import Db
from tests.runtime.connectors.echo_forms import SECRET
from tests.runtime.worlds import BOT, World, in_world

TOP = "template/top"


def test_the_mediator_is_the_exit(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        world.mediator.pools.secrets("acme").add("12345678")
        world.mediator.pools.secrets("globex").add("of-globex")
        content = {"a": "x 12345678 y", "12345678": 12345678, "b": 123456789, "c": ["of-globex", 1.5, None, True]}
        world.outside.does = lambda _call: Answer(content, 1, 9)
        done = await world.mediator.access(BOT, Ask(TOP), {"region": "eu"})
        assert done.answer.content == {
            "a": "x *** y",
            "***": "***",
            "b": "***",
            "c": ["of-globex", 1.5, None, True],
        }
        assert b"12345678" not in done.answer.json

    in_world(db, folder, work)


@pytest.mark.parametrize(
    "honest", ["Ann Example, 50% & more", "a\\nb", "aGVsbG8gd29ybGQ=", "7c9e6679-7425-40de-944b-e07fc1f90ae7"]
)
def test_what_is_no_secret_stays(honest: str) -> None:
    known = Scrubber("***")
    known.add(SECRET)
    value = {"k": [honest, 1, None], honest: 2.5}
    assert not known.is_in(json.dumps(value))
    assert known.value(value, keys=True) == value


def test_as_many_secrets_are_known_as_may_be() -> None:
    known = Scrubber("***", most=2)
    for one in ("first-secret", "second-secret", "third-secret"):
        known.add(one)
    assert known.text("first-secret second-secret third-secret") == "first-secret *** ***"


def test_forms_that_overlap_leave_no_rest() -> None:
    known = Scrubber("***")
    known.add("abcdefgh")
    known.add("efghijklmnop")
    assert known.text("xabcdefghijklmnopx") == "x***x"
