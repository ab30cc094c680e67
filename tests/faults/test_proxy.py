"""The proxy of faults does what it is asked, in the simple and in the extended protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.conftest import new_postgres_database
from tests.faults.proxy import Fault, Proxy

SIMPLE = "INSERT INTO t VALUES (1)"
EXTENDED = "INSERT INTO t VALUES (%s)"
Through = Callable[[Fault], Proxy]


@pytest.fixture
def url(postgres_server: str) -> str:
    made = new_postgres_database(postgres_server)
    with psycopg.connect(made) as connection:
        connection.execute("CREATE TABLE t (n int)")
    return made


@pytest.fixture
def through(url: str) -> Iterator[Through]:
    made: list[Proxy] = []

    def start(fault: Fault) -> Proxy:
        made.append(Proxy(url, fault))
        return made[-1]

    yield start
    for proxy in made:
        proxy.close()


def write(url: str, statement: str = SIMPLE) -> None:
    with psycopg.connect(url, prepare_threshold=None, connect_timeout=2) as connection:
        connection.execute("SELECT 1")
        connection.commit()  # wrote nothing: no moment of a fault
        connection.execute(statement, (1,) if "%s" in statement else None)


def rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        return len(connection.execute("SELECT 1 FROM t").fetchall())


@pytest.mark.parametrize("statement", [SIMPLE, EXTENDED])
@pytest.mark.parametrize(("do", "written"), [("drop", 0), ("drop reply", 1), ("late and never", 0), ("late", 1)])
def test_a_commit_is_lost(url: str, through: Through, do: str, written: int, statement: str) -> None:
    proxy = through(Fault(do, seconds=0.2))  # type: ignore[arg-type]
    with pytest.raises(psycopg.OperationalError):
        write(proxy.url, statement)
    time.sleep(0.4)
    assert proxy.hits == 1
    assert rows(url) == written
    write(proxy.url, statement)
    assert rows(url) == written + 1


@pytest.mark.parametrize("statement", [SIMPLE, EXTENDED])
@pytest.mark.parametrize("at", ["write", "commit"])
@pytest.mark.parametrize("state", ["40001", "53100", "57P01"])
def test_a_state_comes_as_often_as_asked(url: str, through: Through, state: str, at: str, statement: str) -> None:
    proxy = through(Fault("error", at, times=2, state=state))
    for _ in range(2):
        with pytest.raises(psycopg.Error) as raised:
            write(proxy.url, statement)
        assert raised.value.sqlstate == state or (state == "57P01" and raised.value.sqlstate is None)
    write(proxy.url, statement)
    assert (proxy.hits, rows(url)) == (2, 1)


def test_nobody_is_let_in(url: str, through: Through) -> None:
    proxy = through(Fault("error", "connect", state="53300"))
    with pytest.raises(psycopg.OperationalError, match="fault 53300"):
        write(proxy.url)
    write(proxy.url)
    assert rows(url) == 1


@pytest.mark.parametrize("do", ["black hole", "deaf"])
def test_a_black_hole_answers_nobody_until_it_is_healed(url: str, through: Through, do: str) -> None:
    proxy = through(Fault(do, "connect"))  # type: ignore[arg-type]
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        write(proxy.url)
    proxy.heal()
    write(proxy.url)
    assert rows(url) == 1


@pytest.mark.parametrize("do", ["hold reply", "delay"])
def test_a_commit_takes_longer(url: str, through: Through, do: str) -> None:
    proxy = through(Fault(do, seconds=0.5))  # type: ignore[arg-type]
    started = time.monotonic()
    write(proxy.url)
    assert time.monotonic() - started > 0.5
    assert rows(url) == 1
