"""Find the MCP connectors of a project, and where the lock of each belongs. No lock is folded in, so an edited one is found too."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import NamedTuple

from reconciler.errors import Place, Problems
from reconciler.load.build import quietly
from reconciler.load.closed import Judgement
from reconciler.load.gather import Request, gather
from reconciler.load.load import no_collector
from reconciler.load.mcp_lock import Lock, LockFile, read_lock
from reconciler.load.project import Project
from reconciler.load.report import raise_if_any
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.configuration import Configuration


class Pinnable(NamedTuple):
    """A connector as an environment declares it; ``lock`` is the path of its lock, which need not be there."""

    environment: str | None
    address: Address
    body: Body
    place: Place | None
    lock: str


class FoundPins(NamedTuple):
    """The connectors of one environment, and its locks by path; those without a connector too."""

    connectors: list[Pinnable]
    locks: dict[str, Lock]


def pinnable(project: Project, environment: str | None, name: str) -> FoundPins:
    """Return the connectors that the runtime can use. Raises ConfigurationInvalid."""
    problems = Problems()
    with no_collector():
        found = gather(Request(project, environment, (), name, quietly, folds=False), problems)
        sources = (*([project.source] if project.source else []), *found.sources)
        raise_if_any(problems, sources, Judgement(), found.configuration.files)
        connectors = [
            Pinnable(
                environment,
                address,
                found.configuration.resources[address].body,
                found.drafts[address].place,
                found.locks.path_of(found.drafts[address]),
            )
            for address in _connectors(found.configuration)
        ]
        files = [one for folder in found.locks.files.values() for one in folder.values()]
    return FoundPins(connectors, {one.path: read_lock(one) for one in files})


def _connectors(configuration: Configuration) -> list[Address]:
    found = (Address.of(name) for name in configuration.digests if name.split("/", 2)[1] == "connector")
    return sorted(address for address in found if _is_pinnable(configuration.resources[address].body))


def _is_pinnable(body: Body) -> bool:
    return body["type"] == "mcp" and body.get("runtime") is not False


def read_back(path: FilePath, text: str) -> Lock:
    """Return what a lock of this text would be read as."""
    return read_lock(LockFile(str(path), text.encode()))
