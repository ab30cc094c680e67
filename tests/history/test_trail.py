"""`audit verify` from outside: three verdicts, tails that were cut, entries without a key, and signed heads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.conftest import Db, Ran, reconciler
from tests.store.support import Cli, cli_on

APPLY = ("apply", "--auto-approve", "--allow-undo")


def write(folder: Path, requests: int) -> None:
    limits = {"one": {"target": "tenant", "per": "day", "requests": requests}}
    caller = {"roles": ["agent"], "auth": {"api_key": {"max_age_days": 90}}}
    (folder / "acme.yaml").write_text(
        json.dumps({"version": 1, "tenant": "acme", "limits": limits, "callers": {"bot": caller}})
    )


@pytest.fixture
def plain(db: Db, folder: Path) -> Cli:
    return cli_on(db.url, folder)


@pytest.fixture
def keyed(plain: Cli, folder: Path) -> Cli:
    key = str(folder.parent / "keys.json")
    plain("secrets", "keys", "create", "--out", key).ok()
    return lambda *arguments, **more: plain(*arguments, **{"RECONCILER_KEY_FILE": key, **more})


def applied(run: Cli, folder: Path, *requests: int) -> None:
    for number in requests:
        write(folder, number)
        run(*APPLY).ok()


def verified(run: Cli, *more: str) -> dict[str, object]:
    document = run("audit", "verify", "--format", "json", *more).ok().json
    assert document["valid"] is True
    return dict(document)


def broken(run: Cli, *more: str) -> str:
    ran: Ran = run("audit", "verify", *more).ok(8)
    assert "[audit-broken]" in ran.err
    return str(ran.err)


def cut(db: Db, keep: int) -> None:
    """As somebody does who owns the tables: the newest entries go, and the head names the one that is last now."""
    for trigger, table in (("audit_delete", "audit"),) if db.is_sqlite else (("audit_keep", "audit"),):
        db.sql(f"DROP TRIGGER {trigger}" + ("" if db.is_sqlite else f" ON {table}"))
    db.sql(f"DELETE FROM audit WHERE seq > {keep}")
    db.sql(f"UPDATE audit_head SET seq = {keep}, hash = (SELECT hash FROM audit WHERE seq = {keep})")


def test_a_trail_without_a_checkpoint_is_not_provable(keyed: Cli, folder: Path) -> None:
    applied(keyed, folder, 1, 2)
    found = verified(keyed)
    assert (found["verdict"], found["entries"], found["unkeyed"]) == ("not-provable", 2, 0)
    out = keyed("audit", "verify").ok().out
    assert "The audit trail holds: 2 entries." in out
    assert "Not provable: no checkpoint is given" in out
    keyed("audit", "checkpoint", "--out", "point").ok()
    applied(keyed, folder, 3)
    assert verified(keyed, "--checkpoint", "point")["verdict"] == "holds"
    assert "Not provable" not in keyed("audit", "verify", "--checkpoint", "point").ok().out


def test_history_shows_that_a_tail_was_cut(db: Db, keyed: Cli, folder: Path) -> None:
    applied(keyed, folder, 1, 2, 3)
    keyed("audit", "checkpoint", "--out", "point").ok()
    cut(db, 2)
    assert "from entry 3 on: the tail was cut: generation 3 of shop has no entry" in broken(keyed)
    assert "the checkpoint saw entry 3" in broken(keyed, "--checkpoint", "point")
    assert "generation 3 of shop has no entry" in keyed("db", "verify").ok(8).out
    # whoever takes history back too leaves what was applied
    db.sql("DELETE FROM changes WHERE generation = 3")
    db.sql("DELETE FROM generations WHERE number = 3")
    assert "shop is at generation 3, and history ends with 2" in broken(keyed)
    db.sql("UPDATE projects SET generation = 2")
    assert "shop applied generation 3, and history ends with 2" in broken(keyed)


def test_keys_freezes_and_secrets_show_that_a_tail_was_cut(db: Db, keyed: Cli, folder: Path) -> None:
    applied(keyed, folder, 1)
    keyed("keys", "issue", "acme/bot").ok()
    keyed("freeze", "acme/caller/bot", "--reason", "it sends too much").ok()
    database, key = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}, str(folder.parent / "keys.json")
    own = {**database, "RECONCILER_KEY_FILE": key}
    reconciler("secrets", "set", "acme/openai", stdin="the value of the secret", cwd=folder, env=own).ok()
    assert verified(keyed)["entries"] == 4
    cut(db, 3)
    assert "version 1 of the secret acme/openai has no entry" in broken(keyed)
    db.sql("DELETE FROM secrets")
    verified(keyed)
    cut_again(db, 2)
    assert "the freeze of acme/caller/bot has no entry" in broken(keyed)
    db.sql("DELETE FROM freezes")
    cut_again(db, 1)
    assert "of acme/bot has no entry" in broken(keyed)


def cut_again(db: Db, keep: int) -> None:
    db.sql(f"DELETE FROM audit WHERE seq > {keep}")
    db.sql(f"UPDATE audit_head SET seq = {keep}, hash = (SELECT hash FROM audit WHERE seq = {keep})")


def test_a_waiting_notification_shows_that_a_tail_was_cut(db: Db, keyed: Cli, folder: Path) -> None:
    (folder / "reconciler.yaml").write_text(
        "version: 1\nproject: shop\nnotifications:\n  ops: {type: webhook, url: 'http://127.0.0.1:9/', secret: 'env://HOOK'}\n"
    )
    write(folder, 1)
    keyed(*APPLY, HOOK="whsec_" + "A" * 32).ok()
    write(folder, 2)
    keyed(*APPLY, HOOK="whsec_" + "A" * 32).ok()
    cut(db, 1)
    for table in ("changes WHERE generation = 2", "generations WHERE number = 2"):
        db.sql(f"DELETE FROM {table}")
    db.sql("UPDATE projects SET generation = 1")
    db.sql("UPDATE applied SET generation = 1")
    assert "a notification of generation 2 of shop has no entry" in broken(keyed)


def test_a_key_that_is_configured_later_takes_over(plain: Cli, keyed: Cli, folder: Path) -> None:
    applied(plain, folder, 1, 2)
    assert verified(plain)["unkeyed"] == 2
    assert "from entry 1 on: it has no key, though one is configured" in broken(keyed)
    applied(keyed, folder, 3)
    found = verified(keyed)
    assert (found["entries"], found["unkeyed"], found["taken_over"]) == (3, 2, 3)
    assert "Entry 3 takes over the entries without a key before it." in keyed("audit", "verify").ok().out


def test_a_trail_is_not_talked_down(db: Db, keyed: Cli, folder: Path) -> None:
    """Whoever writes the table drops the key ids and computes every hash anew, as the format without a key says."""
    applied(keyed, folder, 1, 2, 3)
    from reconciler.store.audit import GENESIS, entry_hash

    rows = db.sql("SELECT seq, body FROM audit ORDER BY seq")
    for statement in ("audit_update", "audit_delete") if db.is_sqlite else ("audit_keep ON audit",):
        db.sql(f"DROP TRIGGER {statement}")
    for first in (3, 1):
        (previous,) = [GENESIS] if first == 1 else db.sql("SELECT hash FROM audit WHERE seq = 2")[0]
        for seq, body in rows[first - 1 :]:
            forged = body.replace("tester", "nobody")
            previous = entry_hash(previous, None, forged, None)
            db.sql("UPDATE audit SET body = ?, key_id = NULL, hash = ? WHERE seq = ?", [forged, previous, seq])
        db.sql("UPDATE audit_head SET hash = ?", [previous])
        assert f"from entry {first} on: it has no key" in broken(keyed)


def test_an_operator_accepts_what_was_written_without_the_key(plain: Cli, keyed: Cli, folder: Path) -> None:
    applied(keyed, folder, 1)
    plain("keys", "issue", "acme/bot").ok()
    assert "from entry 2 on: it has no key, and entry 1 before it has one" in broken(keyed)
    applied(keyed, folder, 2)  # goes on, and does not accept by itself what somebody put there
    broken(keyed)
    assert "[key-missing]" in plain("audit", "take-over", "--reason", "a laptop without the key").ok(6).err
    keyed("audit", "take-over", "--reason", "a laptop without the key").ok()
    assert verified(keyed)["taken_over"] == 4
    plain("keys", "issue", "acme/bot").ok()
    assert "from entry 5 on" in broken(keyed)


def test_a_checkpoint_is_signed_for_whoever_has_the_public_key_alone(keyed: Cli, folder: Path) -> None:
    """By docs/audit.md and a library of Ed25519, without a line of the program."""
    applied(keyed, folder, 1)
    keyed("audit", "checkpoint", "--out", "point").ok()
    point = json.loads((folder / "point").read_text())
    message = "\n".join(("reconciler audit head, format 1", str(point["seq"]), point["hash"], point["at"])).encode()
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(point["public_key"])).verify(
        bytes.fromhex(point["ed25519"]), message
    )
    for member, value in (("seq", 2), ("hash", "0" * 64), ("ed25519", "0" * 128), ("signature", "0" * 64)):
        (folder / "point").write_text(json.dumps({**point, member: value}))
        assert "[checkpoint-signature]" in keyed("audit", "verify", "--checkpoint", "point").ok(8).err
    older = {name: point[name] for name in ("format_version", "seq", "hash", "at", "key", "signature")}
    (folder / "point").write_text(json.dumps(older))
    assert verified(keyed, "--checkpoint", "point")["verdict"] == "holds"
