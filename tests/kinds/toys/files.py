"""A toy store of files, in place of Google's: what is written is kept in a map, by the name of the bucket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from reconciler.kinds.template.file_path import Segments
from reconciler.model.body import Body
from reconciler.runtime.call import Surroundings
from reconciler.runtime.connectors.file_store import Entry, Opened, Store, Written, exists, not_found

KEPT: dict[Segments, bytes] = {}


class Toy:
    async def authorize(self, anew: bool) -> None:
        return None

    async def listed(self, folder: Segments) -> AsyncGenerator[Entry, None]:
        for path, data in sorted(KEPT.items()):
            if path[: len(folder)] == folder:
                yield Entry(path, len(data), "2026-01-01T00:00:00Z")

    @asynccontextmanager
    async def opened(self, path: Segments) -> AsyncIterator[Opened]:
        if path not in KEPT:
            raise not_found()

        async def pieces() -> AsyncIterator[bytes]:
            yield KEPT[path]

        yield Opened(len(KEPT[path]), "", pieces())

    async def write(self, path: Segments, written: Written) -> None:
        if path in KEPT and not written.replaces:
            raise exists()
        KEPT[path] = written.data

    async def delete(self, path: Segments) -> None:
        KEPT.pop(path, None)

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        return None


async def open_store(_tenant: str, _connector: Body, _around: Surroundings) -> Store:
    return Toy()
