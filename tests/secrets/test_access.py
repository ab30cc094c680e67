"""Whoever takes a secret is in the audit trail before there is a value; where that can't be written, there is none."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from reconciler import failpoints
from reconciler.credentials.keep import About, keep, opener, reencrypt
from reconciler.errors import CredentialUnresolved, IntegrityFailed, ReconcilerError
from reconciler.failpoints import FailpointRaised
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.keys import add_key, promote_key, read_keys
from reconciler.secrets.ring import ring_of
from reconciler.secrets.secret import Secret
from reconciler.store import secrets as store
from reconciler.store.url import parse_database
from tests.conftest import ROOT, Db, Ran, command_environment, reconciler
from tests.secrets.support import ACTOR, Kept

VALUE = "the-value-of-openai"


@pytest.fixture
def kept(kept: Kept) -> Kept:
    kept("set", "acme/openai", stdin=VALUE).ok()
    return kept


def audit(db: Db) -> list[dict[str, object]]:
    return [json.loads(body) for (body,) in db.sql("SELECT body FROM audit ORDER BY seq")]


def test_each_access_has_its_entry(kept: Kept) -> None:
    before = len(audit(kept.db))
    opened = kept.opener("the probe of acme/integration/openai")
    for number in range(1, 6):
        assert opened("acme", SecretRef("encrypted", "openai")).secret.reveal() == VALUE
        assert len(audit(kept.db)) == before + number
    secret = store.find(kept.database, "acme", "openai")
    assert secret is not None
    entry = audit(kept.db)[-1]
    assert datetime.fromisoformat(str(entry.pop("at"))).tzinfo is not None
    assert entry == {
        "seq": before + 5,
        "event": "secret-access",
        "actor": "tester",
        "tenant": "acme",
        "name": "openai",
        "uid": secret.uid,
        "version": 1,
        "purpose": "the probe of acme/integration/openai",
    }
    assert VALUE not in json.dumps(audit(kept.db))
    assert "access  acme/openai  1        tester  the probe of" in kept("access-log").ok().out
    assert kept("list").ok().out.count("acme/openai") == 1
    assert len(audit(kept.db)) == before + 5  # looking at what is known of a secret is no access to it


def test_the_trail_is_the_one_that_is_verified(kept: Kept) -> None:
    """The command had a key for its entry, the openers have none: nobody can tell theirs from a forger's."""

    def verify(code: int) -> Ran:
        return reconciler("audit", "verify", "--format", "json", cwd=kept.folder, env=kept.environment({})).ok(code)

    assert (verify(0).json["entries"], verify(0).json["unkeyed"]) == (1, 0)
    for _ in range(3):
        kept.value("openai")
    assert "from entry 2 on: it has no key, and entry 1 before it has one" in verify(8).out


def test_who_fails_to_open_it_is_told_of_too(kept: Kept) -> None:
    """It was taken out of the database, whatever came of it."""
    with pytest.raises(CredentialUnresolved, match="no key is configured"):
        opener(kept.database, None, ACTOR, "without a key")("acme", SecretRef("encrypted", "openai"))
    assert kept.events() == ["set", "access"]
    kept.db.sql("UPDATE secrets SET version = 2")
    with pytest.raises(IntegrityFailed):
        kept.value("openai")
    assert kept.events() == ["set", "access", "access"]


def test_what_is_not_there_is_not_in_the_trail(kept: Kept) -> None:
    for tenant, name in (("globex", "openai"), ("acme", "other"), ("acme", "%"), ("", "")):
        with pytest.raises(CredentialUnresolved, match="has no secret of this name"):
            kept.opener()(tenant, SecretRef("encrypted", name))
    assert kept.events() == ["set"]


def break_trail(db: Db) -> None:
    """As a full disk would: everything can be written but entries."""
    if db.is_sqlite:
        db.sql("CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'the value of everything'); END")
        return
    db.sql("CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$")
    db.sql("CREATE TRIGGER broken BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION broken()")


def everything(db: Db) -> list[object]:
    return [db.sql("SELECT * FROM secrets"), db.sql("SELECT * FROM secret_keys"), audit(db)]


def test_no_entry_no_value_and_no_change(kept: Kept) -> None:
    break_trail(kept.db)
    before = everything(kept.db)
    with pytest.raises(ReconcilerError) as caught:
        kept.value("openai")
    assert VALUE not in str(caught.value)
    for arguments in (
        ("set", "acme/openai"),
        ("set", "acme/new"),
        ("rotate", "acme/openai"),
        ("delete", "acme/openai", "--auto-approve"),
    ):
        kept(*arguments, stdin="another").ok(1)
    promote_key(kept.key_file, add_key(kept.key_file))
    kept("reencrypt").ok(1)
    assert everything(kept.db) == before


