"""Read the locks of MCP servers, `mcp.lock/CONNECTOR.yaml` beside manifests, and fold them into the connectors' bodies.

Nothing is substituted in a lock. `reconciler mcp pin` alone writes it, so anything that it would not have written is an
edit: the digest of each tool is checked against its content.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from reconciler.errors import Path, Place, Problem, Problems
from reconciler.load.discover import LOCKS, contained
from reconciler.load.draft import Draft
from reconciler.load.source import Source, parse_source, read_bytes, shown_name

if TYPE_CHECKING:
    # building the models of connectors takes 40 ms, and a load that finds nothing new needs none
    from reconciler.kinds.connector.mcp_definition import Definition
    from reconciler.kinds.connector.mcp_lock import LockedServer

SUFFIX = ".yaml"
VERSION = 1
KEY = "mcp_lock"
_ENTRY = ("reached", "protocol", "server", "tools")
_SERVER = ("name", "version")
_DIGEST = "digest"


class LockFile(Struct, frozen=True):
    """One file of a folder of locks: its own path, and its bytes."""

    path: str
    data: bytes

    @property
    def connector(self) -> str:
        return FilePath(self.path).stem


class Lock(Struct, frozen=True):
    """A lock that was read: the servers by what was reached, or the problems of the file."""

    servers: Mapping[str, LockedServer]
    problems: tuple[Problem, ...] = ()


class Locks(Struct, frozen=True):
    """The locks beside the manifests that were read. A lock is parsed when a connector of its name is built.

    ``files`` are those of each folder of manifests, by the connector's name; ``overlays`` the overlay folders, topmost first.
    """

    files: Mapping[str, Mapping[str, LockFile]] = {}
    overlays: tuple[str, ...] = ()
    _read: dict[str, Lock] = field(default_factory=dict)

    def digest(self, file: str) -> bytes:
        """Return what the bytes of all locks are known by that a manifest's connectors may take; empty without any."""
        folders = [self.files.get(folder, {}) for folder in (os.path.dirname(file), *self.overlays)]
        if not any(folders):
            return b""
        made = blake2b(digest_size=20)
        for number, locks in enumerate(folders):
            for connector, one in sorted(locks.items()):
                for part in (str(number).encode(), os.fsencode(connector), one.data):
                    made.update(len(part).to_bytes(8, "little") + part)
        return made.digest()

    def paths(self) -> list[str]:
        """Return the paths of all locks."""
        return sorted({one.path for files in self.files.values() for one in files.values()})

    def folded(self, draft: Draft, body: Any, problems: list[Problem]) -> Any:
        """Return the body of a resource, that of an MCP connector with what its lock says; problems of the lock are added."""
        if draft.address.kind != "connector" or not isinstance(body, dict) or body.get("type") != "mcp":
            return body
        file = self.file_of(draft)
        if file is None:
            return body
        from reconciler.kinds.connector.mcp_lock import folded, reached

        if file.path not in self._read:
            self._read[file.path] = read_lock(file)
        lock = self._read[file.path]
        problems += [one for one in lock.problems if one not in problems]
        server = lock.servers.get(reached(body))
        return folded(body, server.tools) if server is not None else body

    def file_of(self, draft: Draft) -> LockFile | None:
        """Return the lock of a connector: that of the topmost overlay folder that has one, else the one beside its manifest."""
        for folder in self._folders(draft):
            if (found := self.files.get(folder, {}).get(draft.address.name)) is not None:
                return found
        return None

    def path_of(self, draft: Draft) -> str:
        """Return the path of a connector's lock, there or not: without one, beside the topmost manifest that declares it."""
        found = self.file_of(draft)
        own = FilePath(draft.layers[-1].source.path).parent
        return found.path if found is not None else str(own / LOCKS / f"{draft.address.name}{SUFFIX}")

    def _folders(self, draft: Draft) -> Iterator[str]:
        own = [os.path.dirname(layer.source.path) for layer in reversed(draft.layers)]
        for overlay in self.overlays:
            yield from (folder for folder in own if FilePath(folder).is_relative_to(overlay))
            yield overlay
        yield from own


def read_locks(root: FilePath | None, files: Sequence[str], overlays: Sequence[FilePath], problems: Problems) -> Locks:
    """Read the bytes of all locks beside the files and in the overlay folders.

    Links may not lead out of ``root``; without one, not out of the folder.
    """
    above = tuple(map(str, reversed(overlays)))
    folders = dict.fromkeys((*(os.path.dirname(file) for file in files if not file.startswith("<")), *above))
    found: dict[str, dict[str, LockFile]] = {}
    for folder in folders:
        names = _names(FilePath(folder, LOCKS), problems)
        paths = contained([FilePath(folder, LOCKS, name) for name in names], root or FilePath(folder), problems)
        read = [LockFile(str(path), data) for path in paths if (data := read_bytes(path, problems)) is not None]
        if read:
            found[folder] = {one.connector: one for one in read}
    return Locks(found, above)


