"""Hashes of values in evidence: whoever has the store alone can't try values out, where a key lies elsewhere."""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from reconciler.runtime.hashing import ValuesKey, label, values_key
from reconciler.secrets.keys import create_keys
from tests.conftest import Db
from tests.runtime.servers import served

STORE, KEY = b"s" * 32, ("k-1", b"k" * 32)
VALUES = b'["acme","tool/top",{"limit":3},null]'


def test_the_store_alone_makes_no_such_hash() -> None:
    """By docs/evidence.md, without a line of the program."""
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


def called(db: Db, folder: Path, env: dict[str, str]) -> tuple[str, str]:
    """Return the hash of one call's values, and the server's log."""
    with served(folder, db, env=env) as server:
        headers = {"Authorization": f"Bearer {server.key}"}
        asked = {"arguments": {"region": "eu"}}
        answer = httpx.post(f"{server.agents}/v1/tools/top/call", json=asked, headers=headers, timeout=20)
        shown = server.operator(f"/v1/tenants/acme/evidence/{answer.json()['evidence_id']}").json()
    return shown["value_hash"], (folder / "serve.log").read_text()


@pytest.fixture
def sqlite(tmp_path: Path) -> Db:
    return Db(f"sqlite:///{tmp_path}/state.db")


def test_a_server_without_a_key_says_what_its_hashes_are_worth(sqlite: Db, folder: Path) -> None:
    made, log = called(sqlite, folder, {})
    assert len(made) == 64
    assert "keyed by the store itself" in log


def test_a_server_with_a_key_uses_it(sqlite: Db, folder: Path) -> None:
    file = folder.parent / "keys.json"
    key_id = create_keys(file)
    made, log = called(sqlite, folder, {"RECONCILER_KEY_FILE": str(file)})
    assert (len(made), made[:8]) == (72, label(key_id))
    assert "keyed by the store itself" not in log
