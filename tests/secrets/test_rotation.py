"""Keys rotate and values change under load, and nobody who reads notices."""

from __future__ import annotations

import os

from tests.secrets.rotation import rotate
from tests.secrets.support import Kept

ROTATIONS = int(os.environ.get("TEST_KEY_ROTATIONS", "3"))
ROUNDS = int(os.environ.get("TEST_KEY_ROUNDS", "2"))
READERS = 2


def test_no_read_fails_while_keys_rotate(kept: Kept) -> None:
    seen, versions = rotate(kept.db.url, kept.key_file, READERS, ROTATIONS, ROUNDS)
    print(
        f"{sum(one.reads for one in seen)} reads by {READERS}, {sum(versions.values())} values, {ROTATIONS} rotations"
    )
    assert [wrong for one in seen for wrong in one.wrong] == []
    assert len(seen) == READERS
    assert all(one.reads >= 3 * ROTATIONS * ROUNDS for one in seen)
    assert all(one.keys == ROTATIONS + 1 for one in seen)
    states = [row["state"] for row in kept.key_states().values()]
    assert sorted(states) == ["primary", *["retired"] * ROTATIONS]
    assert {s["name"]: s["version"] for s in kept("list", "--format", "json").ok().json["secrets"]} == versions
    assert kept.events().count("access") == sum(one.reads for one in seen)
