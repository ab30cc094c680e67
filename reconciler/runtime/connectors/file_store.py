"""The nouns of a store of files, and the table of stores: adding one is a new file and a line in ``kinds/connector/served.py``.

A module of that table has a function ``open_store`` (``OpenStore``). Whoever calls a store has judged the path: segments that are
names, below the datasource's folder. A store raises Failed; of a write and a deletion it says whether it may have had its effect.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import cache
from importlib import import_module
from typing import NamedTuple, Protocol, TypeAlias

from reconciler.kinds.connector.served import SERVED
from reconciler.kinds.template.file_path import Segments
from reconciler.model.body import Body
from reconciler.runtime.call import Failed, Surroundings

PIECE = 256 * 1024
"""Bytes that are read at once."""


class Entry(NamedTuple):
    """A file in a list: ``modified`` is in UTC, as RFC 3339 writes it."""

    path: Segments
    size: int
    modified: str


class Opened(NamedTuple):
    """A file that is read: its size, its media type as the store says it ("" for none), and its bytes."""

    size: int
    media_type: str
    pieces: AsyncIterator[bytes]


class Written(NamedTuple):
    """A file that is to be written."""

    data: bytes
    media_type: str
    replaces: bool
    """Whether a file of that name may be replaced; otherwise the write fails with `file-exists`."""


class Store(Protocol):
    """A bucket, a container or a folder."""

    async def authorize(self, anew: bool) -> None:
        """Get ready with the connector's credential; ``anew``: the one that was used was refused. Raises Failed."""
        ...

    def listed(self, folder: Segments) -> AsyncGenerator[Entry, None]:
        """Yield all files below a folder, in the order of their names as far as the store has one."""
        ...

    def opened(self, path: Segments) -> AbstractAsyncContextManager[Opened]:
        """Open a file. Raises Failed with `no-such-file` for none."""
        ...

    async def write(self, path: Segments, written: Written) -> None:
        """Write a whole file, or nothing."""
        ...

    async def delete(self, path: Segments) -> None:
        """Delete a file; a missing one is no failure, since some stores don't say."""
        ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


OpenStore: TypeAlias = Callable[[str, Body, Surroundings], Awaitable[Store]]
"""From a tenant, its connector's body and what surrounds it."""


async def open_store(tenant: str, connector: Body, around: Surroundings) -> Store:
    """Open the store of a connector's provider. Raises Failed."""
    return await _opener(SERVED["file"].by[connector["provider"]])(tenant, connector, around)


@cache
def _opener(module: str) -> OpenStore:
    found: OpenStore = import_module(f"reconciler.runtime.connectors.{module}").open_store
    return found


def not_found() -> Failed:
    """Return the failure of a name that no file has."""
    return Failed("no-such-file", "there is no file of that name", "failure")


def exists() -> Failed:
    """Return the failure of a write whose name a file has already."""
    return Failed("file-exists", "a file of that name exists, and the template does not replace it", "failure")


def unmeasured() -> Failed:
    """Return the failure of a store that does not announce how long a file is, so that nobody can tell a whole one."""
    return Failed("invalid-response", "the store does not say how long the file is", "failure")


def key_of(path: Segments) -> str:
    """Return the name of a file in a store that has no folders."""
    return "/".join(path)


def prefix_of(folder: Segments) -> str:
    """Return the text that the names of all files below a folder begin with in such a store."""
    return "".join(f"{one}/" for one in folder)
