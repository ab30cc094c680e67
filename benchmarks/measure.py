"""A command run as a whole process, several times, into the medians of its wall clock, its CPU and its memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Figures(NamedTuple):
    """Seconds of wall clock and of CPU (children included), and MiB at the peak, of the process and its children together."""

    wall: float
    cpu: float
    memory: float


def measure(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    runs: int = 3,
    before: Callable[[], None] = lambda: None,
    codes: Sequence[int] = (0,),
    memory: bool = True,
) -> Figures:
    """Medians of ``runs``, and where it is wanted the ``memory`` of one more. ``before`` is done before each run and not measured.

    Raises RuntimeError if the command fails.
    """
    found = []
    for number in range(runs + memory):
        before()
        found.append(_once(command, folder, environment, codes, sampled=number == runs))
    timed = [figures[:2] for figures in found[:runs]]
    return Figures(*(statistics.median(column) for column in zip(*timed, strict=True)), found[-1].memory)


def _once(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], codes: Sequence[int], sampled: bool
) -> Figures:
    started = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=nothing, stderr=subprocess.PIPE)
    peak = _Peak(process.pid) if sampled else None  # who looks at a process's pages makes it wait
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    memory = max(peak.end() if peak else 0.0, usage.ru_maxrss / 1024)
    if process.returncode not in codes:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {told.decode()[-500:]}")
    return Figures(wall, usage.ru_utime + usage.ru_stime, memory)


class _Peak:
    """Samples what a process and its children hold together: shared pages count once (PSS)."""

    def __init__(self, pid: int) -> None:
        self._pid, self._most, self._ended = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self._most = max(self._most, sum(map(_held, _family(self._pid))))

    def end(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._most


def _family(pid: int) -> list[int]:
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    return found


def _held(pid: int) -> float:
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
