"""Hashes of values in evidence: whoever has the store alone can't try values out, where a key lies elsewhere."""

from __future__ import annotations

import hmac
from hashlib import sha256

from reconciler.runtime.hashing import ValuesKey, label, values_key

STORE, KEY = b"s" * 32, ("k-1", b"k" * 32)
VALUES = b'["acme","tool/top",{"limit":3},null]'


def test_the_store_alone_makes_no_such_hash() -> None:
    """By docs/operations.md, without a line of the program."""
    made = values_key(STORE, KEY).hash(VALUES)
    derived = hmac.digest(KEY[1], b"reconciler evidence values, format 1\n" + STORE, "sha256")
    assert made == sha256(b"k-1").hexdigest()[:8] + hmac.digest(derived, VALUES, "sha256").hex()
    assert made != values_key(STORE, ("k-1", b"x" * 32)).hash(VALUES)
    assert made[8:] != ValuesKey(STORE).hash(VALUES)


def test_without_a_key_hashes_are_as_they_were() -> None:
    assert values_key(STORE, None).hash(VALUES) == hmac.digest(STORE, VALUES, "sha256").hex()


def test_a_hash_names_its_key() -> None:
    one, other = values_key(STORE, KEY).hash(VALUES), values_key(STORE, ("k-2", KEY[1])).hash(VALUES)
    assert (one[:8], other[:8]) == (label("k-1"), label("k-2"))
    assert one[8:] == other[8:]
