"""Signed heads of the audit trail, pushed by an apply to where the database's writers can't reach."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from reconciler.cli import git
from reconciler.cli.trail import writing_key
from reconciler.cli.workspace import Workspace, now
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.notification import HEAD, event, subscribed
from reconciler.store.url import Database

HEADS_VARIABLE = "RECONCILER_AUDIT_HEADS"
NOTES = "reconciler-audit"
_Sink = Callable[[dict[str, Any]], None]


def push_head(workspace: Workspace, database: Database) -> None:
    """Push the newest head where one is due; warn of each sink that fails, and change nothing of what the command says."""
    sinks = [*_sinks(workspace, database)]
    if not sinks:
        return
    from reconciler.store.connect import reading
    from reconciler.store.heads import due_head

    with reading(database) as connection:
        head = due_head(connection, workspace.project.settings.heads.every)
    if head is None:
        return
    from reconciler.secrets.heads import signed_head

    document = signed_head(head, now().isoformat(timespec="seconds"), writing_key(workspace, database))
    if (environment := workspace.environment(required=True)) is not None:
        document["environment"] = environment
    for name, push in sinks:
        try:
            push(document)
        except (ReconcilerError, OSError, git.Unavailable) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            text = (
                f"Warning: the head of entry {head.seq} did not reach {name}: {why}. The audit trail itself is written."
            )
            workspace.options.progress.say(text, always=True)


def _sinks(workspace: Workspace, database: Database) -> Iterator[tuple[str, _Sink]]:
    settings, root = workspace.project.settings.heads, workspace.project.root
    outside = os.environ.get(HEADS_VARIABLE)
    if outside:
        yield outside, partial(_append, Path(outside))
    elif settings.file:
        yield settings.file, partial(_append_below, root, settings.file)
    if settings.git_notes:
        yield f"refs/notes/{NOTES}", partial(_note, root)
    if told := subscribed(workspace.project.settings.destinations, HEAD):
        yield "notifications", partial(_enqueue, workspace, database, told)


def _append_below(root: Path, name: str, document: dict[str, Any]) -> None:
    """Append below the named trail, whose name a pull request may change. Raises UsageError for a file that lies elsewhere."""
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise UsageError(f"it leads out of the project's folder; {HEADS_VARIABLE} may name such a file")
    _append(path, document)


def _append(path: Path, document: dict[str, Any]) -> None:
    with path.open("ab") as file:
        file.write(orjson.dumps(document) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _note(root: Path, document: dict[str, Any]) -> None:
    git.append_note(root, NOTES, orjson.dumps(document).decode())


def _enqueue(workspace: Workspace, database: Database, told: tuple[str, ...], document: dict[str, Any]) -> None:
    from reconciler.store.outbox import enqueue_alone

    environment = workspace.environment(required=True)
    data = {"project": workspace.name, "environment": environment, "head": document}
    enqueue_alone(database, workspace.name, told, event(HEAD, document["at"], data, ()))
