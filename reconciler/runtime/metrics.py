"""Counts and durations of a server, accumulated by calls; ``exposition`` turns them into Prometheus's text.

A call adds to plain counters: the ones of prometheus-client take a lock and look their labels up, five times as
dear (docs/decisions/0036-routes-and-metrics.md).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TypeVar

K = TypeVar("K")
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds."""


class Histogram:
    """Durations in seconds, counted by bucket; the last bucket has no upper bound."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


class Metrics:
    """Calls by outcome, upstream responses by status, refusals by code, surface and tenant, and durations of requests and calls.

    ``seconds`` has a histogram by surface and first digit of the status, ``ran`` one by the word of a target and the outcome. Label values are the program's own words and
    the names of tenants.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.upstream: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str, str]] = Counter()
        self.seconds: dict[tuple[str, int], Histogram] = {}
        self.ran: dict[tuple[str, str], Histogram] = {}

    def took(self, surface: str, status: int, seconds: float) -> None:
        """Count one request by its duration."""
        _observe(self.seconds, (surface, status // 100), seconds)

    def ended(self, word: str, outcome: str, seconds: float) -> None:
        """Count one call that ran, by what its target's name begins with."""
        self.calls[outcome] += 1
        _observe(self.ran, (word, outcome), seconds)


def _observe(found: dict[K, Histogram], key: K, seconds: float) -> None:
    histogram = found.get(key)
    if histogram is None:
        histogram = found[key] = Histogram()
    histogram.observe(seconds)
