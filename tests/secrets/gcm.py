"""GCM by hand (NIST SP 800-38D), as far as it takes to make one ciphertext that two keys accept."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

BLOCK = 16
_REDUCED = 0xE1 << 120


def accepted_by_both(one: bytes, other: bytes, nonce: bytes, first: bytes, context: bytes) -> bytes:
    """Ciphertext of two blocks (the first one is given) and a tag that both keys find right.

    A tag is linear in each block, so the second block is what makes the two tags equal.
    """
    wanted = [_tag(key, nonce, first + bytes(BLOCK), context) for key in (one, other)]
    powers = [_times(h, h) for h in (_block(key, bytes(BLOCK)) for key in (one, other))]
    second = _times(wanted[0] ^ wanted[1], _inverse(powers[0] ^ powers[1])).to_bytes(BLOCK, "big")
    tag = _tag(one, nonce, first + second, context)
    assert tag == _tag(other, nonce, first + second, context)
    return first + second + tag.to_bytes(BLOCK, "big")


def _tag(key: bytes, nonce: bytes, ciphertext: bytes, context: bytes) -> int:
    h, found = _block(key, bytes(BLOCK)), 0
    for part in (*_blocks(context), *_blocks(ciphertext), _lengths(context, ciphertext)):
        found = _times(found ^ int.from_bytes(part, "big"), h)
    return found ^ _block(key, nonce + b"\0\0\0\1")


def _blocks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), BLOCK):
        yield data[at : at + BLOCK].ljust(BLOCK, b"\0")


def _lengths(context: bytes, ciphertext: bytes) -> bytes:
    return (8 * len(context)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")


def _block(key: bytes, data: bytes) -> int:
    encryptor = Cipher(AES(key), ECB()).encryptor()
    return int.from_bytes(encryptor.update(data), "big")


def _times(x: int, y: int) -> int:
    """In GCM's field of 2^128 elements, where the highest bit is the coefficient of 1."""
    product = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            product ^= x
        x = x >> 1 ^ (_REDUCED if x & 1 else 0)
    return product


def _inverse(x: int) -> int:
    """x to the power of 2^128 - 2."""
    power, found = x, 1 << 127
    for _ in range(127):
        power = _times(power, power)
        found = _times(found, power)
    return found
