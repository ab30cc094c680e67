"""The file of a database: permitted by the operator, no database of this program, and the same file when it is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from reconciler.runtime.call import Failed, Surroundings


class DatabaseFile(NamedTuple):
    """Where a connector's database is, the folders that its tenant may use, and the databases that no template may reach."""

    path: str
    roots: Sequence[str]
    control: frozenset[tuple[Any, Any]]

    @classmethod
    def of(cls, name: str, around: Surroundings) -> Self:
        """Return the file of that name. Raises Failed for one that the operator does not permit."""
        file = cls(str(Path(name).absolute()), [*map(str, around.permits.sqlite_roots)], around.control)
        file._real()
        return file

    def place(self) -> tuple[str, tuple[int, int]]:
        """Return the real path and which file it is, each time anew: it may have become a link to another one. Raises Failed."""
        real = self._real()
        identity = identity_of(real)
        if identity in self.control or ("path", real) in self.control:
            what = "the databases of the configuration and of this server are nothing for templates"
            raise Failed("control-database", what, "blocked")
        return real, identity

    def _real(self) -> str:
        real = os.path.realpath(self.path)
        if not any(os.path.commonpath((real, root)) == root for root in self.roots):
            raise Failed("file-not-permitted", "the operator of this server does not permit that folder", "blocked")
        return real


def identity_of(path: str) -> tuple[int, int]:
    """Return which file it is, without following a link. Raises Failed for what is no file."""
    try:
        status = os.lstat(path)
    except OSError:
        raise Failed("unreachable", "the file is not there") from None
    if not stat.S_ISREG(status.st_mode):
        raise Failed("unreachable", "that is no file")
    return status.st_dev, status.st_ino
