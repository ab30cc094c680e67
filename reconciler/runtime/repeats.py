"""An agent's Idempotency-Key turned into what the store may know of it, and results sealed so that it takes the key to open them."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler import strict_json
from reconciler.runtime.call import Answer

_Kept = tuple[msgspec.Raw, int | None, int, bool]
MOST_KEPT = 1024 * 1024
"""Bytes of a result. Of a larger one, only that it was done is kept."""


class Repeat:
    """One key of one caller, by its uid. ``secret`` is the store's; without the agent's key it opens nothing."""

    def __init__(self, secret: bytes, tenant: str, caller: str, key: str) -> None:
        self._known = hmac.new(secret, strict_json.write([tenant, caller, key]), sha256).digest()

    @property
    def digest(self) -> str:
        return self._derived(b"digest").hex()

    def seal(self, evidence_id: str, answer: Answer) -> bytes | None:
        """Seal the JSON text of an answer by AES-256-GCM: nonce and ciphertext, bound to the evidence; None for too large a one.

        The text is written already, so nothing here fails after the effect: its levels are not counted once more.
        """
        text = strict_json.write_around([strict_json.embedded(answer.json), answer.rows, answer.size, answer.cut])
        if len(text) > MOST_KEPT:
            return None
        nonce = os.urandom(12)
        return nonce + AESGCM(self._derived(b"seal")).encrypt(nonce, text, evidence_id.encode())

    def opened(self, evidence_id: str, kept: bytes) -> Answer | None:
        """None for what was not sealed by this key for this evidence."""
        try:
            text = AESGCM(self._derived(b"seal")).decrypt(kept[:12], kept[12:], evidence_id.encode())
            written, rows, size, cut = msgspec.json.decode(text, type=_Kept)
            return Answer(strict_json.read(bytes(written)), rows, size, cut, bytes(written))
        except (InvalidTag, msgspec.DecodeError, ValueError):
            return None

    def _derived(self, use: bytes) -> bytes:
        return hmac.new(self._known, use, sha256).digest()
