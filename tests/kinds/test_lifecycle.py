"""The life of an integration: states and status."""

from __future__ import annotations

import itertools

import pytest

from reconciler.kinds.lifecycle import (
    State,
    Status,
    after_apply,
    after_credential_test,
    move,
    resume,
    state,
    suspend,
    usable,
)

ALLOWED = {
    ("created", "enabled"),
    ("created", "deleted"),
    ("enabled", "disabled"),
    ("enabled", "deleted"),
    ("disabled", "enabled"),
    ("disabled", "deleted"),
}


@pytest.mark.parametrize(("current", "target"), list(itertools.product(State, State)))
def test_moves(current: State, target: State) -> None:
    if (current.value, target.value) in ALLOWED:
        assert move(current, target) is target
    else:
        with pytest.raises(ValueError, match="cannot become"):
            move(current, target)


@pytest.mark.parametrize(
    ("enabled", "ever", "deleted", "expected"),
    [
        (False, False, False, State.CREATED),
        (True, False, False, State.ENABLED),
        (True, True, False, State.ENABLED),
        (False, True, False, State.DISABLED),
        (True, True, True, State.DELETED),
        (False, False, True, State.DELETED),
    ],
)
def test_names_of_states(enabled: bool, ever: bool, deleted: bool, expected: State) -> None:
    assert state(enabled, ever, deleted) is expected


SUSPENDED = Status(suspended_by="ada", suspended_reason="leak")
BROKEN = Status(error="401")


@pytest.mark.parametrize(
    ("enabled", "status", "expected"),
    [
        (True, Status(), True),
        (False, Status(), False),
        (True, SUSPENDED, False),
        (True, BROKEN, False),
        (True, Status(error=""), False),
    ],
)
def test_usable(enabled: bool, status: Status, expected: bool) -> None:
    assert usable(enabled, status) is expected


@pytest.mark.parametrize("field", ["credential", "config", "base_url", "provider"])
def test_a_change_of_what_the_error_was_about_clears_it(field: str) -> None:
    both = Status("ada", "leak", "401")
    assert after_apply(both, ["labels", field]) == SUSPENDED


@pytest.mark.parametrize("fields", [[], ["labels"], ["models", "enabled", "description"]])
def test_other_changes_do_not(fields: list[str]) -> None:
    assert after_apply(BROKEN, fields) is BROKEN


def test_an_apply_never_lifts_a_suspension() -> None:
    assert after_apply(SUSPENDED, ["credential", "enabled", "config"]).suspended


def test_credential_tests() -> None:
    assert after_credential_test(BROKEN, True) == Status()
    assert after_credential_test(Status(), False, "403").error == "403"
    assert after_credential_test(Status(), False).error
    assert after_credential_test(Status("ada", "x", "401"), True) == Status("ada", "x")


def test_suspending() -> None:
    assert suspend(Status(error="401"), "ada", "leak") == Status("ada", "leak", "401")
    assert resume(Status("ada", "leak", "401")) == BROKEN
    with pytest.raises(ValueError, match="already"):
        suspend(SUSPENDED, "bob", "x")
    with pytest.raises(ValueError, match="not suspended"):
        resume(Status())
    with pytest.raises(ValueError, match="names who"):
        suspend(Status(), "", "x")
