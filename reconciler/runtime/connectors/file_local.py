"""Folders of the machine: each name is opened relative to the one above it, no link is followed, and files are written whole.

A file is opened as a bare place first (``O_PATH``), so that nothing but a regular file is ever opened for its bytes: a FIFO would block
and a device might act. The databases of the configuration and of this server are refused before that, since closing one would drop
the locks that SQLite has on it in this process.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from secrets import token_hex
from time import time
from typing import Any

from reconciler.kinds.template.file_path import PART, Segments, is_segment
from reconciler.model.body import Body
from reconciler.model.status import moment
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.file_store import Entry, Opened, Store, Written, exists, not_found
from reconciler.runtime.threads import Worker, in_thread

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLACE = getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BESIDE = ("", "-wal", "-shm", "-journal")
"""Ends of the files of one SQLite database."""
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_BATCH = 500
_PIECE = 1024 * 1024
_MOST_CLEANED = 10_000
_DEEPEST = 64
"""Folders in folders that a list looks into."""
_ABANDONED_SECONDS = 3600


async def open_store(_tenant: str, connector: Body, around: Surroundings) -> Store:
    """Open a folder. Raises Failed for one that the operator does not permit."""
    if not hasattr(os, "O_PATH"):
        raise Failed("not-supported", "folders are served on Linux only", "blocked")
    root = os.path.normpath(connector["root"])
    permitted = any(os.path.commonpath((root, one)) == str(one) for one in around.permits.file_roots)
    if not permitted:
        raise Failed("file-not-permitted", "the operator of this server does not permit that folder", "blocked")
    return _Local(root, around.control)


class _Local:
    """Each operation walks from the root of the file system: a folder that has become a link leads nowhere."""

    def __init__(self, root: str, control: frozenset[tuple[Any, Any]]) -> None:
        self._root = tuple(one for one in root.split("/") if one)
        self._control = control

    async def authorize(self, anew: bool) -> None:
        return None

    async def listed(self, folder: Segments) -> AsyncGenerator[Entry, None]:
        walk, worker = self._walk(folder), Worker()
        try:
            while batch := await worker.do(_some, walk):
                for one in batch:
                    yield one
        finally:
            worker.end(walk.close)

    @asynccontextmanager
    async def opened(self, path: Segments) -> AsyncIterator[Opened]:
        worker, files = Worker(), list[int]()
        try:
            size = await worker.do(self._open, path, files)
            yield Opened(size, "", _pieces(worker, files))
        finally:
            worker.end(lambda: _close(files))

    async def write(self, path: Segments, written: Written) -> None:
        await in_thread(self._write, path, written)

    async def delete(self, path: Segments) -> None:
        await in_thread(self._delete, path)

    async def ping(self) -> None:
        await in_thread(self._look)

    async def close(self) -> None:
        return None

    def _look(self) -> None:
        with self._folder(()):
            pass

    @contextmanager
    def _folder(self, below: Segments, creates: bool = False) -> Iterator[int]:
        """Open a folder below the root, name by name. Raises Failed."""
        folder = os.open("/", _FOLDER)
        try:
            for number, name in enumerate((*self._root, *below)):
                inside = number >= len(self._root)
                with _explained(inside):
                    if inside and creates:
                        with suppress(FileExistsError):
                            os.mkdir(name, dir_fd=folder)
                    inner = os.open(name, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _open(self, path: Segments, files: list[int]) -> int:
        """Open a file for reading, put it into ``files``, and return its size."""
        with self._folder(path[:-1]) as folder, _explained(True):
            place = os.open(path[-1], _PLACE, dir_fd=folder)
            try:
                found = os.fstat(place)
                self._judge(found, path)
                # the same file, whatever has come to stand under its name meanwhile
                files.append(os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            finally:
                os.close(place)
        return found.st_size

    def _write(self, path: Segments, written: Written) -> None:
        with self._folder(path[:-1], creates=True) as folder, _explained(True):
            if self._exists(folder, path) and not written.replaces:
                raise exists()
            _remove_abandoned(folder)
            begun = f"{PART}{token_hex(16)}"
            file = os.open(begun, _NEW, 0o666, dir_fd=folder)
            try:
                _fill(file, written.data)
                if written.replaces:
                    os.rename(begun, path[-1], src_dir_fd=folder, dst_dir_fd=folder)
                else:
                    os.link(begun, path[-1], src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                raise exists() from None
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(begun, dir_fd=folder)
            with suppress(OSError):  # it is there; some file systems can't promise that for folders
                os.fsync(folder)

    def _delete(self, path: Segments) -> None:
        try:
            with self._folder(path[:-1]) as folder, _explained(True):
                if self._exists(folder, path):
                    os.unlink(path[-1], dir_fd=folder)
        except Failed as error:
            if error.code != "no-such-file":
                raise

    def _exists(self, folder: int, path: Segments) -> bool:
        """Whether a file of that name exists. Raises Failed for anything else of that name."""
        try:
            found = os.stat(path[-1], dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            found = None
        self._judge(found, path)
        return found is not None

    def _judge(self, found: os.stat_result | None, path: Segments) -> None:
        """Raise Failed for what is no regular file, and for the databases that no template may reach."""
        own = "/" + "/".join((*self._root, *path))
        reserved = any(("path", own.removesuffix(end)) in self._control for end in _BESIDE)
        if reserved or (found is not None and (found.st_dev, found.st_ino) in self._control):
            what = "the databases of the configuration and of this server are nothing for templates"
            raise Failed("control-database", what, "blocked")
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise Failed("file-not-permitted", "that is no regular file", "blocked")

    def _walk(self, below: Segments) -> Generator[Entry, None, None]:
        """Yield the files below a folder, each folder's in the order of their names; links and other things are left out."""
        with self._folder(below) as top:
            yield from _walked(os.dup(top), below)


