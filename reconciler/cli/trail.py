"""A project's audit trail with the keys that are known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.cli.signing import known_keys
from reconciler.cli.workspace import Workspace
from reconciler.model.audit import AuditKey
from reconciler.store.url import Database


class Trail(NamedTuple):
    """``primary`` is the key of new entries. ``expects_key``: a key is configured, so entries without one need a reason."""

    database: Database
    keys: Mapping[str, bytes]
    primary: AuditKey
    expects_key: bool


def trail_of(workspace: Workspace) -> Trail:
    """Raises what reading the keys does."""
    database = workspace.database(workspace.environment(required=True))
    keys = known_keys(workspace.project)
    if keys is None:
        return Trail(database, {}, None, False)
    return Trail(database, keys.by_id, (keys.primary, keys.by_id[keys.primary]), True)
