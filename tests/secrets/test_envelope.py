"""A blob opens with its own key at its own place, as it was, or not at all."""

from __future__ import annotations

import hmac
import os
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from reconciler.errors import IntegrityFailed
from reconciler.secrets import envelope
from reconciler.secrets.envelope import Blob, Bound, FileKey, rewrap, seal, unseal
from reconciler.secrets.keys import Keys
from reconciler.secrets.ring import ring_of
from tests.secrets.gcm import accepted_by_both
from tests.secrets.opening import counting, opened, vectors

KEYS = Keys({"k-1": b"1" * 32, "k-2": b"2" * 32}, "k-1")
RING = ring_of(KEYS, None)
assert RING is not None
ONE, TWO = RING.by_id("k-1"), RING.by_id("k-2")
PLACE = Bound("acme", "5f0c9f3e-8f3f-4f6e-9d55-1c2f7a3b9d10", 3, "openai")
LENGTHS = (0, 1, 15, 16, 17, 100)


def open_(blob: bytes, bound: Bound = PLACE) -> str:
    assert RING is not None
    return unseal(blob, bound, RING.by_id)


def refused(blob: bytes, bound: Bound = PLACE) -> None:
    with pytest.raises(IntegrityFailed):
        open_(blob, bound)
    assert RING is not None
    with pytest.raises(IntegrityFailed):
        rewrap(blob, bound, RING.by_id, TWO)


