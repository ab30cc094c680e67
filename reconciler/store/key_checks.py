"""Check values of the keys that were used with a database: another key under a known id is refused wherever it is used.

The first entry of the audit trail under a key keeps its check value, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

from reconciler.errors import IntegrityFailed
from reconciler.model.key_check import check_value


def require_same(connection: Connection, keys: Mapping[str, bytes]) -> None:
    """Raise IntegrityFailed where one of the keys is not the one that was used here under its id."""
    for key_id, kept in connection.execute(text("SELECT key_id, check_value FROM key_checks")):
        if key_id in keys and check_value(key_id, keys[key_id]) != kept:
            raise another(key_id)


def keep_check(connection: Connection, key_id: str, key: bytes) -> None:
    """Keep the check value of a key that is used here for the first time. Raises IntegrityFailed for another key."""
    kept = read_check(connection, key_id)
    if kept is None:
        keep(connection, key_id, check_value(key_id, key))
    elif kept != check_value(key_id, key):
        raise another(key_id)


def read_check(connection: Connection, key_id: str) -> str | None:
    """Return what is kept of a key, None for one that was not used here yet."""
    sql = text("SELECT check_value FROM key_checks WHERE key_id = :key")
    found: str | None = connection.execute(sql, {"key": key_id}).scalar()
    return found


def keep(connection: Connection, key_id: str, value: str) -> None:
    """Keep a check value, unless somebody else did so at the same time."""
    sql = text("INSERT INTO key_checks (key_id, check_value) VALUES (:key, :value) ON CONFLICT (key_id) DO NOTHING")
    connection.execute(sql, {"key": key_id, "value": value})


def another(key_id: str) -> IntegrityFailed:
    """Return the error for a key that is not the one that its id names."""
    return IntegrityFailed(
        f"the key {key_id!r} is another one than this database was used with under that id",
        code="key-differs",
        hint=_OF_VAULT if ":" in key_id else _OF_A_FILE,
    )


_OF_A_FILE = (
    "name the key file that was in use (RECONCILER_KEY_FILE, or `secrets.keys`); a new key gets an id of its own, "
    "by `reconciler secrets keys add`"
)
_OF_VAULT = "does VAULT_ADDR (and VAULT_NAMESPACE) name the server that was in use? A new key needs another name"
