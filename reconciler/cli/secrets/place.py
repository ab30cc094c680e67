"""What every command about secrets needs: the database, who acts, and the name that was given."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.cli.trail import writing_key
from reconciler.cli.workspace import Options, Workspace, actor
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.address import NAME_RULE, is_name
from reconciler.store.secrets import Actor
from reconciler.store.url import Database


class SecretsPlace(NamedTuple):
    """Where a command finds its secrets: the workspace and its database."""

    workspace: Workspace
    database: Database

    @property
    def actor(self) -> Actor:
        """Who acts, with the key of the audit trail. Raises what ``writing_key`` does."""
        return Actor(actor(), writing_key(self.workspace, self.database))

    @property
    def decider(self) -> Actor:
        """Who decides what is in force before its entry is made: no key, and nobody to ask for one."""
        return Actor(actor())

    def file_decisions(self) -> bool:
        """Make the entries of decisions; False where that is left to a later writer."""
        from reconciler.store.filing import file

        try:
            return file(self.database, self.actor)
        except ReconcilerError:
            return False


def place(options: Options) -> SecretsPlace:
    """Return the workspace and the database that the options name."""
    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    return SecretsPlace(workspace, database)


def parse_name(text: str) -> tuple[str, str]:
    """TENANT/NAME. Raises UsageError."""
    tenant, _, name = text.partition("/")
    if not (is_name(tenant) and is_name(name)):
        raise UsageError("expected TENANT/NAME", code="invalid-name", hint=NAME_RULE)
    return tenant, name
