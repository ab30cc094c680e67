"""The work of ``mcp pin``: what servers list now, held against the locks of a project, and the locks that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.cli.output import without_secrets
from reconciler.errors import Problem
from reconciler.kinds.connector.mcp_definition import Definition
from reconciler.kinds.connector.mcp_lock import Compared, LockedServer, compared, reached, unfit
from reconciler.load.mcp_lock import Lock
from reconciler.load.pinnable import Pinnable, read_back
from reconciler.model.body import canonical
from reconciler.model.secret_ref import references_in
from reconciler.render.mcp_lock import lock_text

REACHING = ("transport", "url", "auth", "headers", "command", "args", "env", "network_exceptions")
"""Fields of a connector by which a server is reached, and by whom."""


class Answer(NamedTuple):
    """What a server says of itself, the tools that it lists, and why others can't be used."""

    protocol: str
    server: Mapping[str, str]
    tools: Mapping[str, Definition]
    malformed: Mapping[str, str]


Ask = Callable[[Sequence[Pinnable]], Sequence[Answer | Problem]]
"""Returns for each connector what its server lists, or why nobody knows."""


class PinnedServer(NamedTuple):
    """One server of a lock: what was pinned before, what is listed now, and what is another."""

    reached: str
    before: LockedServer | None
    after: LockedServer | None
    malformed: Mapping[str, str]
    was_asked: bool = True

    @property
    def compared(self) -> Compared:
        old, new = (one.tools if one else {} for one in (self.before, self.after))
        return compared(old, new)

    @property
    def differs(self) -> bool:
        return (self.before is None) != (self.after is None) or any(self.compared)


class PinnedLock(NamedTuple):
    """One lock: its path, and its servers. ``text`` is what it has to hold, None for a file that has to go.

    One that was edited is ``stuck`` while not all of its servers can be asked: nobody knows what it held of the others.
    """

    path: str
    servers: Sequence[PinnedServer]
    text: str | None
    problems: Sequence[Problem]
    stuck: bool = False

    @property
    def differs(self) -> bool:
        return bool(self.problems) or any(one.differs for one in self.servers)


class Pinned(NamedTuple):
    """All locks, in the order of their paths, and a problem for each connector whose server could not be asked."""

    locks: list[PinnedLock]
    problems: list[Problem]


def pinned(
    found: Sequence[Pinnable], locks: Mapping[str, Lock], ask: Ask, whole: bool = True, every: bool = True
) -> Pinned:
    """Ask all servers, each once, and compare; a server that could not be asked keeps its entry.

    ``whole``: of each connector, all environments are among ``found``, so that entries of others go. ``every``: all
    connectors are, so that locks of others go.
    """
    groups: dict[str, list[Pinnable]] = {}
    for one in found:
        groups.setdefault(_identity(one), []).append(one)
    first = [each[0] for each in groups.values()]
    answers: dict[tuple[str, str], list[Answer]] = {}
    failed: dict[tuple[str, str], Problem] = {}
    for each, answer in zip(groups.values(), ask(first), strict=True):
        for key in dict.fromkeys((one.lock, reached(one.body)) for one in each):
            if isinstance(answer, Problem):
                failed.setdefault(key, answer)
            else:
                answers.setdefault(key, []).append(answer)
    paths = sorted({*(one.lock for one in found), *(locks if whole and every else ())})
    made = [_lock(path, locks.get(path), answers, failed, whole) for path in paths]
    return Pinned(made, [*dict.fromkeys(failed.values())])


def _identity(one: Pinnable) -> str:
    """Return what two connectors have in common that reach one server as one and the same client."""
    mine = {name: one.body[name] for name in REACHING if name in one.body}
    credentials = [one.environment, one.address.tenant] if next(references_in(mine), None) is not None else []
    return canonical([mine, *credentials])


Key = tuple[str, str]


def _lock(
    path: str, lock: Lock | None, answers: Mapping[Key, list[Answer]], failed: Mapping[Key, Problem], whole: bool
) -> PinnedLock:
    before = lock.servers if lock is not None else {}
    asked = {name for where, name in (*answers, *failed) if where == path}
    kept = {*before} - asked if not whole else set()
    servers = []
    for name in sorted({*before, *asked}):
        old = before.get(name)
        if name in kept or (path, name) in failed:
            servers.append(PinnedServer(name, old, old, {}, was_asked=False))
        else:
            servers.append(_server(Path(path), name, old, answers.get((path, name), [])))
    after = [one.after for one in servers if one.after is not None]
    text = lock_text(Path(path).stem, after) if after else None
    problems = lock.problems if lock is not None else ()
    stuck = bool(problems) and (any(where == path for where, _ in failed) or not whole)
    return PinnedLock(path, servers, text, problems, stuck)


def _server(path: Path, name: str, before: LockedServer | None, answers: Sequence[Answer]) -> PinnedServer:
    """Join what one server lists to several tenants; a tool that it defines in two ways is malformed."""
    if not answers:
        return PinnedServer(name, before, None, {})
    tools: dict[str, Definition] = {}
    malformed: dict[str, str] = {}
    for answer in answers:
        malformed |= answer.malformed
        for tool, definition in answer.tools.items():
            if tools.setdefault(tool, definition).digest != definition.digest:
                malformed[tool] = "the server defines it in another way to another tenant"
    for tool, definition in tools.items():
        if (why := unfit(definition) or _unkept(path, definition)) is not None:
            malformed.setdefault(tool, why)
    first = answers[0]
    fit = {tool: definition for tool, definition in tools.items() if tool not in malformed}
    server = {key: without_secrets(text) for key, text in first.server.items()}
    return PinnedServer(name, before, LockedServer(name, first.protocol, server, fit), malformed)


def _unkept(path: Path, tool: Definition) -> str | None:
    """Return why a lock can't hold a tool: what is written has to read as what the server listed, and hold no secret."""
    if without_secrets(dict(tool.members)) != dict(tool.members):
        return "it holds a secret that was sent to the server"
    probe = LockedServer("x", "", {"name": "", "version": ""}, {tool.name: tool})
    back = read_back(path, lock_text(path.stem, [probe]))
    read = back.servers["x"].tools[tool.name] if not back.problems else None
    if read is None or read.digest != tool.digest:
        return "no lock can hold it: it is too deep or too large"
    return None
