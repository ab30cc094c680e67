"""A secret's value sealed into a blob, and a blob opened again: AES-256-GCM under a data key of its own, which is wrapped.

Format 2, with test vectors in docs/secrets-format.md::

    blob    = "RCS2" | lp8(key_id) | lp16(wrapped) | nonce (12) | ciphertext and tag | mac (32)
    wrapped = by a key file: salt (32) | commitment (32) | nonce (12) | ciphertext and tag (48); by Vault transit: its own text
    lpN(x)  = the length of x as N bits, big-endian, and x

The value's layer: ``HKDF-SHA256(data_key, salt="", info="reconciler secret value 1", 64)`` gives the encryption key and
the key of ``mac``, which is HMAC-SHA256 over all of the blob before it and ``lp32(name)``. The wrap's layer: ``HKDF-SHA256(key, salt,
info="reconciler secret wrap 1", 64)`` gives the encryption key and the commitment. Both are compared before anything is
decrypted, so a blob commits to both of its keys. Both layers bind ``lp32(label) | lp32(tenant) | lp32(uid) |
u64(version)``, the wrap's also ``lp32(name) | lp32(key_id)``, so that a blob opens nowhere but at its own place.

Format 1 ("RCS1") has no name in either layer. It is read, and ``rewrap`` makes format 2 of it.

Sources: NIST SP 800-38D (GCM), RFC 5869 (HKDF), "How to Abuse and Fix Authenticated Encryption Without Key Commitment"
(Albertini and others, 2022).
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reconciler.errors import IntegrityFailed
from reconciler.secrets.aead import NONCE, NotAuthentic, decrypt, encrypt

MAGIC, OLD_MAGIC = b"RCS2", b"RCS1"
COMMITMENT, SALT, TAG, MAC, KEY = 32, 32, 16, 32, 32
_VALUE, _WRAP = b"reconciler secret value 1", b"reconciler secret wrap 1"

Random = Callable[[int], bytes]


class Bound(NamedTuple):
    """What a blob belongs to: of its tenant, this secret (by its uid and its name), in this version."""

    tenant: str
    uid: str
    version: int
    name: str


class Wrapper(Protocol):
    """A key that wraps data keys, wherever it is kept."""

    key_id: str

    def wrap(self, data_key: bytes, context: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap a key. Raises IntegrityFailed."""
        ...

    def counted_as(self, wrapped: bytes) -> str:
        """Return the name under which the database counts what was wrapped: the id, with the key's own version if it has any."""
        ...


class Blob(NamedTuple):
    """The parts of a blob."""

    key_id: str
    wrapped: bytes
    sealed: bytes  # nonce, ciphertext and tag: what stays the same when the key is changed
    mac: bytes = b""
    magic: bytes = MAGIC

    def head(self) -> bytes:
        name = self.key_id.encode()
        parts = struct.pack(">B", len(name)), name, struct.pack(">H", len(self.wrapped)), self.wrapped, self.sealed
        return self.magic + b"".join(parts)

    def authenticated(self, mac_key: bytes, name: str) -> bytes:
        """Return the mac of a secret of this name."""
        bound = _prefixed(name.encode()) if self.magic == MAGIC else b""
        return hmac.digest(mac_key, self.head() + bound, "sha256")

    def pack(self, mac_key: bytes, name: str) -> bytes:
        return self.head() + self.authenticated(mac_key, name)

    @classmethod
    def parse(cls, data: bytes) -> Blob:
        """Parse a blob. Raises IntegrityFailed."""
        try:
            at = len(MAGIC) + 1
            end = at + data[at - 1]
            name = data[at:end].decode()
            (length,) = struct.unpack_from(">H", data, end)
            wrapped, sealed, mac = data[end + 2 : end + 2 + length], data[end + 2 + length : -MAC], data[-MAC:]
        except (IndexError, struct.error, UnicodeDecodeError):
            raise damaged() from None
        magic = data[: len(MAGIC)]
        if magic not in {MAGIC, OLD_MAGIC} or len(wrapped) != length or len(sealed) < NONCE + TAG or len(mac) != MAC:
            raise damaged()
        return cls(name, wrapped, sealed, mac, magic)


