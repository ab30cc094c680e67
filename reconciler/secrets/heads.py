"""Signed heads: an audit trail's newest number and hash, signed so that they prove something away from the database.

Format 1, also in docs/audit.md: a JSON document with ``format_version, seq, hash, at`` and, where there is a key, ``key`` (its
id), ``signature`` (HMAC-SHA256 of ``seq + "\\n" + hash``), ``public_key`` and ``ed25519`` (both hexadecimal). The Ed25519
signature covers ``purpose + "\\n" + seq + "\\n" + hash + "\\n" + at``; its seed is HMAC-SHA256 of the key and the purpose.
A file of heads has one document a line, the newest last.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from reconciler.model.audit import AuditKey, Head

_PURPOSE_MAC = b"reconciler audit checkpoint, format 1"
_PURPOSE_HEAD = b"reconciler audit head, format 1"


class NotAHead(ValueError):
    """Raised for a text that is no signed head."""


def signed_head(head: Head, at: str, key: AuditKey) -> dict[str, Any]:
    """Return the document of a head; unsigned where no key is known. ``at`` is ISO 8601."""
    document: dict[str, Any] = {"format_version": "1.0", "seq": head.seq, "hash": head.hash, "at": at}
    if key is None:
        return document
    name, secret = key[0], key[1]
    private = _private_key(secret)
    return document | {
        "key": name,
        "signature": _mac(secret, head),
        "public_key": private.public_key().public_bytes_raw().hex(),
        "ed25519": private.sign(_message(head, at)).hex(),
    }


def heads_in(data: bytes) -> list[dict[str, Any]]:
    """Return the document of a checkpoint, or all documents of a file of heads. Raises NotAHead."""
    for texts in ([data], [line for line in data.splitlines() if line.strip()]):
        try:
            found = [orjson.loads(text) for text in texts]
        except orjson.JSONDecodeError:
            continue
        if found and all(isinstance(one, dict) for one in found):
            return found
    raise NotAHead


def head_of(document: Mapping[str, Any]) -> Head:
    """Parse a head. Raises NotAHead."""
    seq, digest = document.get("seq"), document.get("hash")
    if type(seq) is not int or seq < 0 or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise NotAHead
    return Head(seq, digest)


_DIGEST = re.compile("[0-9a-f]{64}")


def is_signed_by(document: Mapping[str, Any], keys: Mapping[str, bytes]) -> bool:
    """Whether one of the keys made the signatures. A document of before Ed25519 has the other one alone."""
    head = head_of(document)
    secret = keys.get(str(document.get("key")))
    if secret is None:
        return False
    if not hmac.compare_digest(_mac(secret, head).encode(), str(document.get("signature")).encode()):
        return False
    own = _private_key(secret).public_key().public_bytes_raw().hex()
    return "ed25519" not in document or has_signature(document, own)


def has_signature(document: Mapping[str, Any], public_key: str) -> bool:
    """Whether the owner of the public key (64 hexadecimal digits) signed the document: all that it takes without its secret."""
    head = head_of(document)
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        message = _message(head, str(document.get("at")))
        public.verify(bytes.fromhex(str(document.get("ed25519"))), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _mac(key: bytes, head: Head) -> str:
    own = hmac.digest(key, _PURPOSE_MAC, sha256)
    return hmac.new(own, f"{head.seq}\n{head.hash}".encode(), sha256).hexdigest()


def _private_key(key: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(key, _PURPOSE_HEAD, sha256))


def _message(head: Head, at: str) -> bytes:
    return b"\n".join((_PURPOSE_HEAD, str(head.seq).encode(), head.hash.encode(), at.encode()))
