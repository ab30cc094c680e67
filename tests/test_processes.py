"""Work shared among processes: in order, whole, and done here where a process is lost."""

from __future__ import annotations

import os
import signal
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconciler import processes


def in_processes(items: Sequence[int], work: Callable[[int], bytes | None]) -> list[bytes | None]:
    return [*processes.in_processes(items, work)]


@pytest.fixture(autouse=True)
def _two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "processors", lambda: 2)


@pytest.mark.parametrize("count", [0, 1, 7, 5000])
def test_every_result_in_the_order_of_the_items(count: int) -> None:
    assert in_processes(range(count), lambda n: str(n).encode() if n % 3 else None) == [
        str(n).encode() if n % 3 else None for n in range(count)
    ]


def test_results_larger_than_a_pipe() -> None:
    assert in_processes(range(8), lambda n: bytes([n]) * 1_000_000) == [bytes([n]) * 1_000_000 for n in range(8)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_child_left_is_done_here(number: signal.Signals) -> None:
    here = os.getpid()

    def work(item: int) -> bytes:
        if os.getpid() != here and item % 5 == 0:
            os.kill(os.getpid(), number)
        return str(item).encode()

    assert in_processes(range(400), work) == [str(n).encode() for n in range(400)]


def test_an_error_in_a_child_is_an_error_here() -> None:
    def work(item: int) -> bytes:
        raise KeyError(item)

    with pytest.raises(KeyError):
        in_processes(range(50), work)


def test_no_child_is_left_behind() -> None:
    # A test process has other children too (a PostgreSQL that another test started).
    before = _children()
    in_processes(range(50), lambda n: b"")
    assert _children() == before


def test_whoever_stops_asking_leaves_nothing_behind() -> None:
    before, files = _children(), len(os.listdir("/proc/self/fd"))
    found = processes.in_processes(range(50), lambda n: b"x" * 100_000)
    assert next(found) == b"x" * 100_000
    assert _children() == before
    del found
    assert len(os.listdir("/proc/self/fd")) == files


def test_results_do_not_stay_in_memory() -> None:
    tracemalloc.start()
    total = sum(
        len(text or b"") for text in processes.in_batches(range(processes.MANY), lambda batch: b"x" * 1_000_000)
    )
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == processes.MANY // processes.BATCH * 1_000_000
    assert most < total / 4


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
