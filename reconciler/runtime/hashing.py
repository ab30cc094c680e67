"""The key of the hashes of values in evidence: one that is not in the evidence's own database, where there is any."""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from reconciler.model.audit import AuditKey

LABEL = 8
"""Hexadecimal digits."""
_PURPOSE = b"reconciler evidence values, format 1\n"
NOT_APART = (
    "hashes of values in evidence are keyed by the store itself, so whoever reads the store can try values out; "
    "RECONCILER_KEY_FILE or RECONCILER_TRANSIT_KEY names a key that lies elsewhere"
)


class PartialHash(NamedTuple):
    """The keyed hash of the pieces so far; it keeps none of them."""

    hmac: hmac.HMAC
    key_id: str

    def update(self, piece: bytes) -> None:
        """Add a piece."""
        self.hmac.update(piece)

    def hash(self) -> str:
        """Return what ``ValuesKey.hash`` returns for all pieces as one."""
        digest = self.hmac.hexdigest()
        return f"{label(self.key_id)}{digest}" if self.key_id else digest


class ValuesKey(NamedTuple):
    """``id`` names a key that is not the store's; "" is the store's own, whose hashes have no label."""

    key: bytes
    id: str = ""

    def hash(self, values: bytes) -> str:
        """Return 64 hexadecimal digits, behind the 8 of the key's label where the key is not the store's.

        Equal values have equal hashes, under one key.
        """
        begun = self.begin()
        begun.update(values)
        return begun.hash()

    def begin(self) -> PartialHash:
        """Return the hash of nothing yet, for values that come in pieces."""
        return PartialHash(_begun(self.key).copy(), self.id)


@lru_cache(maxsize=16)
def _begun(key: bytes) -> hmac.HMAC:
    """Return an HMAC-SHA256 of nothing yet: taking in the key costs more than the rest."""
    return hmac.new(key, digestmod="sha256")


def label(key_id: str) -> str:
    """Return what stands in hashes for the id of their key."""
    return sha256(key_id.encode()).hexdigest()[:LABEL]


def values_key(store_key: bytes, key: AuditKey) -> ValuesKey:
    """Return the key of one store: derived from a key that lies elsewhere, or the store's own where there is none."""
    if key is None:
        return ValuesKey(store_key)
    return ValuesKey(hmac.digest(key[1], _PURPOSE + store_key, "sha256"), key[0])
