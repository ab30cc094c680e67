"""Check values of the keys that were used with a database: another key under a known id is refused wherever it is used.

The first entry of the audit trail under a key keeps its check value, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from reconciler.errors import IntegrityFailed
from reconciler.model.key_check import check_value
from reconciler.store.dialect import insert
from reconciler.store.tables import key_checks


def require_same(connection: Connection, keys: Mapping[str, bytes]) -> None:
    """Raise IntegrityFailed where one of the keys is not the one that was used here under its id."""
    for key_id, kept in connection.execute(select(key_checks.c.key_id, key_checks.c.check_value)):
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
    kept = select(key_checks.c.check_value).where(key_checks.c.key_id == key_id)
    found: str | None = connection.execute(kept).scalar()
    return found


def keep(connection: Connection, key_id: str, value: str) -> None:
    """Keep a check value, unless somebody else did so at the same time."""
    row = insert(connection, key_checks).values(key_id=key_id, check_value=value)
    connection.execute(row.on_conflict_do_nothing(index_elements=["key_id"]))


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
