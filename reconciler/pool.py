"""Run tasks in forked processes, and in this one."""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from struct import Struct
from typing import Any

_AHEAD = 8
"""Tasks whose results may wait in memory, for each process."""
_TICKET = Struct("<I")
_FRAME = Struct("<Iq")
"""Before the pickled results of a task: its number, and how many bytes they are; -1 where it raised."""
_BUFFER = 1024 * 1024


class Pool:
    """A process and its ``helpers``, which do ``work`` on ``items``.

    The numbers of tasks are tickets in a pipe, and whoever is free takes the next one. A child writes its results into a pipe of
    its own, and ends when there are no more tickets: also when this process was killed, since nobody else can write any.
    """

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any], helpers: int) -> None:
        self._work, self._items, self._helpers = work, items, helpers
        self._children: dict[int, int] = {}
        """Their process ids, by the pipes that their results come from."""
        self._came: dict[int, bytearray] = {}
        self._found: dict[int, list[Any] | None] = {}
        """Results by the number of their task; None where it raised in a child."""
        self._take, self._give = os.pipe()

    def results(self, tasks: Sequence[range]) -> Iterator[Any]:
        """Yield the results of all tasks, which are indexes of items, in their order."""
        try:
            os.set_blocking(self._take, False)
            for _ in range(self._helpers):
                with suppress(OSError):  # too many processes: fewer do it
                    self._start(tasks)
            given = 0
            for number, indexes in enumerate(tasks):
                most = min(len(tasks), number + _AHEAD * (1 + self._helpers))
                if self._give >= 0 and given < most:
                    os.write(self._give, b"".join(map(_TICKET.pack, range(given, most))))
                    given = most
                if given == len(tasks):
                    self._no_more()
                while number not in self._found and self._goes_on(tasks):
                    pass
                found = self._found.pop(number, None)
                # what a child left undone, or raised at, is done here, where an error can be seen
                yield from self._here(indexes) if found is None else found
        finally:
            self._end()

    def _here(self, indexes: range) -> list[Any]:
        return [self._work(self._items[index]) for index in indexes]

    def _goes_on(self, tasks: Sequence[range]) -> bool:
        """Take what came from children, else do a task, else wait for children; false where nobody does anything any more."""
        if self._collect(0):
            return True
        if (number := self._ticket()) is not None:
            self._found[number] = self._here(tasks[number])
            return True
        return bool(self._children) and self._collect(None)

    def _ticket(self) -> int | None:
        try:
            ticket = os.read(self._take, _TICKET.size)
        except BlockingIOError:
            return None
        return int(_TICKET.unpack(ticket)[0]) if ticket else None

    def _no_more(self) -> None:
        if self._give >= 0:
            os.close(self._give)
            self._give = -1

    def _collect(self, wait: float | None) -> bool:
        """Read what children have written, and forget those that have ended; return whether there was any."""
        ready, _, _ = select.select([*self._children], [], [], wait)
        for file in ready:
            data = os.read(file, _BUFFER)
            if data:
                self._came[file] += data
                self._unpack(self._came[file])
            else:
                os.close(file)
                os.waitpid(self._children.pop(file), 0)
                self._no_more()  # one that was killed had a ticket: the others finish theirs, and this process does the rest
        return bool(ready)

    def _unpack(self, came: bytearray) -> None:
        while len(came) >= _FRAME.size:
            number, length = _FRAME.unpack_from(came)
            end = _FRAME.size + max(0, length)
            if len(came) < end:
                return
            self._found[number] = pickle.loads(came[_FRAME.size : end]) if length >= 0 else None  # noqa: S301 - from a child of our own
            del came[:end]

    def _end(self) -> None:
        """Close all pipes, and end the children that still work: nobody wants their results."""
        self._no_more()
        os.close(self._take)
        for file, process in self._children.items():
            os.close(file)
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
        self._children.clear()

    def _start(self, tasks: Sequence[range]) -> None:
        answers, answer = os.pipe()
        process = os.fork()  # noqa: TID251 - here alone
        if process:
            os.close(answer)
            self._children[answers], self._came[answers] = process, bytearray()
            return
        try:  # the child: it must not return, nor write what this process had not flushed yet
            for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(ending, signal.SIG_DFL)
            for file in (self._give, answers, *self._children):
                os.close(file)
            with suppress(OSError, AttributeError):  # not every system has larger pipes
                fcntl.fcntl(answer, fcntl.F_SETPIPE_SZ, _BUFFER)
            self._serve(tasks, answer)
        finally:
            os._exit(0)

    def _serve(self, tasks: Sequence[range], answer: int) -> None:
        while True:
            select.select([self._take], [], [])
            try:
                ticket = os.read(self._take, _TICKET.size)
            except BlockingIOError:
                continue  # somebody was faster
            if not ticket:
                return
            (number,) = _TICKET.unpack(ticket)
            try:
                data = pickle.dumps(self._here(tasks[number]), pickle.HIGHEST_PROTOCOL)
                frame = _FRAME.pack(number, len(data)) + data
            except Exception:
                frame = _FRAME.pack(number, -1)  # the parent will see it by itself
            view = memoryview(frame)
            while view:
                view = view[os.write(answer, view) :]
