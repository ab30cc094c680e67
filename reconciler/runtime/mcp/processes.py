"""Child processes that can't outlive their use: what a permit names is started, and ended with everything it has started.

`serve` is a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): what a wrapper leaves behind becomes a child of this process, and is
killed as one. Linux alone has that; elsewhere a process group is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import os
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.runtime.call import Failed, StdioPermit

MOST_PROCESSES = 200
END_SECONDS = 2.0
"""How long a server has to end by itself once its input is closed."""
CPU_SECONDS = 3600
PATH = "/usr/local/bin:/usr/bin:/bin"
FIXED = {"TZ": "UTC", "LANG": "C.UTF-8", "PATH": PATH}
"""The environment of every server, before what its connector declares."""
_SUBREAPER = 36


class Started(NamedTuple):
    """A running process, and the permit that it runs by."""

    process: Process
    permit: str


class Processes:
    """All that this server has started, so that there is a bound, and nothing is left."""

    def __init__(self) -> None:
        self._running: dict[int, str] = {}
        self._reaping = False

    async def start(self, permit: StdioPermit, arguments: Sequence[str], environment: Mapping[str, str]) -> Started:
        """Start what a permit names. Raises Failed (``blocked``): nobody was reached."""
        _require_permitted(permit, arguments, environment)
        counted = Counter(self._running.values())
        if len(self._running) >= MOST_PROCESSES or counted[permit.name] >= permit.processes:
            raise Failed("overloaded", f"as many processes of {permit.name} run as are permitted", "blocked")
        self._become_reaper()
        try:
            process = await asyncio.create_subprocess_exec(
                permit.command,
                *arguments,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={**FIXED, **environment},
                cwd="/",
                start_new_session=True,
                limit=64 * 1024,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its arguments can't be passed"
            raise Failed("unreachable", f"the program can't be started: {why}", "blocked") from None
        self._running[process.pid] = permit.name
        _bound(process.pid, permit.memory_mib * 2**20)
        return Started(process, permit.name)

    async def end(self, started: Started) -> None:
        """End a process and all that came of it: its input is closed, then it is killed."""
        process = started.process
        mine = {process.pid, *_below(process.pid)}
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_SECONDS)
        for _ in range(50):
            mine |= {pid for one in [*mine] for pid in _below(one)}
            left = {*self._strays(), *(mine & {*_alive()})} - (self._running.keys() - {process.pid})
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            for pid in left - {process.pid}:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            await asyncio.sleep(0.02)
        await process.wait()
        self._running.pop(process.pid, None)

    def _become_reaper(self) -> None:
        if not self._reaping and sys.platform == "linux":
            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        self._reaping = True

    def _strays(self) -> Iterator[int]:
        """Yield children of this process that it did not start: what wrappers have left behind."""
        if sys.platform == "linux":
            yield from (pid for pid in _children(os.getpid()) if pid not in self._running and _was_left(pid))


PROCESSES = Processes()
"""Those of this process: a machine has one table of processes, and a bound on all of them."""


def _was_left(pid: int) -> bool:
    """Whether a child of this process has a session of its own: whatever else it starts stays in its own session."""
    with contextlib.suppress(OSError):
        return os.getsid(pid) != os.getsid(0)
    return False


def _require_permitted(permit: StdioPermit, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    if not permit.allows(arguments, environment):
        raise Failed("not-permitted", "the server's operator does not permit these arguments and variables", "blocked")
    if permit.sha256 and permit.sha256 != _digest(permit.command):
        raise Failed("not-permitted", "the program is not the one that the server's operator permits", "blocked")


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _bound(pid: int, memory: int) -> None:
    """Bound what a process, and each that it starts, may take up."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))
            resource.prlimit(pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _alive() -> Iterator[int]:
    yield from _parents()


def _parents() -> dict[int, int]:
    """Return the parent of each process that is no zombie, by its id."""
    found = {}
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                state, parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(name)] = int(parent)
    return found


def _children(pid: int) -> list[int]:
    return [child for child, parent in _parents().items() if parent == pid]


def _below(pid: int) -> set[int]:
    """Return all that a process has started, and they in turn."""
    parents, found, left = _parents(), set[int](), [pid]
    while left:
        one = left.pop()
        mine = [child for child, parent in parents.items() if parent == one and child not in found]
        found.update(mine)
        left += mine
    return found
