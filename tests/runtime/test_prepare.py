"""What ``evidence prepare`` says when it is cut short: what is there can be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.cli import main
from reconciler.runtime import parts
from tests.conftest import new_postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runtime.db"
    return new_postgres_database(request.getfixturevalue("postgres_server"))


def _interrupted(before: bool, prepare: Callable[..., Any]) -> Callable[..., Any]:
    async def cut_short(*arguments: Any) -> int:
        if not before:
            await prepare(*arguments)
        raise KeyboardInterrupt

    return cut_short


@pytest.mark.parametrize(
    ("before", "said"),
    [(True, "nothing was written."), (False, "it was written before that: the store of evidence.")],
)
def test_an_interrupt_says_what_became_of_the_store(
    store: str, before: bool, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parts, "prepare", _interrupted(before, parts.prepare))
    with pytest.raises(SystemExit) as ended:
        main(["evidence", "prepare", "--store", store])
    assert ended.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"Interrupted; {said}"
