"""Sends what waits in the outbox, after the work is done: no failure here changes what the command says of its work."""

from __future__ import annotations

import click

from reconciler.cli.workspace import Workspace
from reconciler.errors import OutcomeUnknown, ReconcilerError, UsageError
from reconciler.model.notification import Event, subscribed
from reconciler.store.url import Database


def deliver_waiting(workspace: Workspace, database: Database) -> None:
    """Deliver the notifications that wait in the outbox; without destinations, do nothing."""
    destinations = workspace.project.settings.destinations
    if not destinations:
        return
    from reconciler.notify.deliver import deliver

    progress = workspace.options.progress
    with progress.stage("Notifying"):
        try:
            deliver(database, workspace.name, destinations, lambda text: progress.say(text, always=True))
        except ReconcilerError as error:
            progress.say(f"Warning: notifications were not delivered: {error}. They are kept.", always=True)


def tell_of(workspace: Workspace, database: Database, event: Event) -> bool:
    """Queues ``event`` for those who subscribed, and sends what waits; whether it is queued at least.

    Raises UsageError where there is nobody to tell, OutcomeUnknown where nobody knows whether it is queued.
    """
    from reconciler.store.outbox import enqueue_alone

    destinations = workspace.project.settings.destinations
    if not destinations:
        raise UsageError(
            "--notify has nobody to tell: the project has no `notifications`",
            code="nobody-to-tell",
            hint="add a destination to reconciler.yaml; docs/history-and-drift.md shows how",
        )
    told = subscribed(destinations, event["type"].removeprefix("reconciler."))
    try:
        if told:
            enqueue_alone(database, workspace.name, told, event)
    except OutcomeUnknown:
        raise
    except ReconcilerError as error:
        _warn(f"Error: the notification was not queued: {error}")
        return False
    deliver_waiting(workspace, database)
    return True


def _warn(text: str) -> None:
    click.echo(text, err=True)
