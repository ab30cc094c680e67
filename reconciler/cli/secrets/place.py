"""What every command about secrets needs: the database, who acts, and the name that was given."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.cli.signing import signing_key
from reconciler.cli.workspace import Options, Workspace, actor
from reconciler.errors import UsageError
from reconciler.model.address import NAME_RULE, is_name
from reconciler.store.secrets import Actor
from reconciler.store.url import Database


class Place(NamedTuple):
    workspace: Workspace
    database: Database
    actor: Actor


def place(options: Options) -> Place:
    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    return Place(workspace, database, Actor(actor(), signing_key(workspace.project)))


def parse_name(text: str) -> tuple[str, str]:
    """TENANT/NAME. Raises UsageError."""
    tenant, _, name = text.partition("/")
    if not (is_name(tenant) and is_name(name)):
        raise UsageError("expected TENANT/NAME", code="invalid-name", hint=NAME_RULE)
    return tenant, name
