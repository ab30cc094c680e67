"""A project's audit trail with the keys that are known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.cli.signing import known_keys, ring, signing_key, transit_key
from reconciler.cli.workspace import Workspace
from reconciler.model.audit import AuditKey
from reconciler.store.url import Database


class Trail(NamedTuple):
    """``expects_key``: a key is configured, so an entry without one needs a reason."""

    database: Database
    keys: Mapping[str, bytes]
    expects_key: bool


def trail_of(workspace: Workspace) -> Trail:
    """Return the trail with its keys. Raises what reading them does, and CredentialUnresolved where Vault can't be asked."""
    from reconciler.credentials.trail_key import trail_keys

    database = workspace.database(workspace.environment(required=True))
    keys, held = known_keys(workspace.project), ring(workspace.project)
    by_id = {**(keys.by_id if keys else {}), **trail_keys(database, held)}
    return Trail(database, by_id, held is not None)


def writing_key(workspace: Workspace, database: Database) -> AuditKey:
    """Return the key that entries are made with: the key file's, else one that Vault's transit wraps; None without either.

    Raises CredentialUnresolved, IntegrityFailed.
    """
    own = signing_key(workspace.project)
    transit = transit_key(workspace.project) if own is None else None
    if transit is None:
        return own
    from reconciler.credentials.trail_key import trail_key

    return trail_key(database, transit)
