"""The connection is lost around COMMIT: what the apply says has to be what the database says."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.apply.processes import Running, limits, until, until_locked
from tests.conftest import Db, new_postgres_database
from tests.faults.proxy import LATE, Fault, Proxy

Through = Callable[..., Proxy]
NOT_WRITTEN = [(1,)]
WRITTEN = [(1,), (2,)]


@pytest.fixture
def pg(postgres_server: str, folder: Path) -> Db:
    """A database in which generation 1 is live and a plan for generation 2 is saved."""
    db = Db(new_postgres_database(postgres_server))
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(db.url, folder, "apply", "--auto-approve").end().ok()
    (folder / "acme.yaml").write_text(limits(a=2))
    Running(db.url, folder, "plan", "--out", "saved.plan").end().ok()
    return db


@pytest.fixture
def through() -> Iterator[Through]:
    made: list[Proxy] = []

    def start(db: Db, fault: Fault) -> Proxy:
        made.append(Proxy(db.url, fault))
        return made[-1]

    yield start
    for proxy in made:
        proxy.close()


def applying(proxy: Proxy, folder: Path) -> Running:
    return Running(proxy.url, folder, "apply", "saved.plan", "--auto-approve")


def generations(db: Db) -> list[tuple[int]]:
    return db.sql("SELECT number FROM generations ORDER BY 1")  # type: ignore[return-value]


@pytest.mark.parametrize("at", ["INSERT INTO generations", "commit"])
def test_lost_before_commit_nothing_is_written(pg: Db, through: Through, folder: Path, at: str) -> None:
    proxy = through(pg, Fault("drop", at))
    ended = applying(proxy, folder).end().ok(1)
    assert proxy.hits == 1
    assert "nothing was written" in ended.err
    assert generations(pg) == NOT_WRITTEN
    assert pg.rows()["acme/limit/a"]["requests"] == 1
    Running(pg.url, folder, "apply", "saved.plan", "--auto-approve", "--lock-timeout", "5").end().ok()


def test_the_reply_to_commit_is_lost(pg: Db, through: Through, folder: Path) -> None:
    proxy = through(pg, Fault("drop reply"))
    ended = applying(proxy, folder).end().ok()
    assert proxy.hits == 1
    assert "Apply complete! Resources: 0 added, 1 changed, 0 destroyed." in ended.out
    assert generations(pg) == WRITTEN


def test_commit_is_still_on_its_way(pg: Db, through: Through, folder: Path) -> None:
    """The server has not got it yet, so the apply's id is not there yet: that proves nothing before the server is done."""
    proxy = through(pg, Fault("late"))
    started = time.monotonic()
    ended = applying(proxy, folder).end().ok()
    assert time.monotonic() - started > LATE
    assert "1 changed" in ended.out
    assert generations(pg) == WRITTEN


def test_commit_never_arrives_and_the_server_waits_for_it(pg: Db, through: Through, folder: Path) -> None:
    proxy = through(pg, Fault("late and never"))
    ended = applying(proxy, folder).end().ok(1)
    assert "nothing was written" in ended.err
    assert generations(pg) == NOT_WRITTEN


def test_the_database_can_not_be_asked(
    pg: Db, through: Through, folder: Path, tmp_path: Path, postgres_server: str
) -> None:
    """Both ways at once, since each waits until the look-up is given up."""
    written = through(pg, Fault("drop reply", refuse=True))
    first = applying(written, folder)
    until(lambda: written.hits)
    until(lambda: generations(pg) == WRITTEN)
    other = Db(new_postgres_database(postgres_server))
    second_folder = tmp_path / "other"
    second_folder.mkdir()
    (second_folder / "acme.yaml").write_text(limits(a=1))
    Running(other.url, second_folder, "apply", "--auto-approve").end().ok()
    (second_folder / "acme.yaml").write_text(limits(a=2))
    Running(other.url, second_folder, "plan", "--out", "saved.plan").end().ok()
    second = applying(through(other, Fault("drop", refuse=True)), second_folder)
    for running, db, state in ((first, pg, WRITTEN), (second, other, NOT_WRITTEN)):
        ended = running.end().ok(9)
        assert "is in force wholly or not at all" in ended.err
        assert "[outcome-unknown]" in ended.err
        assert generations(db) == state
    plan = Running(pg.url, folder, "plan").end().ok()
    assert "No changes." in plan.out
    assert "1 to change" in Running(other.url, second_folder, "plan").end().ok().out


def test_interrupted_while_it_waits_for_the_reply(pg: Db, through: Through, folder: Path) -> None:
    """COMMIT was sent: whoever presses Ctrl-C then gets to know what became of it."""
    proxy = through(pg, Fault("hold reply"))
    running = applying(proxy, folder)
    until(lambda: proxy.hits)
    time.sleep(0.5)
    running.send(signal.SIGINT)
    ended = running.end().ok()
    assert "1 changed" in ended.out
    assert "nothing was written" not in ended.err
    assert generations(pg) == WRITTEN


@pytest.mark.parametrize("failpoint", ["after_lock:sleep:2", "before_commit:sleep:2"])
def test_the_server_ends_the_session(pg: Db, folder: Path, failpoint: str) -> None:
    running = Running(pg.url, folder, "apply", "saved.plan", "--auto-approve", RECONCILER_FAILPOINT=failpoint)
    until_locked(pg)
    pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^reconciler '")
    ended = running.end().ok(1)
    assert "nothing was written" in ended.err
    assert generations(pg) == NOT_WRITTEN
