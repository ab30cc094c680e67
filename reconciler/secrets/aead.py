"""AES-256-GCM (NIST SP 800-38D): ``nonce (12) | ciphertext and tag``."""

from __future__ import annotations

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
"""Bytes."""


class NotAuthentic(ValueError):
    """The data was not encrypted by this key for this context."""


def encrypt(key: bytes, value: bytes, context: bytes, random: Callable[[int], bytes] = os.urandom) -> bytes:
    """Return a random nonce and the ciphertext, bound to ``context``."""
    nonce = random(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, value, context)


def decrypt(key: bytes, data: bytes, context: bytes) -> bytes:
    """Return the value that ``encrypt`` got. Raises NotAuthentic."""
    try:
        return AESGCM(key).decrypt(data[:NONCE], data[NONCE:], context)
    except (InvalidTag, ValueError):
        raise NotAuthentic from None