def _names(folder: FilePath, problems: Problems) -> list[str]:
    try:
        return sorted(one for one in os.listdir(folder) if one.endswith(SUFFIX) and not one.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        name = shown_name(folder)
        problems.add(Problem("file-unreadable", f"can't read {name}: {error.strerror}", place=Place(name)))
        return []


def read_lock(file: LockFile) -> Lock:
    """Parse and check one lock; never raises for what the file holds."""
    problems = Problems()
    source = parse_source(shown_name(FilePath(file.path)), file.data, problems, file.path)
    if problems.found:
        return Lock({}, tuple(problems.found))
    reader = _Reader(source, file.connector)
    try:
        return Lock(reader.servers())
    except _Edited as error:
        return Lock({}, (error.problem,))


class _Edited(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Reader:
    """Reads the one document of a lock. Raises _Edited at the first value that `mcp pin` would not have written."""

    def __init__(self, source: Source, connector: str) -> None:
        self._source, self._connector = source, connector

    def servers(self) -> dict[str, LockedServer]:
        if len(self._source.documents) != 1:
            raise self._edited("a lock is one document", ())
        whole = self._map(self._source.documents[0].value, ("version", KEY), ())
        if whole["version"] != VERSION or isinstance(whole["version"], bool):
            problem = Problem("unknown-version", f"expected `version: {VERSION}`", hint=self._hint)
            raise _Edited(self._source.locate(problem, 0, ("version",), _nothing))
        entries = self._map(whole[KEY], (self._connector,), (KEY,))[self._connector]
        path = (KEY, self._connector)
        if not isinstance(entries, list):
            raise self._edited("expected a list of servers", path)
        found: dict[str, LockedServer] = {}
        for index, entry in enumerate(entries):
            server = self._server(entry, (*path, index))
            if server.reached in found:
                raise self._edited("another entry is of the same server", (*path, index, "reached"))
            found[server.reached] = server
        return found

    def _server(self, value: Any, path: Path) -> LockedServer:
        from reconciler.kinds.connector.mcp_lock import LockedServer

        entry = self._map(value, _ENTRY, path)
        server = self._map(entry["server"], _SERVER, (*path, "server"))
        texts: dict[Path, Any] = {("reached",): entry["reached"], ("protocol",): entry["protocol"]}
        texts |= {("server", name): text for name, text in server.items()}
        for below, text in texts.items():
            if not isinstance(text, str):
                raise self._edited("expected text", (*path, *below))
        if not isinstance(entry["tools"], dict):
            raise self._edited("expected a map of tools", (*path, "tools"))
        tools = {name: self._tool(name, tool, (*path, "tools", name)) for name, tool in entry["tools"].items()}
        return LockedServer(entry["reached"], entry["protocol"], server, tools)

    def _tool(self, name: str, value: Any, path: Path) -> Definition:
        from reconciler.kinds.connector.mcp_definition import MEMBERS, Malformed, checked

        if not isinstance(value, dict) or _DIGEST not in value or not {_DIGEST, *MEMBERS.values()} >= value.keys():
            raise self._edited(f"expected a map of {_DIGEST}, {', '.join(MEMBERS.values())}", path)
        try:
            found = checked(name, {key: one for key, one in value.items() if key != _DIGEST})
        except Malformed as error:
            raise self._edited(f"no tool has this definition: {error}", path) from None
        if found.digest != value[_DIGEST]:
            raise self._edited("the definition is not the one that its digest is of", (*path, _DIGEST))
        return found

    def _map(self, value: Any, keys: tuple[str, ...], path: Path) -> dict[str, Any]:
        if not isinstance(value, dict) or value.keys() != {*keys}:
            raise self._edited(f"expected a map of {', '.join(keys)}", path)
        return value

    @property
    def _hint(self) -> str:
        return f"take back the edit, or run `reconciler mcp pin {self._connector} --write` and review what it writes"

    def _edited(self, message: str, path: Path) -> _Edited:
        problem = Problem("lock-edited", message, hint=self._hint)
        return _Edited(self._source.locate(problem, 0, path, _nothing))


def _nothing(_path: Path) -> bool:
    """No value of a lock is shown in an excerpt."""
    return False