def _walked(folder: int, path: Segments) -> Iterator[Entry]:
    """Yield the files below an open folder, and close it."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(one.name for one in entries)
        for name in names:
            if not is_segment(name):
                continue
            with suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    yield Entry((*path, name), found.st_size, moment(datetime.fromtimestamp(found.st_mtime, UTC)))
                elif stat.S_ISDIR(found.st_mode) and len(path) < _DEEPEST:
                    with suppress(OSError):  # a folder that this server may not read has no files for it
                        yield from _walked(os.open(name, _FOLDER, dir_fd=folder), (*path, name))
    finally:
        os.close(folder)


def _some(walk: Iterator[Entry]) -> list[Entry]:
    return [*islice(walk, _BATCH)]


async def _pieces(worker: Worker, files: list[int]) -> AsyncIterator[bytes]:
    while piece := await worker.do(os.read, files[0], _PIECE):
        yield piece


def _close(files: list[int]) -> None:
    for one in files:
        os.close(one)


def _fill(file: int, data: bytes) -> None:
    """Write a new file to the disk, and close it."""
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)


def _remove_abandoned(folder: int) -> None:
    """Remove what writes that were killed have left in a folder."""
    with os.scandir(folder) as entries:
        for one in islice(entries, _MOST_CLEANED):
            if one.name.startswith(PART):
                with suppress(OSError):
                    if time() - one.stat(follow_symlinks=False).st_mtime > _ABANDONED_SECONDS:
                        os.unlink(one.name, dir_fd=folder)


@contextmanager
def _explained(inside: bool) -> Iterator[None]:
    """Turn errors of the file system into failures; ``inside``: below the connector's root."""
    try:
        yield
    except OSError as error:
        if not inside:
            raise Failed("unreachable", "the connector's folder can't be opened", "failure") from None
        if error.errno in _MISSING:
            raise not_found() from None
        raise Failed("upstream-failed", "the file system refuses it", "failure") from None
