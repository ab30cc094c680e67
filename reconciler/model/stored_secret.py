"""What is known of a secret in the database besides its value, as values."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

TYPES = {
    "api_key": "a key of one service",
    "oauth": "JSON of an OAuth 2 client: client_id, client_secret, refresh_token, ...",
    "database": "the URL or DSN of a database",
    "bearer_token": "a token for `Authorization: Bearer`",
    "basic_auth": "user:password",
    "ssh_key": "a private key in PEM or OpenSSH form",
    "certificate": "PEM, with or without its private key",
    "custom": "anything",
}
PARTS = {
    "oauth": ("client_id", "client_secret", "refresh_token", "..."),
    "database": ("username", "password", "host", "port", "database"),
    "basic_auth": ("username", "password"),
    "ssh_key": ("private_key", "public_key"),
    "certificate": ("certificate", "private_key"),
}
"""What ``encrypted://NAME#PART`` may name, by type; of oauth, and of a custom secret that is JSON, any member."""
MOST_BYTES = 65536
"""Of a value."""


class StoredSecret(NamedTuple):
    """The metadata of one secret; ``version`` counts its values, from 1."""

    tenant: str
    name: str
    uid: str
    version: int
    type: str
    description: str
    key_id: str
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str
    expires_at: datetime | None
    rotate_days: int | None

    def __str__(self) -> str:
        return f"{self.tenant}/{self.name}"

    @property
    def rotate_by(self) -> datetime | None:
        """When a new value is due."""
        return self.changed_at + timedelta(days=self.rotate_days) if self.rotate_days else None


class KeyUse(NamedTuple):
    """A key as the database knows it: how often it wrapped, and how many secrets it still holds."""

    key_id: str
    wraps: int
    secrets: int
    retired_at: datetime | None