def test_a_role_that_may_not_write_the_trail_reads_no_secret(kept: Kept) -> None:
    if kept.db.is_sqlite:
        kept.db.path.chmod(0o444)
        done = taking(kept, without_override())
        assert "DatabaseFailed" in done.stderr, done.stderr
        assert VALUE not in done.stdout + done.stderr
        return
    role = f"reader_{os.getpid()}"
    with psycopg.connect(kept.db.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
        for right in ("INSERT ON audit", "UPDATE ON audit_head"):
            connection.execute(f"GRANT INSERT ON audit TO {role}")
            connection.execute(f"GRANT UPDATE ON audit_head TO {role}")
            theirs = parse_database(kept.db.url.replace("//postgres:", f"//{role}:"), kept.folder)
            assert (
                opener(theirs, kept.ring, ACTOR, "with all rights")(
                    "acme", SecretRef("encrypted", "openai")
                ).secret.reveal()
                == VALUE
            )
            connection.execute(f"REVOKE {right} FROM {role}")
            with pytest.raises(ReconcilerError, match="lacks a permission"):
                opener(theirs, kept.ring, ACTOR, "without one")("acme", SecretRef("encrypted", "openai"))
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")
    assert kept.events() == ["set", "access", "access"]


def without_override() -> list[str]:
    """Permissions of files count, also if the tests run as root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root without setpriv: permissions of files can't be tested")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def value_for(url: str, key_file: str) -> None:
    """A process of its own."""
    ring = ring_of(read_keys(Path(key_file)), None)
    print(
        opener(parse_database(url, Path("/")), ring, ACTOR, "in a process")(
            "acme", SecretRef("encrypted", "openai")
        ).secret.reveal()
    )


def taking(kept: Kept, before: Sequence[str] = (), **more: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from tests.secrets.test_access import value_for; value_for(*sys.argv[1:])"
    return subprocess.run(
        [*before, sys.executable, "-c", code, kept.db.url, str(kept.key_file)],
        env=command_environment({"PYTHONPATH": str(ROOT), **more}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_failure_before_the_commit_gives_no_value(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_FAILPOINT", "before_commit:raise:1")
    monkeypatch.setattr(failpoints, "_hits", Counter())
    with pytest.raises(FailpointRaised):
        kept.value("openai")
    monkeypatch.delenv("RECONCILER_FAILPOINT")
    assert kept.events() == ["set"]
    assert kept.value("openai") == VALUE


@pytest.mark.parametrize(("failpoint", "entries"), [("before_commit", 0), ("after_commit", 1)])
def test_killed_before_or_after_the_entry_there_is_no_value_yet(kept: Kept, failpoint: str, entries: int) -> None:
    done = taking(kept, RECONCILER_FAILPOINT=f"{failpoint}:kill")
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert kept.events() == ["set"] + ["access"] * entries


def test_no_value_is_anywhere_in_the_database(kept: Kept) -> None:
    kept.value("openai")
    kept("rotate", "acme/openai", stdin=VALUE[::-1]).ok()
    assert kept.value("openai") == VALUE[::-1]
    if kept.db.is_sqlite:
        files = [*kept.db.path.parent.glob(f"{kept.db.path.name}*")]
        assert kept.db.path in files
        whole = b"".join(file.read_bytes() for file in files)
    else:
        tables = kept.db.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        whole = "".join(str(kept.db.sql(f"SELECT t::text FROM {table} t")) for (table,) in tables).encode()
        assert VALUE.encode().hex().encode() not in whole
    assert b"openai" in whole
    for value in (VALUE, VALUE[::-1]):
        assert value.encode() not in whole


def test_every_change_has_its_entry(kept: Kept) -> None:
    new = add_key(kept.key_file)
    promote_key(kept.key_file, new)
    assert reencrypt(kept.database, kept.ring, ACTOR, lambda _: None).done == 1
    keep(kept.database, kept.ring, "acme", "openai", Secret("next-one"), About(), ACTOR, new=False)
    kept("delete", "acme/openai", "--auto-approve").ok()
    old = next(key for key, row in kept.key_states().items() if row["state"] == "decrypt-only")
    kept("keys", "retire", old).ok()
    assert kept.events() == ["set", "rewrap", "rotate", "delete", "key-retire"]
    assert kept.events("acme/openai") == ["set", "rewrap", "rotate", "delete"]
    assert kept.events("--tenant", "globex") == []
    rewrap = next(entry for entry in audit(kept.db) if entry["event"] == "secret-rewrap")
    assert (rewrap["from"], rewrap["to"]) == (old, new)
