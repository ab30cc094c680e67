"""Work on many items, shared among as many processes as there are processors; the results come back as bytes."""

from __future__ import annotations

import os
import signal
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from io import BufferedReader, FileIO
from typing import TypeVar

K = TypeVar("K")
Work = Callable[[K], bytes | None]
_TICKET = struct.Struct("<H")
_RECORD = struct.Struct("<Iq")
BATCH = 200
ROUND = 500
"""Batches whose results stand in files at a time."""
MANY = 5_000
"""Items; below that, processes of their own cost more time than they save."""
_MOST = 4096
"""Tickets, so that all of them fit into a pipe at once."""


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    items: Sequence[K], work: Work[K], done: Callable[[int], None] = lambda _count: None
) -> Iterator[bytes | None]:
    """What ``work`` returns for each item, in their order; ``done`` is told how many are finished, about.

    Children are forked, so they have everything that this process has, and nothing is sent to them but tickets: whoever
    is free takes the next one. What a child leaves undone (it was killed, say) is done here, where an error can be seen.
    All is done before the first result is given; until they are asked for, results stand in files.
    """
    size = -(-len(items) // _MOST)
    batches = [range(at, min(len(items), at + size)) for at in range(0, len(items), size)] if items else []
    helpers = min(processors(), len(batches)) - 1 if hasattr(os, "fork") else 0
    take, give = os.pipe()
    children: list[int] = []
    with ExitStack() as files:

        def new_file() -> FileIO:
            # unbuffered, so that a child and this process share nothing but the file
            return files.enter_context(tempfile.TemporaryFile(buffering=0))

        own = new_file()
        all_files = [own]
        try:
            os.write(give, b"".join(_TICKET.pack(number) for number in range(len(batches))))
            os.close(give)
            if helpers > 0:
                # so that every child has the modules and validators that this takes, and none makes its own
                _do(batches[next(_tickets(take))], items, work, own)
            for _ in range(helpers):
                all_files.append(new_file())
                children.append(_start(take, all_files[-1], batches, items, work))
            for number in _tickets(take):
                _do(batches[number], items, work, own)
                done(batches[number].stop)
            while children:
                os.waitpid(children[-1], 0)
                children.pop()
        finally:
            os.close(take)
            for process in children:
                with suppress(OSError):
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
        places = {index: (file, *place) for file in all_files for index, place in _places(file)}
        for index in range(len(items)):
            if index not in places:
                yield work(items[index])
                continue
            file, at, length = places[index]
            yield None if length < 0 else _exactly(file, at, length)


def in_batches(items: Sequence[K], work: Work[Sequence[K]]) -> Iterator[bytes | None]:
    """What ``work`` returns for each batch of the items, in their order; here alone where they are few.

    For results that are large together: no more than those of a round stand in files at a time.
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
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_DFL)
        for number in _tickets(take):
            if os.getppid() != parent:
                break  # it was killed: nobody wants the rest
            _do(batches[number], items, work, answers)
    finally:
        os._exit(0)


def _do(batch: range, items: Sequence[K], work: Work[K], answers: FileIO) -> None:
    records = []
    for index in batch:
        found = work(items[index])
        records += [_RECORD.pack(index, -1 if found is None else len(found)), found or b""]
    _write(answers, b"".join(records))


def _write(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _tickets(take: int) -> Iterator[int]:
    while ticket := os.read(take, _TICKET.size):
        yield _TICKET.unpack(ticket)[0]


def _places(answers: FileIO) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where the results of whole records stand, and how long they are (-1: None); the last one may have been cut off."""
    end = answers.seek(0, os.SEEK_END)
    answers.seek(0)
    reader = BufferedReader(answers)
    at = 0
    while at + _RECORD.size <= end:
        index, length = _RECORD.unpack(reader.read(_RECORD.size))
        at += _RECORD.size
        if at + max(0, length) > end:
            break
        yield index, (at, length)
        at = reader.seek(max(0, length), os.SEEK_CUR)
    reader.detach()


def _exactly(file: FileIO, at: int, length: int) -> bytes:
    data = os.pread(file.fileno(), length, at)
    while len(data) < length:
        more = os.pread(file.fileno(), length - len(data), at + len(data))
        if not more:
            raise EOFError("a temporary file became shorter")
        data += more
    return data