class FileKey:
    """A key of a key file."""

    def __init__(self, key_id: str, key: bytes, random: Random = os.urandom) -> None:
        self.key_id = key_id
        self._key = key
        self._random = random

    def __repr__(self) -> str:
        return f"FileKey({self.key_id!r})"

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        salt = self._random(SALT)
        key, commitment = _derive(self._key, salt, _WRAP)
        return salt + commitment + encrypt(key, data_key, context, self._random)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        salt, commitment, rest = wrapped[:SALT], wrapped[SALT : SALT + COMMITMENT], wrapped[SALT + COMMITMENT :]
        key, expected = _derive(self._key, salt, _WRAP)
        if len(rest) != NONCE + KEY + TAG or not hmac.compare_digest(commitment, expected):
            raise damaged()
        return _decrypt(key, rest, context)

    def counted_as(self, wrapped: bytes) -> str:
        return self.key_id


def seal(value: str, bound: Bound, wrapper: Wrapper, random: Random = os.urandom) -> bytes:
    """Return a new blob, under a fresh data key."""
    data_key = random(KEY)
    derived = _derive(data_key, b"", _VALUE)
    sealed = encrypt(derived[0], value.encode(), _context(b"value", bound), random)
    wrapped = wrapper.wrap(data_key, _wrap_context(bound, wrapper.key_id))
    return Blob(wrapper.key_id, wrapped, sealed).pack(derived[1], bound.name)


def unseal(data: bytes, bound: Bound, wrapper_of: Callable[[str], Wrapper]) -> str:
    """Return the value. ``wrapper_of`` finds a key by its id. Raises IntegrityFailed: not this secret's, or not as it was."""
    blob = Blob.parse(data)
    derived = _checked(_data_key(blob, bound, wrapper_of), blob, bound.name)
    try:
        return _decrypt(derived[0], blob.sealed, _context(b"value", bound)).decode()
    except UnicodeDecodeError:
        raise damaged() from None


def rewrap(data: bytes, bound: Bound, wrapper_of: Callable[[str], Wrapper], wrapper: Wrapper) -> bytes:
    """Return the same value under another key, in the current format; the value is not decrypted. Raises IntegrityFailed."""
    blob = Blob.parse(data)
    data_key = _data_key(blob, bound, wrapper_of)
    derived = _checked(data_key, blob, bound.name)
    wrapped = wrapper.wrap(data_key, _wrap_context(bound, wrapper.key_id))
    return Blob(wrapper.key_id, wrapped, blob.sealed).pack(derived[1], bound.name)


def counted_as(data: bytes, wrapper: Wrapper) -> str:
    """``Wrapper.counted_as`` of a blob that it sealed."""
    return wrapper.counted_as(Blob.parse(data).wrapped)


def newest(wrapper: Wrapper) -> str:
    """Return the name under which new wraps are counted."""
    return wrapper.counted_as(wrapper.wrap(os.urandom(KEY), b"reconciler: which version is the newest?"))


def _data_key(blob: Blob, bound: Bound, wrapper_of: Callable[[str], Wrapper]) -> bytes:
    context = _wrap_context(bound, blob.key_id, blob.magic)
    data_key = wrapper_of(blob.key_id).unwrap(blob.wrapped, context)
    if len(data_key) != KEY:
        raise damaged()
    return data_key


def _checked(data_key: bytes, blob: Blob, name: str) -> tuple[bytes, bytes]:
    derived = _derive(data_key, b"", _VALUE)
    if not hmac.compare_digest(blob.authenticated(derived[1], name), blob.mac):
        raise damaged()
    return derived


def damaged() -> IntegrityFailed:
    """Return the error of a damaged blob, always the same: only an attacker could use the details."""
    return IntegrityFailed(
        "the stored secret does not open: it was damaged, or moved from another place",
        code="secret-damaged",
        hint="set it again with `reconciler secrets set`, and look at `reconciler secrets access-log`",
    )


def _derive(key: bytes, salt: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Return the encryption key, and what a blob commits to the key with."""
    both = HKDF(SHA256(), 2 * KEY, salt, info).derive(key)
    return both[:KEY], both[KEY:]


def _decrypt(key: bytes, data: bytes, context: bytes) -> bytes:
    try:
        return decrypt(key, data, context)
    except NotAuthentic:
        raise damaged() from None


def _context(label: bytes, bound: Bound) -> bytes:
    return _prefixed(label, bound.tenant.encode(), bound.uid.encode()) + struct.pack(">Q", bound.version)


def _wrap_context(bound: Bound, key_id: str, magic: bytes = MAGIC) -> bytes:
    name = _prefixed(bound.name.encode()) if magic == MAGIC else b""
    return _context(b"wrap", bound) + name + _prefixed(key_id.encode())


def _prefixed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
