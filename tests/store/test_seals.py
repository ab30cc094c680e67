"""With a key, the records of what was applied are sealed: one that somebody changed by hand proves nothing any more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.bulk import MANY
from tests.conftest import Db, reconciler
from tests.runtime.worlds import WORLD
from tests.store.support import Cli, cli_on

FORGE = {
    # the row and the record of it, so that they fit one another
    "another body in both": [
        "UPDATE resources SET spec = {spec} WHERE name = 'read'",
        "UPDATE applied SET spec = {text}, digest_of = {witness} WHERE name = 'read'",
    ],
    "no mac": ["UPDATE applied SET mac = NULL WHERE name = 'read'"],
    "another's mac": ["UPDATE applied SET mac = (SELECT mac FROM applied WHERE name = 'bot') WHERE name = 'read'"],
    "another key": ["UPDATE applied SET mac = 'k0:00' WHERE name = 'read'"],
    "the text": [
        "UPDATE applied SET spec = replace(spec, 'allow', 'deny') WHERE name = 'read'",
        "UPDATE resources SET spec_version = 0 WHERE name = 'read'",
    ],
}


@pytest.fixture
def run(db: Db, folder: Path) -> Cli:
    key = folder.parent / "keys.json"
    reconciler("secrets", "keys", "create", "--out", str(key), cwd=folder).ok()
    (folder / "acme.yaml").write_text(json.dumps(WORLD))
    call = cli_on(db.url, folder)

    def keyed(*arguments: str, **more: str) -> Any:
        return call(*arguments, **{"RECONCILER_KEY_FILE": str(key), **more})

    keyed("apply", "--auto-approve").ok()
    return keyed


def forge(db: Db, statements: list[str]) -> None:
    body = {**db.rows()["acme/policy/read"], "description": "forged"}
    text = "'" + json.dumps(body, sort_keys=True, separators=(",", ":")) + "'"
    from reconciler.store.rows import witness_of

    for statement in statements:
        db.sql(
            statement.format(
                spec=text if db.is_sqlite else f"{text}::jsonb",
                text=text,
                witness=f"'{witness_of(text[1:-1])}'" if db.is_sqlite else f"md5({text}::jsonb::text)",
            )
        )


def findings(run: Cli) -> list[tuple[str, str]]:
    return [(one["address"], one["finding"]) for one in run("drift", "--format", "json").json["findings"]]


def allowed(run: Cli) -> bool:
    found = run("access", "explain", "template/top", "--caller", "bot", "--format", "json").ok().json
    return bool(found["decision"] == "allow")


def test_nothing_is_forged_at_first(db: Db, run: Cli) -> None:
    assert db.sql("SELECT count(*) FROM applied WHERE mac IS NULL") == [(0,)]
    assert "No changes." in run("plan").ok().out
    assert run("drift").ok().code == 0
    assert allowed(run)


@pytest.mark.parametrize("how", [*FORGE])
def test_a_forged_record_is_a_finding_of_its_own(db: Db, run: Cli, folder: Path, how: str) -> None:
    forge(db, FORGE[how])
    assert findings(run) == [("acme/policy/read", "forged")]
    for form in ("text", "markdown", "html"):
        assert "forged" in run("drift", "--format", form).text
    assert run("drift", "--metrics", "metrics").code == 2
    assert not allowed(run)
    plan = run("plan", "--format", "json").ok().json
    (change,) = plan["resource_changes"]
    assert change["address"] == "acme/policy/read"
    if how == "another body in both":
        refused = run("apply", "--auto-approve", "--overwrite-outside").ok(6)
        assert "record-forged" in refused.err
        run("adopt", "acme/policy/read", "--auto-approve").ok()
        assert findings(run) == []
    else:
        assert (change["action"], change["action_reason"]) == ("adopt", "record-forged")
    run("apply", "--auto-approve", "--overwrite-outside").ok()
    assert findings(run) == []
    assert allowed(run)
    assert "No changes." in run("plan").ok().out


def test_what_a_forged_record_claims_is_not_deleted(db: Db, run: Cli, folder: Path) -> None:
    """A record that somebody made for another's row would make it ours to delete."""
    db.sql(
        "INSERT INTO resources (tenant, kind, name, spec) SELECT tenant, kind, 'theirs', spec FROM resources WHERE name = 'bot'"
    )
    columns = "project, tenant, kind, spec, spec_version, digest, explicit, generation, digest_of, mac"
    db.sql(
        f"INSERT INTO applied (name, uid, {columns}) SELECT 'theirs', (SELECT uid FROM resources WHERE name = 'theirs'), "
        f"{columns} FROM applied WHERE name = 'bot'"
    )
    plan = run("plan", "--format", "json").ok().json
    assert [(one["address"], one["action"]) for one in plan["resource_changes"]] == [("acme/caller/theirs", "delete")]
    assert "record-forged" in run("apply", "--auto-approve").ok(6).err
    assert "acme/caller/theirs" in db.rows()


def test_without_the_key_nothing_is_said(db: Db, run: Cli) -> None:
    forge(db, FORGE["no mac"])
    for more in ({"RECONCILER_KEY_FILE": ""}, {"RECONCILER_KEY_FILE": "/nowhere/keys.json"}):
        assert run("drift", **more).ok().code == 0


def test_another_name_of_the_project_leaves_them_as_they_are(db: Db, run: Cli) -> None:
    run("project", "rename", "shop", "store").ok()
    assert db.sql("SELECT name FROM projects") == [("store",)]
    assert run("drift", RECONCILER_PROJECT="store").ok().code == 0


def test_the_first_apply_with_a_key_signs_all_and_later_ones_their_own(db: Db, folder: Path) -> None:
    key = folder.parent / "keys.json"
    reconciler("secrets", "keys", "create", "--out", str(key), cwd=folder).ok()
    run, keyed = cli_on(db.url, folder), {"RECONCILER_KEY_FILE": str(key)}
    document: dict[str, Any] = {**WORLD, "limits": {}}
    (folder / "acme.yaml").write_text(json.dumps(document))
    run("apply", "--auto-approve").ok()
    assert db.sql("SELECT count(*) FROM applied WHERE mac IS NOT NULL") == [(0,)]
    assert run("drift", **keyed).ok().code == 0
    for name in ("a", "b"):
        document["limits"][name] = {"target": "tenant", "per": "day", "requests": 1}
        (folder / "acme.yaml").write_text(json.dumps(document))
        run("apply", "--auto-approve", "--target", f"acme/limit/{name}", **keyed).ok()
        assert db.sql("SELECT name FROM applied WHERE mac IS NULL") == ([] if name == "a" else [("read",)])
        db.sql("UPDATE applied SET mac = NULL WHERE name = 'read'")


def test_many_at_once(db: Db, run: Cli, folder: Path) -> None:
    limits = {f"l{n}": {"target": "tenant", "per": "day", "requests": n + 1} for n in range(MANY + 1)}
    (folder / "acme.yaml").write_text(json.dumps({**WORLD, "limits": limits}))
    run("apply", "--auto-approve").ok()
    assert run("drift").ok().code == 0
    assert db.sql("SELECT count(*) FROM applied WHERE mac IS NULL") == [(0,)]
    shutil.rmtree(folder / ".reconciler", ignore_errors=True)
