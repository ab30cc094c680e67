"""Work on many items, and work that hangs."""

from __future__ import annotations

import threading

from reconciler.parallel import WORKERS, in_parallel, within


def test_each_once_in_the_order_of_the_items_and_several_at_a_time() -> None:
    together = threading.Barrier(WORKERS)  # passes only if so many are at work at once
    seen: list[int] = []

    def work(item: int) -> int:
        seen.append(item)
        together.wait(30)
        return -item

    items = [*range(WORKERS * 2), 0, 1]
    assert in_parallel(items, work) == {item: -item for item in range(WORKERS * 2)}
    assert [*in_parallel([3, 1, 2], str)] == [3, 1, 2]
    assert sorted(seen) == [*range(WORKERS * 2)]
    assert in_parallel([], work) == {}


def test_nobody_waits_for_what_hangs() -> None:
    hangs = threading.Event()
    assert within(0.05, hangs.wait) is None
    assert within(30, lambda: "done") == "done"
    hangs.set()
