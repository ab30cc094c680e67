"""Work shared among processes: in order, whole, and done here where a process is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler import processes
from reconciler.batches import BATCH, MANY, in_batches
from reconciler.processes import forked
from reconciler.ticker import Ticker
from tests.conftest import ROOT, command_environment


class Known:
    """The threads of the test's own process, which other tests and their runner have started: no reason to fork nothing."""

    def __init__(self) -> None:
        self._threads = {*threading.enumerate()} - {threading.current_thread()}

    def enumerate(self) -> list[threading.Thread]:
        return [*({*threading.enumerate()} - self._threads)]

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    found = Known()
    monkeypatch.setattr(processes, "processors", lambda: 2)
    monkeypatch.setattr(processes, "threading", found)
    return found


def workers_of(work: Callable[[int], object], items: Sequence[int]) -> set[int]:
    """The processes that did the work."""

    def told(item: int) -> int:
        work(item)
        return os.getpid()

    return {*forked(told, items)}


@pytest.mark.parametrize("count", [0, 1, 7, 128, 129, 5000])
def test_every_result_in_the_order_of_the_items(count: int) -> None:
    assert [*forked(lambda n: str(n).encode() if n % 3 else None, range(count))] == [
        str(n).encode() if n % 3 else None for n in range(count)
    ]


def test_both_processes_work() -> None:
    assert len(workers_of(lambda n: time.sleep(0.01), range(60))) == 2


def test_results_larger_than_a_pipe() -> None:
    assert [*forked(lambda n: bytes([n]) * 1_000_000, range(8))] == [bytes([n]) * 1_000_000 for n in range(8)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_child_left_is_done_here(number: signal.Signals) -> None:
    here = os.getpid()

    def work(item: int) -> bytes:
        if os.getpid() != here and item % 5 == 0:
            os.kill(os.getpid(), number)
        time.sleep(0.001)  # so that the child gets to do some
        return str(item).encode()

    assert [*forked(work, range(400))] == [str(n).encode() for n in range(400)]


def test_an_error_in_a_child_is_an_error_here() -> None:
    here = os.getpid()

    def work(item: int) -> int:
        if os.getpid() != here or item == 49:
            raise KeyError(item)
        return item

    with pytest.raises(KeyError) as caught:
        [*forked(work, range(50))]
    assert caught.value.args == (49,)


def test_no_child_is_left_behind(known: Known) -> None:
    # A test process has other children too (a PostgreSQL that another test started).
    before = _children()
    assert len([*forked(lambda n: b"", range(50))]) == 50
    assert _children() == before
    assert known.enumerate() == [threading.current_thread()]


def test_a_caller_that_stops_asking_leaves_nothing_behind() -> None:
    before, files = _children(), len(os.listdir("/proc/self/fd"))
    found = forked(lambda n: b"x" * 100_000, range(50))
    assert [next(found), next(found)] == [b"x" * 100_000] * 2
    assert _children() > before
    found.close()
    assert _children() == before
    assert len(os.listdir("/proc/self/fd")) == files


def test_results_do_not_stay_in_memory() -> None:
    tracemalloc.start()
    total = sum(map(len, in_batches(lambda batch: b"x" * 1_000_000, range(MANY * 4), forked)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 4 * MANY // BATCH * 1_000_000
    assert most < total / 2


@pytest.mark.parametrize(("count", "by"), [(MANY - 1, map), (MANY, forked)])
def test_few_items_are_not_worth_a_process(count: int, by: object) -> None:
    asked: list[object] = []

    def noted(work: Callable[[int], int], items: Sequence[int]) -> list[int]:
        asked.append(forked)
        return [*map(work, items)]

    assert sum(in_batches(len, range(count), noted)) == count
    assert asked == ([forked] if by is forked else [])


def test_where_a_thread_runs_nothing_is_forked() -> None:
    """A child would have the thread's locks, and nobody to open them."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert workers_of(lambda n: time.sleep(0.001), range(60)) == {os.getpid()}
    finally:
        ended.set()
        thread.join()


def test_a_ticker_rests_while_children_are_made(known: Known) -> None:
    seen: list[bool] = []
    os.register_at_fork(before=lambda: seen.append(len(known.enumerate()) == 1))  # the last one to be called
    beats: list[float] = []
    ticker = Ticker(lambda: beats.append(time.monotonic()), 0.001, 0.001)
    ticker.start()
    try:
        assert len(workers_of(lambda n: time.sleep(0.01), range(60))) == 2
        before = len(beats)
        time.sleep(0.2)
        assert len(beats) > before
    finally:
        ticker.stop()
    assert len(known.enumerate()) == 1
    assert seen == [True]


FOREVER = """
import os, time
from reconciler import processes
processes.processors = lambda: 2
children = f"/proc/self/task/{os.getpid()}/children"
found = ""
for _ in processes.forked(lambda n: time.sleep(0.002), range(100_000)):
    if not found and (found := open(children).read()):
        print(found, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_children_end_with_their_parent(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", FOREVER], cwd=ROOT, env=command_environment({}), stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    children = parent.stdout.readline().split()
    assert len(children) == 1
    parent.send_signal(number)
    parent.wait(30)
    parent.stdout.close()
    deadline = time.monotonic() + 15
    while _runs(children[0]) and time.monotonic() < deadline:
        time.sleep(0.02)
    was_left = _runs(children[0])
    if was_left:
        os.kill(int(children[0]), signal.SIGKILL)
    assert not was_left


def _runs(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