@pytest.mark.parametrize("length", LENGTHS)
def test_every_flipped_bit_is_found(length: int) -> None:
    blob = seal("x" * length, PLACE, ONE)
    assert open_(blob) == "x" * length
    for at in range(len(blob) * 8):
        other = bytearray(blob)
        other[at // 8] ^= 1 << at % 8
        refused(bytes(other))


@pytest.mark.parametrize("length", LENGTHS)
def test_every_cut_and_every_addition_is_found(length: int) -> None:
    blob = seal("x" * length, PLACE, ONE)
    for at in range(len(blob)):
        refused(blob[:at])
        refused(blob[at + 1 :])
        refused(blob[:at] + blob[at + 1 :])
    for more in (b"\0", b"\xff", blob[-1:], blob[-32:], blob):
        refused(blob + more)
        refused(more + blob)
        for at in (4, 5, 8, 10, 100, len(blob) - 32):
            refused(blob[:at] + more + blob[at:])


def test_what_is_no_blob() -> None:
    for junk in (
        b"",
        b"RCS1",
        b"RCS1\xff",
        b"RCS1\0\0\0",
        b"RCS1\0\xff\xff",
        b"RCS1\1\xff\0\0",
        b"\0" * 300,
        b"RCS3" + b"a" * 300,
    ):
        refused(junk)
    for _ in range(200):
        refused(b"RCS1" + os.urandom(200))
        refused(b"RCS1\x03k-1" + os.urandom(250))


@pytest.mark.parametrize(
    "place",
    [
        PLACE._replace(tenant="globex"),
        PLACE._replace(tenant="acm"),
        PLACE._replace(tenant=""),
        PLACE._replace(uid="5f0c9f3e-8f3f-4f6e-9d55-1c2f7a3b9d11"),
        PLACE._replace(name="openai-2"),
        PLACE._replace(name=""),
        Bound("acme5", PLACE.uid[1:], 3, PLACE.name),
        Bound("acm", "e" + PLACE.uid, 3, PLACE.name),
        *(PLACE._replace(version=version) for version in (0, 1, 2, 4, 3 << 8, 2**63 - 1)),
    ],
)
def test_no_place_but_its_own(place: Bound) -> None:
    """Another tenant, another secret, another name, or the value that it had before."""
    refused(seal("value", PLACE, ONE), place)
    refused(seal("value", place, ONE))


def test_parts_of_two_blobs_make_no_third() -> None:
    """Of the same secret, in the same version, under the same key."""
    one, other = (Blob.parse(seal(value, PLACE, ONE)) for value in ("value", "VALUE"))
    for mixed in (one._replace(sealed=other.sealed), one._replace(wrapped=other.wrapped), one._replace(mac=other.mac)):
        refused(mixed.head() + mixed.mac)
    refused(one._replace(wrapped=other.wrapped).head() + other.mac)
    moved = one._replace(key_id="k-2")
    refused(moved.head() + moved.mac)


def test_another_key_under_the_same_id() -> None:
    blob = seal("value", PLACE, ONE)
    for key in (b"2" * 32, b"1" * 31 + b"2", bytes(32)):
        with pytest.raises(IntegrityFailed, match="does not open"):
            unseal(blob, PLACE, lambda key_id, key=key: FileKey(key_id, key))  # type: ignore[misc]


def test_the_same_key_under_another_id() -> None:
    """What is wrapped is bound to the key's id: it is no other key's, even where that is the same one."""
    both = ring_of(Keys({"k-1": b"1" * 32, "k-3": b"1" * 32}, "k-1"), None)
    assert both is not None
    blob = Blob.parse(seal("value", PLACE, ONE))
    data_key = ONE.unwrap(blob.wrapped, envelope._wrap_context(PLACE, "k-1"))
    renamed = blob._replace(key_id="k-3").pack(envelope._derive(data_key, b"", envelope._VALUE)[1], PLACE.name)
    with pytest.raises(IntegrityFailed):
        unseal(renamed, PLACE, both.by_id)


def test_a_key_that_is_not_known() -> None:
    blob = seal("value", PLACE, FileKey("\x1b[31mk\n", b"3" * 32))
    with pytest.raises(IntegrityFailed, match="not known here") as caught:
        open_(blob)
    assert "\x1b" not in str(caught.value)


def test_rewrapped_it_is_the_same_value_and_the_same_sealed_bytes() -> None:
    assert RING is not None
    blob = seal("value", PLACE, ONE)
    other = rewrap(blob, PLACE, RING.by_id, TWO)
    before, after = Blob.parse(blob), Blob.parse(other)
    assert (before.key_id, after.key_id) == ("k-1", "k-2")
    assert before.sealed == after.sealed
    assert before.wrapped != after.wrapped
    assert open_(blob) == open_(other) == "value"
    with pytest.raises(IntegrityFailed):
        unseal(other, PLACE, lambda _: ONE)
    refused(other, PLACE._replace(version=4))


def test_nothing_repeats() -> None:
    """Of the same value at the same place: each blob has its own data key, salt and nonces."""
    blobs = [seal("value" * 10, PLACE, ONE) for _ in range(50)]
    blobs += [rewrap(blobs[0], PLACE, lambda _: ONE, ONE) for _ in range(50)]
    parts = [Blob.parse(blob) for blob in blobs]
    assert len({part.wrapped[:32] for part in parts}) == 100
    assert len({part.wrapped[64:76] for part in parts}) == 100
    assert len({part.sealed for part in parts}) == 50
    assert all(b"value" not in blob for blob in blobs)


def old(value: str, place: Bound) -> bytes:
    """A blob of format 1, which binds no name."""
    data_key = os.urandom(32)
    value_key, mac_key = envelope._derive(data_key, b"", envelope._VALUE)
    sealed = envelope.encrypt(value_key, value.encode(), envelope._context(b"value", place), os.urandom)
    wrapped = ONE.wrap(data_key, envelope._wrap_context(place, "k-1", b"RCS1"))
    return Blob("k-1", wrapped, sealed, magic=b"RCS1").pack(mac_key, place.name)


def test_the_old_format_opens_and_rewrapping_binds_its_name() -> None:
    assert RING is not None
    blob, elsewhere = old("value", PLACE), PLACE._replace(name="other")
    assert open_(blob) == open_(blob, elsewhere) == opened(blob, "k-1", b"1" * 32, *PLACE) == "value"
    new = rewrap(blob, PLACE, RING.by_id, ONE)
    assert (blob[:4], new[:4]) == (b"RCS1", b"RCS2")
    assert Blob.parse(blob).sealed == Blob.parse(new).sealed
    assert open_(new) == opened(new, "k-1", b"1" * 32, *PLACE) == "value"
    refused(new, elsewhere)
    refused(b"RCS1" + new[4:])
    refused(b"RCS2" + blob[4:])


# --- commitment: GCM alone lets one ciphertext open under two keys


def test_a_wrap_that_two_keys_would_open_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who knows both keys could make one stored secret show one value here and another one there."""
    salt, nonce, context = os.urandom(32), os.urandom(12), envelope._wrap_context(PLACE, "k-1")
    raw = [b"1" * 32, b"2" * 32]
    derived = [envelope._derive(key, salt, envelope._WRAP) for key in raw]
    box = accepted_by_both(derived[0][0], derived[1][0], nonce, os.urandom(16), context)
    data_keys = [AESGCM(key).decrypt(nonce, box, context) for key, _ in derived]
    assert data_keys[0] != data_keys[1]
    for commitment in (derived[0][1], derived[1][1], os.urandom(32)):
        wrapped, ended = salt + commitment + nonce + box, []
        for key in raw:
            try:
                ended.append(FileKey("k-1", key).unwrap(wrapped, context))
            except IntegrityFailed:
                ended.append(b"")
        assert ended == [
            data_key if commitment == own else b"" for data_key, (_, own) in zip(data_keys, derived, strict=True)
        ]
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: True)  # without the guard both of them open
    assert [FileKey("k-1", key).unwrap(wrapped, context) for key in raw] == data_keys


def test_a_value_that_two_data_keys_would_open_is_refused() -> None:
    nonce, context = os.urandom(12), envelope._context(b"value", PLACE)
    data_keys = [os.urandom(32), os.urandom(32)]
    derived = [envelope._derive(key, b"", envelope._VALUE) for key in data_keys]
    sealed = nonce + accepted_by_both(derived[0][0], derived[1][0], nonce, os.urandom(16), context)
    values = [AESGCM(key).decrypt(nonce, sealed[12:], context) for key, _ in derived]
    assert values[0] != values[1]
    wrapped = ONE.wrap(data_keys[0], envelope._wrap_context(PLACE, "k-1"))
    for _, mac_key in derived:
        blob = Blob.parse(Blob("k-1", wrapped, sealed).pack(mac_key, PLACE.name))
        accepting = []
        for data_key in data_keys:
            try:
                envelope._checked(data_key, blob, PLACE.name)
                accepting.append(data_key)
            except IntegrityFailed:
                pass
        assert len(accepting) == 1


# --- laws

names = st.text(st.characters(codec="utf-8"), max_size=20)
places = st.builds(Bound, names, names, st.integers(0, 2**63 - 1), names)
values = st.text(st.characters(codec="utf-8"), max_size=200)


@given(values, places)
@settings(max_examples=200, deadline=None)
def test_what_is_sealed_opens(value: str, place: Bound) -> None:
    assert RING is not None
    blob = seal(value, place, ONE)
    assert open_(blob, place) == value
    moved = rewrap(blob, place, RING.by_id, TWO)
    assert open_(moved, place) == value
    assert open_(rewrap(moved, place, RING.by_id, ONE), place) == value
    assert opened(blob, "k-1", b"1" * 32, *place) == value
    assert opened(moved, "k-2", b"2" * 32, *place) == value


@given(values, places, places)
@example("v", Bound("a", "bc", 1, "n"), Bound("ab", "c", 1, "n"))
@example("v", Bound("", "a", 1, "n"), Bound("a", "", 1, "n"))
@example("v", Bound("a", "b", 1, ""), Bound("a", "b", 1, "n"))
@settings(max_examples=200, deadline=None)
def test_it_opens_at_one_place(value: str, place: Bound, other: Bound) -> None:
    assume(place != other)
    refused(seal(value, place, ONE), other)


@given(st.lists(places, min_size=2, max_size=6, unique=True))
@settings(max_examples=200, deadline=None)
def test_no_two_places_are_written_alike(found: list[Bound]) -> None:
    contexts = [envelope._wrap_context(place, "k-0") for place in found]
    contexts += [envelope._wrap_context(place, key_id) for place in found for key_id in ("k-1", "k-2", "")]
    assert len(set(contexts)) == len(contexts)
    assert not any(other.startswith(one) for one, other in pairwise(sorted(contexts[: len(found)])))


@given(st.binary(max_size=300), places)
@settings(max_examples=300, deadline=None)
def test_bytes_of_anybody_are_refused(data: bytes, place: Bound) -> None:
    refused(data, place)
    refused(b"RCS1\x03k-1" + data, place)


# --- the documented format


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: str(vector["title"]))
def test_the_vectors_of_the_page(vector: dict[str, Any]) -> None:
    key, blob = bytes.fromhex(vector["key"]), bytes.fromhex("".join(vector["blob"]))
    place = Bound(vector["tenant"], vector["uid"], vector["version"], vector["name"])
    assert blob[:4] == b"RCS%d" % vector["format"]
    if vector["format"] == 2:
        draw = counting()
        assert seal(vector["value"], place, FileKey(vector["key_id"], key, draw), draw) == blob
    assert unseal(blob, place, lambda key_id: FileKey(key_id, key)) == vector["value"]
    assert opened(blob, vector["key_id"], key, *place) == vector["value"]
