"""The fate of a write transaction is known at its end, whenever an interrupt comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import RootTransaction

from reconciler.committed import Fate, Write
from reconciler.errors import OutcomeUnknown
from reconciler.store import transact
from reconciler.store.transact import transacting
from reconciler.store.url import Database
from tests.conftest import Db, Run


@pytest.fixture
def database(db: Db, run: Run, folder: Any) -> Database:
    """With a schema, and one generation."""
    from reconciler.store.url import parse_database
    from tests.apply.processes import limits

    (folder / "acme.yaml").write_text(limits(a=1))
    run("apply", "--auto-approve").ok()
    return parse_database(db.url, folder)


def write(database: Database, known: Write) -> None:
    with transacting(database, 5, known) as connection:
        connection.execute(text("UPDATE projects SET git_commit = 'new'"))


def is_written(db: Db) -> bool:
    return db.sql("SELECT git_commit FROM projects") == [("new",)]


def at_commit(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Do that around the next commit, and around no other."""
    commit: Callable[[RootTransaction], None] = RootTransaction.commit

    def changed(self: RootTransaction) -> None:
        monkeypatch.setattr(RootTransaction, "commit", commit)
        before()
        commit(self)
        after()

    monkeypatch.setattr(RootTransaction, "commit", changed)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def nothing() -> None:
    return None


def raise_interrupt(*_: Any) -> bool:
    raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupt_around_commit(db: Db, database: Database, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Just before it is sent, and just after it was done."""
    at_commit(monkeypatch, *((interrupt, nothing) if moment == "before" else (nothing, interrupt)))
    known = Write("a test")
    with suppress(KeyboardInterrupt):
        write(database, known)
    assert known.fate is (Fate.WRITTEN if is_written(db) else Fate.NOT_WRITTEN)


def test_a_block_that_fails_writes_nothing(db: Db, database: Database) -> None:
    known = Write("a test")

    def fail() -> None:
        with transacting(database, 5, known) as connection:
            connection.execute(text("UPDATE projects SET git_commit = 'new'"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert known.fate is Fate.NOT_WRITTEN
    assert not is_written(db)


def test_interrupted_again_while_the_commit_is_looked_up(
    db: Db, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows then; the record must not say that nothing was written."""
    if db.is_sqlite:
        return  # a file answers at once: there is nothing to look up
    at_commit(monkeypatch, nothing, interrupt)
    monkeypatch.setattr(transact, "_settle", raise_interrupt)
    known = Write("a test")
    with pytest.raises(KeyboardInterrupt):
        write(database, known)
    assert known.fate is Fate.UNKNOWN


@pytest.mark.parametrize("committed", [True, False])
def test_an_interrupt_during_the_look_up_ends_it_with_an_answer(
    db: Db, database: Database, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    if db.is_sqlite:
        return
    at_commit(monkeypatch, *((nothing, interrupt) if committed else (interrupt, nothing)))
    look_up = transact._look_up

    def interrupted(*asked: Any) -> Fate:
        monkeypatch.setattr(transact, "_look_up", look_up)
        raise KeyboardInterrupt

    monkeypatch.setattr(transact, "_look_up", interrupted)
    known = Write("a test")
    with pytest.raises(KeyboardInterrupt):
        write(database, known)
    assert known.fate is (Fate.WRITTEN if committed else Fate.NOT_WRITTEN)
    assert is_written(db) is committed


def test_a_database_that_can_not_be_asked(db: Db, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    if db.is_sqlite:
        return
    at_commit(monkeypatch, nothing, interrupt)
    monkeypatch.setattr(transact, "LOOK_UP_SECONDS", 0.1)
    monkeypatch.setattr(transact, "_look_up", lambda *_: Fate.UNKNOWN)
    known = Write("a test")
    with pytest.raises(OutcomeUnknown, match="is in force wholly or not at all"):
        write(database, known)
    assert known.fate is Fate.UNKNOWN


def test_numbers_of_another_server_mean_nothing(db: Db, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server that was started anew, or a replica that took over, the audit trail is asked."""
    if db.is_sqlite:
        return
    from reconciler.model.audit import Actor
    from reconciler.store.audit import note
    from reconciler.store.connect import reading

    known, other = Write("a test"), Write("another")
    with transacting(database, 5, known) as connection:
        note(connection, "freeze", Actor("ada"), {"target": "platform", "reason": "x"})
    with reading(database) as connection:
        number = connection.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one()
        aborted_here = str(int(number) - 1)
        assert transact._look_up(connection, known, aborted_here, "another start") is Fate.WRITTEN
        assert transact._look_up(connection, other, aborted_here, "another start") is Fate.NOT_WRITTEN
