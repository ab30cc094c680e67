"""``mcp``: what was reviewed of MCP servers, kept in locks beside the manifests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import BOTH, common_by, print_json, print_lines
from reconciler.cli.pinning import Answer, Pinned, PinnedLock, pinned
from reconciler.cli.runtime_pins import seen_by_runtime
from reconciler.cli.surroundings import opening, project_settings
from reconciler.cli.workspace import Options, Workspace
from reconciler.codes import Code
from reconciler.errors import LockEdited, Problem, ReconcilerError, UsageError, in_order
from reconciler.files import write_atomically
from reconciler.kinds.connector.served import unserved
from reconciler.kinds.nearest import near
from reconciler.load.mcp_lock import Lock
from reconciler.load.pinnable import Pinnable, pinnable
from reconciler.load.project import FILE_NAME, SERVE_FILE
from reconciler.load.source import shown_name
from reconciler.model.target import is_per_user
from reconciler.runtime.extras import not_installed

if TYPE_CHECKING:
    from reconciler.runtime.mcp.pin import Answered

SUBJECT_VARIABLE = "RECONCILER_SUBJECT_TOKEN"
"""A token that is exchanged as a caller's would be, for connectors whose access tokens are their callers' own."""
DRIFT = 2
"""The exit code of drift: what is outside is not what was reviewed."""
_HINTS: Mapping[str, str] = {
    "not-permitted": "permit the program in `permits.stdio` of serve.yaml, and name that file by --config",
    "address-refused": "permit the network in `network_exceptions` of the connector and in `permits.networks` of serve.yaml",
    "credential-unresolved": "see `reconciler validate --check`",
    "token-refused": f"where its grant is per user, name a token of yours, as a caller would have it, by {SUBJECT_VARIABLE}",
}


@click.group("mcp")
def command() -> None:
    """Pin the tools of MCP servers."""


@command.command("pin")
@click.argument("connectors", nargs=-1, metavar="[CONNECTOR]...")
@click.option("--write", is_flag=True, help="Write the locks.")
@click.option("--check", is_flag=True, help="Write nothing; exit 2 if a lock is not what the servers list now.")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The server's own settings, which permit programs and networks; default: {SERVE_FILE} in the project.",
)
@click.option(
    "--from-runtime",
    "runtime",
    metavar="URL",
    help="Ask no MCP server: read what the server with this operators' API saw (token: RECONCILER_OPERATOR_TOKEN).",
)
@common_by(takes=BOTH)
def pin_command(
    options: Options, connectors: tuple[str, ...], write: bool, check: bool, config: Path | None, runtime: str | None
) -> int:
    """Compare what MCP servers list now with what was pinned, and write that down.

    Asks each server of the project's connectors, or of those named CONNECTOR, by the same way as calls do, with the same
    credentials. Prints which tools are new, changed (line by line), gone, and unusable. Without --write it writes nothing.
    """
    if write and check:
        raise UsageError("--write and --check exclude each other", hint="leave out one of them")
    workspace = Workspace(options, ())
    if not workspace.project.has_file:
        raise UsageError("locks belong to a project", hint=f"write a {FILE_NAME} that says `version: 1`")
    found, locks = _connectors(workspace, connectors)
    whole = options.env is None or len(workspace.environments) < 2
    ask = partial(seen_by_runtime, runtime) if runtime else partial(_ask, workspace, config)
    with options.progress.stage("Asking servers"):
        pins = pinned(found, locks, ask, whole, every=not connectors)
    _print(options, pins, write)
    edited = [problem for lock in pins.locks if lock.stuck or check for problem in lock.problems]
    for lock in pins.locks if write else ():
        if not lock.stuck:
            _write(lock)
    if edited and (write or check):
        raise LockEdited(*in_order([*edited, *pins.problems]))
    if pins.problems:
        raise ReconcilerError(*in_order(pins.problems))
    return DRIFT if check and any(lock.differs for lock in pins.locks) else 0


def _connectors(workspace: Workspace, names: Sequence[str]) -> tuple[list[Pinnable], dict[str, Lock]]:
    """Return the connectors of all environments, or of the one that --env names, and their locks. Raises UsageError."""
    environment = workspace.environment(required=False)
    wanted: list[str | None] = [environment] if environment else [*workspace.environments] or [None]
    found: list[Pinnable] = []
    locks: dict[str, Lock] = {}
    for one in wanted:
        pins = pinnable(workspace.project, one, workspace.name)
        found += pins.connectors
        locks |= pins.locks
    known = {one.address.name for one in found}
    for name in names:
        if name not in known:
            hint = near(name, sorted(known)) or "see `connectors` of the manifests"
            raise UsageError(f"there is no MCP connector {name!r} in this project", hint=hint)
    return [one for one in found if not names or one.address.name in names], locks


def _answer(answered: Answered) -> Answer:
    server, listed = answered
    return Answer(server.protocol, {"name": server.name, "version": server.version}, *listed)


def _ask(workspace: Workspace, config: Path | None, asked: Sequence[Pinnable]) -> list[Answer | Problem]:
    try:
        from reconciler.runtime.mcp.pin import Asked, ask_all
    except ModuleNotFoundError as error:
        raise not_installed(error) from None
    from reconciler.runtime.call import Failed, Subject

    settings = project_settings(workspace, config)
    opened = {
        name: opening(workspace, name, settings, "pin") for name in dict.fromkeys(one.environment for one in asked)
    }
    usable = [one for one in asked if unserved(one.body) is None]
    token = os.environ.get(SUBJECT_VARIABLE)
    subject = Subject(token, float("inf")) if token else None
    wanted = [
        Asked(one.address, one.body, opened[one.environment].around, subject if is_per_user(one.body) else None)
        for one in usable
    ]
    answers = asyncio.run(ask_all(wanted))
    for one in opened.values():
        one.log.write(everything=True)
    found = dict(zip(map(id, usable), answers, strict=True))
    return [
        _unserved(one)
        if (answer := found.get(id(one))) is None
        else _problem(one, answer.code, str(answer))
        if isinstance(answer, Failed)
        else _answer(answer)
        for one in asked
    ]


def _unserved(one: Pinnable) -> Problem:
    return _problem(one, "not-supported", f"the runtime does not serve {unserved(one.body)}")


def _problem(one: Pinnable, code: Code, message: str) -> Problem:
    return Problem(
        code,
        f"{one.address} can't be pinned: {message}",
        str(one.address),
        place=one.place,
        hint=_HINTS.get(code),
    )


def _write(lock: PinnedLock) -> None:
    path = Path(lock.path)
    if lock.text is None:
        path.unlink(missing_ok=True)
        return
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == lock.text:
            return
        path.parent.mkdir(exist_ok=True)
    except UnicodeDecodeError:
        pass
    except OSError as error:
        raise ReconcilerError(f"can't write {shown_name(path)}: {error.strerror}", code="file-not-written") from None
    write_atomically(path, lock.text)


def _print(options: Options, pins: Pinned, written: bool) -> None:
    from reconciler.render.pins import server_json

    if options.format == "json":
        locks = [
            {
                "path": shown_name(Path(lock.path)),
                "differs": lock.differs,
                "servers": [server_json(one.reached, one.after, one.compared, one.malformed) for one in lock.servers],
            }
            for lock in pins.locks
        ]
        print_json({"format_version": "1.0", "locks": locks})
        return
    for lock in pins.locks:
        if lock.differs or not options.quiet:
            print_lines([*_lines(lock), ""], options.style)
    count = sum(lock.differs for lock in pins.locks)
    of_all = f"{count} of {len(pins.locks)} locks"
    said = (
        "All locks are as servers list."
        if not count
        else f"{of_all} written: review what changed, and commit it."
        if written
        else f"{of_all} differ from what servers list; --write writes what they list now."
    )
    print_lines([said if pins.locks else "The project has no MCP connector."], options.style)


def _lines(lock: PinnedLock) -> Iterator[str]:
    from reconciler.render.pins import server_text

    yield shown_name(Path(lock.path))
    for problem in lock.problems:
        yield f"  ! edited: {problem.message} ({problem.place})"
    for one in lock.servers:
        yield from server_text(one.reached, one.before, one.after, one.compared, one.malformed, one.was_asked)
