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
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.runtime.call import Failed, StdioPermit
from reconciler.runtime.threads import in_thread, to_its_end

MOST_PROCESSES = 200
END_SECONDS = 2.0
"""How long a server has to end by itself once its input is closed."""
KILL_SECONDS = 10.0
"""How long it is tried to kill what a server has started."""
WATCH_SECONDS = 2.0
MOST_OF_ONE = 256
"""Processes that may come of one server."""
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
        self._trees: dict[int, set[int]] = {}
        """By a running process: what was seen to have come of it."""
        self._watch: asyncio.Task[None] | None = None
        self._reaping = False
        self.is_alone = False
        """Whether this process starts servers alone: then whatever is left behind was left by one. `serve` says so."""

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
        self._running[process.pid], self._trees[process.pid] = permit.name, {process.pid}
        _bound(process.pid, permit.memory_mib * 2**20)
        if self._watch is None or self._watch.done() or self._watch.get_loop() is not asyncio.get_running_loop():
            self._watch = asyncio.create_task(self._watching())
        return Started(process, permit.name)

    async def end(self, started: Started) -> None:
        """End a process and all that came of it: its input is closed, then it is killed."""
        ending = await to_its_end(self._end(started.process))
        if ending.cancelled is not None:
            raise ending.cancelled

    async def end_all(self) -> None:
        """Kill whatever was started and has not ended, without waiting for it."""
        for pid in [*self._running]:
            await self._kill(pid)
            self._forget(pid)

    async def _end(self, process: Process) -> None:
        if process.pid in self._running:
            self._grow(_seen())
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_SECONDS)
        await self._kill(process.pid)
        await process.wait()
        # asyncio waits for the other end of the pipes, which somebody may have fled with
        process._transport.close()  # type: ignore[attr-defined]
        self._forget(process.pid)

    async def _kill(self, pid: int) -> None:
        """Kill a process and all that came of it, until nothing is left that could start more."""
        ends = asyncio.get_running_loop().time() + KILL_SECONDS
        while asyncio.get_running_loop().time() < ends:
            seen = await in_thread(_seen)
            mine = self._left_of(pid, seen)
            left = {one for one in mine if not seen[one].is_dead}
            _reap(mine - left - self._running.keys())
            if not left:
                return
            if any(seen[one].group == pid for one in left):
                _send_kill(os.killpg, pid)  # at once: what a member starts meanwhile is killed with it
            for one in left:
                _send_kill(os.kill, one)
            await asyncio.sleep(0.02)

    def _left_of(self, pid: int, seen: Mapping[int, _Seen]) -> set[int]:
        """Return what is left of a process, and what wrappers have left behind that belongs to no other."""
        self._grow(seen)
        others = {one for owner, tree in self._trees.items() if owner != pid for one in tree}
        sessions = self._running.keys() - {pid}
        strays = {
            one
            for one, what in seen.items()
            if what.parent == os.getpid() and what.session != os.getsid(0) and one not in self._running
            if self.is_alone or _has_environment(one)
        }
        mine = self._trees.get(pid, set()) | {one for one in strays if seen[one].session not in sessions}
        return {one for one in _with_children(mine, seen) - others if one in seen}

    def _grow(self, seen: Mapping[int, _Seen]) -> None:
        """Note what has come of each running process: that stays known when the wrapper between has ended."""
        for pid, tree in self._trees.items():
            tree.intersection_update(seen)
            tree |= {one for one, what in seen.items() if what.session == pid or one == pid}
            tree |= _with_children(tree, seen)

    def _forget(self, pid: int) -> None:
        self._running.pop(pid, None)
        self._trees.pop(pid, None)

    async def _watching(self) -> None:
        """While something runs: note what comes of it, reap what has ended, and kill a tree that has grown too large."""
        while self._running:
            await asyncio.sleep(WATCH_SECONDS)
            seen = await in_thread(_seen)
            self._grow(seen)
            for pid, tree in [*self._trees.items()]:
                _reap({one for one in tree - self._running.keys() if one in seen and seen[one].is_dead})
                if len(tree) > MOST_OF_ONE:
                    await self._kill(pid)

    def _become_reaper(self) -> None:
        if not self._reaping and sys.platform == "linux":
            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        self._reaping = True


PROCESSES = Processes()
"""Those of this process: a machine has one table of processes, and a bound on all of them."""


def _has_environment(pid: int) -> bool:
    """Whether a process was started with the environment of servers."""
    with contextlib.suppress(OSError):
        told = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return all(f"{name}={value}".encode() in told for name, value in FIXED.items())
    return False


def _send_kill(send: Callable[[int, int], None], pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(pid, signal.SIGKILL)


def _reap(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


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


class _Seen(NamedTuple):
    """A process as the kernel shows it. ``is_dead``: it has ended, and nobody has asked how."""

    parent: int
    group: int
    session: int
    is_dead: bool


def _seen() -> dict[int, _Seen]:
    """Return all processes by their ids. Source: proc(5), /proc/PID/stat; elsewhere there are none."""
    found = {}
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                    state, parent, group, session = file.read(4096).rpartition(b")")[2].split(None, 4)[:4]
                found[int(name)] = _Seen(int(parent), int(group), int(session), state in b"ZX")
    return found


def _with_children(pids: Iterable[int], seen: Mapping[int, _Seen]) -> set[int]:
    """Return processes with all that they have started, and those in turn."""
    children: dict[int, list[int]] = {}
    for pid, what in seen.items():
        children.setdefault(what.parent, []).append(pid)
    found, left = {*pids}, [*pids]
    while left:
        for child in children.get(left.pop(), ()):
            if child not in found:
                found.add(child)
                left.append(child)
    return found
