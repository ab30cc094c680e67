"""A key is known by a check value in the database: another one under its id is refused wherever it is used."""

from __future__ import annotations

import base64
import json
import secrets

import pytest

from reconciler.model.key_check import check_value
from reconciler.secrets.keys import add_key, promote_key, read_keys
from tests.secrets.support import VALUE, Kept, clear

MANIFEST = """version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: encrypted://openai}
"""
USES = [
    ("plan",),
    ("apply", "--auto-approve"),
    ("drift",),
    ("validate", "--check"),
    ("secrets", "set", "acme/other"),
    ("secrets", "rotate", "acme/openai"),
    ("secrets", "list"),
    ("secrets", "reencrypt"),
    ("audit", "verify"),
]


def exchange(kept: Kept, key_id: str) -> None:
    """Put another key under an id of the key file."""
    document = json.loads(kept.key_file.read_text())
    document["keys"][key_id] = base64.b64encode(secrets.token_bytes(32)).decode()
    kept.key_file.write_text(json.dumps(document))


def applied(kept: Kept) -> str:
    """A secret that a live resource uses; return the id of the key that sealed it."""
    kept("set", "acme/openai", stdin=VALUE).ok()
    (kept.folder / "acme.yaml").write_text(MANIFEST)
    kept.command("apply", "--auto-approve").ok()
    return read_keys(kept.key_file).primary


def test_another_key_under_a_known_id_is_refused(kept: Kept) -> None:
    key_id = applied(kept)
    right = kept.key_file.read_bytes()
    before = kept.db.sql("SELECT count(*) FROM audit")
    exchange(kept, key_id)
    for use in USES:
        ran = clear(kept.command(*use, stdin="sk-another-value"), 8, "key-differs")
        assert f"the key '{key_id}' is another one" in ran.err, use
        assert "next: name the key file that was in use" in ran.err, use
    assert kept.db.sql("SELECT count(*) FROM audit") == before
    kept.key_file.write_bytes(right)
    kept.command("audit", "verify").ok()
    assert kept.value("openai") == VALUE


def test_so_is_one_that_only_opens(kept: Kept) -> None:
    old = applied(kept)
    new = add_key(kept.key_file)
    promote_key(kept.key_file, new)
    kept("rotate", "acme/openai", stdin="sk-second-value").ok()
    exchange(kept, old)
    clear(kept.command("plan"), 8, "key-differs")
    clear(kept("list"), 8, "key-differs")


def test_a_new_key_is_kept_with_what_it_writes_first(kept: Kept) -> None:
    first = applied(kept)
    second = add_key(kept.key_file)
    kept.command("plan").ok()
    assert [row[0] for row in kept.db.sql("SELECT key_id FROM key_checks")] == [first]
    promote_key(kept.key_file, second)
    kept("reencrypt").ok()
    keys = read_keys(kept.key_file)
    expected = sorted((name, check_value(name, key)) for name, key in keys.by_id.items())
    assert sorted(tuple(row) for row in kept.db.sql("SELECT key_id, check_value FROM key_checks")) == expected


def test_a_writer_compares_in_its_own_transaction(here: Kept) -> None:
    """Another process may have used the other key since this one looked."""
    from reconciler.errors import IntegrityFailed
    from reconciler.store.audit import note
    from reconciler.store.changing import changing
    from reconciler.store.secrets import Actor

    key_id = applied(here)
    with pytest.raises(IntegrityFailed, match="is another one"), changing(here.database) as connection:
        note(connection, "test", Actor("tester", (key_id, secrets.token_bytes(32))), {})
