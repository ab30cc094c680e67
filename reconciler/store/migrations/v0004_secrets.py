"""Sealed secrets, the keys that sealed them, and what is known of the secrets behind references."""

from sqlalchemy import Connection

_WORDS = {
    "postgresql": {"moment": "TIMESTAMPTZ", "now": "now()", "bytes": "BYTEA"},
    "sqlite": {"moment": "TEXT", "now": "(strftime('%Y-%m-%dT%H:%M:%SZ','now'))", "bytes": "BLOB"},
}
_TABLES = (
    # uid: of one life of a secret; no resource's life touches it
    """CREATE TABLE secrets (
  tenant TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL UNIQUE, version BIGINT NOT NULL, type TEXT NOT NULL,
  description TEXT NOT NULL, blob {bytes} NOT NULL, key_id TEXT NOT NULL,
  created_at {moment} NOT NULL DEFAULT {now}, created_by TEXT NOT NULL,
  changed_at {moment} NOT NULL DEFAULT {now}, changed_by TEXT NOT NULL,
  expires_at {moment}, rotate_days INTEGER, PRIMARY KEY (tenant, name))""",
    "CREATE INDEX secrets_by_key ON secrets (key_id, uid)",
    # wraps: how many data keys it ever wrapped; GCM's bounds are judged by it
    "CREATE TABLE secret_keys (key_id TEXT PRIMARY KEY, wraps BIGINT NOT NULL, retired_at {moment})",
    # what was behind a resource's reference at its last checked apply: the store's version, or a keyed hash
    """CREATE TABLE fingerprints (
  tenant TEXT NOT NULL, uid TEXT NOT NULL, path TEXT NOT NULL, reference TEXT NOT NULL, fingerprint TEXT NOT NULL,
  PRIMARY KEY (tenant, uid, path))""",
)


def upgrade(connection: Connection) -> None:
    for table in _TABLES:
        connection.exec_driver_sql(table.format(**_WORDS[connection.dialect.name]))
