"""An agent's Idempotency-Key turned into what the store may know of it, and results sealed so that it takes the key to open them."""

from __future__ import annotations

import hmac
from hashlib import sha256

import msgspec

from reconciler import strict_json
from reconciler.runtime.call import Answer
from reconciler.secrets.aead import decrypt, encrypt

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
        return encrypt(self._derived(b"seal"), text, evidence_id.encode())

    def opened(self, evidence_id: str, kept: bytes) -> Answer | None:
        """Return the answer that ``seal`` got; None for anything else, another key or evidence included."""
        try:
            text = decrypt(self._derived(b"seal"), kept, evidence_id.encode())
            written, rows, size, cut = msgspec.json.decode(text, type=_Kept)
            return Answer(strict_json.read(bytes(written)), rows, size, cut, bytes(written))
        except (msgspec.DecodeError, ValueError):
            return None

    def _derived(self, use: bytes) -> bytes:
        return hmac.new(self._known, use, sha256).digest()
