"""Opens a blob by what docs/secrets-format.md says of the format, and by nothing of the product's."""

from __future__ import annotations

import hmac
import json
import re
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "secrets-format.md"


def vectors() -> list[dict[str, Any]]:
    """The page's test vectors."""
    found = re.search(r"<!-- vectors -->\n```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return list(json.loads(found[1]))


def counting(start: int = 0) -> Any:
    """Instead of random bytes: 00, 01, 02 and so on."""
    at = start

    def drawn(count: int) -> bytes:
        nonlocal at
        found = bytes((at + i) % 256 for i in range(count))
        at += count
        return found

    return drawn


def opened(blob: bytes, key_id: str, key: bytes, tenant: str, uid: str, version: int, called: str) -> str:
    """Raises AssertionError where the page says that a reader refuses."""
    assert blob[:4] in {b"RCS1", b"RCS2"}
    bound = lp32(called.encode()) if blob[:4] == b"RCS2" else b""
    name = blob[5 : 5 + blob[4]]
    assert name.decode() == key_id
    rest = blob[5 + blob[4] :]
    length = int.from_bytes(rest[:2], "big")
    wrapped, sealed, mac = rest[2 : 2 + length], rest[2 + length : -32], rest[-32:]
    salt, commitment, nonce, box = wrapped[:32], wrapped[32:64], wrapped[64:76], wrapped[76:]
    whole = hkdf(key, salt, b"reconciler secret wrap 1")
    assert whole[32:] == commitment
    place = lp32(tenant.encode()) + lp32(uid.encode()) + version.to_bytes(8, "big")
    data_key = AESGCM(whole[:32]).decrypt(nonce, box, lp32(b"wrap") + place + bound + lp32(name))
    assert len(data_key) == 32
    whole = hkdf(data_key, b"", b"reconciler secret value 1")
    assert hmac.digest(whole[32:], blob[:-32] + bound, "sha256") == mac
    return AESGCM(whole[:32]).decrypt(sealed[:12], sealed[12:], lp32(b"value") + place).decode()


def lp32(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256: 64 bytes are two blocks."""
    inner = hmac.digest(salt or bytes(32), key, "sha256")
    first = hmac.digest(inner, info + b"\1", "sha256")
    return first + hmac.digest(inner, first + info + b"\2", "sha256")
