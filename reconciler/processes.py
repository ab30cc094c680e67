"""Work on many items, shared among as many processes as there are processors; the results come back as bytes."""

from __future__ import annotations

import os
import signal
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import FileIO
from typing import TypeVar

K = TypeVar("K")
Work = Callable[[K], bytes | None]
_TICKET = struct.Struct("<H")
_RECORD = struct.Struct("<Iq")
BATCH = 200
ROUND = 100
"""Batches whose results are held at a time."""
MANY = 5_000
"""Items; below that, processes of their own cost more time than they save."""
_MOST = 4096
"""Tickets, so that all of them fit into a pipe at once."""


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    items: Sequence[K], work: Work[K], done: Callable[[int], None] = lambda _count: None
) -> list[bytes | None]:
    """What ``work`` returns for each item, in their order; ``done`` is told how many are finished, about.

    Children are forked, so they have everything that this process has, and nothing is sent to them but tickets: whoever
    is free takes the next one. What a child leaves undone (it was killed, say) is done here, where an error can be seen.
    """
    size = -(-len(items) // _MOST)
    batches = [range(at, min(len(items), at + size)) for at in range(0, len(items), size)] if items else []
    helpers = min(processors(), len(batches)) - 1 if hasattr(os, "fork") else 0
    results: dict[int, bytes | None] = {}
    take, give = os.pipe()
    children: list[tuple[int, FileIO]] = []
    try:
        os.write(give, b"".join(_TICKET.pack(number) for number in range(len(batches))))
        os.close(give)
        if helpers > 0:
            # so that every child has the modules and validators that this takes, and none makes its own
            for index in batches[next(_tickets(take))]:
                results[index] = work(items[index])
        for _ in range(helpers):
            # unbuffered, so that the child and this process share nothing but the file
            answers = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            children.append((_start(take, answers, batches, items, work), answers))
        for number in _tickets(take):
            for index in batches[number]:
                results[index] = work(items[index])
            done(batches[number].stop)
        while children:
            process, answers = children.pop()
            with answers:
                os.waitpid(process, 0)
                results.update(_read(answers))
    finally:
        os.close(take)
        for process, answers in children:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            answers.close()
    return [results[index] if index in results else work(items[index]) for index in range(len(items))]


def in_batches(items: Sequence[K], work: Work[Sequence[K]]) -> Iterator[bytes | None]:
    """What ``work`` returns for each batch of the items, in their order; here alone where they are few.

    For results that are large together: no more than those of a round are held at a time.
    """
    few = len(items) < MANY
    batches = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
    for first in range(0, len(batches), ROUND):
        some = batches[first : first + ROUND]
        yield from map(work, some) if few else in_processes(some, work)


def _start(take: int, answers: FileIO, batches: Sequence[range], items: Sequence[K], work: Work[K]) -> int:
    parent = os.getpid()
    process = os.fork()
    if process:
        return process
    try:  # the child: it must not return, nor write what this process had not flushed yet
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for number in _tickets(take):
            if os.getppid() != parent:
                break  # it was killed: nobody wants the rest
            records = []
            for index in batches[number]:
                found = work(items[index])
                records += [_RECORD.pack(index, -1 if found is None else len(found)), found or b""]
            _write(answers, b"".join(records))
    finally:
        os._exit(0)


def _write(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _tickets(take: int) -> Iterator[int]:
    while ticket := os.read(take, _TICKET.size):
        yield _TICKET.unpack(ticket)[0]


def _read(answers: FileIO) -> Iterator[tuple[int, bytes | None]]:
    """The whole records; the last one may have been cut off."""
    answers.seek(0)
    data = memoryview(answers.read())
    at = 0
    while at + _RECORD.size <= len(data):
        index, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + max(0, length) > len(data):
            return
        yield index, None if length < 0 else bytes(data[at : at + length])
        at += max(0, length)
