"""A database belongs to one environment of a project."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.errors import Refused
from reconciler.model.live import DatabaseState, Live, ProjectRow
from reconciler.planner.make import Setting, make_plan

from .support import CUSTOM, TODAY, told, wish


@pytest.mark.parametrize(("there", "asked"), [("prod", "dev"), ("prod", None), (None, "dev")])
def test_another_one_is_refused(there: str | None, asked: str | None) -> None:
    live = Live(DatabaseState.CURRENT, ProjectRow("shop", "lineage", there, 1))
    with pytest.raises(Refused) as caught:
        make_plan(replace(wish({}), environment=asked), live, Setting("x", TODAY, "1"))
    assert caught.value.problems[0].code == "wrong-environment"


@pytest.mark.parametrize("environment", ["prod", None])
def test_the_same_one_and_a_new_project(environment: str | None) -> None:
    configuration = replace(wish({"connector/a": CUSTOM}), environment=environment)
    row = ProjectRow("shop", "lineage", environment, 1)
    for live in (Live(DatabaseState.CURRENT, row), Live(DatabaseState.CURRENT), Live(DatabaseState.EMPTY)):
        made = make_plan(configuration, live, Setting("x", TODAY, "1"))
        assert told(made) == {"connector/a": "create"}
        assert made.environment == environment
