"""--check on the command line: what resolves, what does not and why, and what that leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Db, Run

KEY = "first-secret-value"
OTHER = "second-secret-value"
MANIFEST = """
version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: "env://OPENAI_KEY"}
limits:
  month: {target: tenant, per: month, cost_usd: 100}
"""


@pytest.fixture
def manifest(folder: Path) -> Path:
    path = folder / "acme.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.fixture
def keyed(run: Run, folder: Path) -> dict[str, str]:
    """An environment with a key and the secret."""
    run("secrets", "keys", "create", "--out", "keys.json").ok()
    return {"RECONCILER_KEY_FILE": str(folder / "keys.json"), "OPENAI_KEY": KEY}


def test_what_does_not_resolve_stops_an_apply_before_it_writes(run: Run, manifest: Path, db: Db) -> None:
    done = run("apply", "--check", "--auto-approve").ok(7)
    assert "env://OPENAI_KEY does not resolve: the environment has no variable OPENAI_KEY" in done.err
    assert "acme.yaml:5:" in done.err
    assert "acme/integration/openai" in done.err
    assert run("list").out == ""
    run("apply", "--check", "--auto-approve", env={"OPENAI_KEY": KEY}).ok()


def test_every_reference_that_does_not_resolve_is_told_at_once(run: Run, manifest: Path) -> None:
    manifest.write_text(
        MANIFEST
        + """---
version: 1
tenant: acme
integrations:
  a: {provider: openai, credential: "encrypted://nothing"}
  b: {provider: openai, credential: "vault://kv/acme/x#y"}
"""
    )
    done = run("validate", "--check", "--format", "json").ok(7)
    codes = {error["address"].rpartition("/")[2]: error["code"] for error in done.json["errors"]}
    assert codes == {
        "openai": "credential-unresolved",
        "a": "credential-unresolved",
        "b": "secret-store-unreachable",
    }
    assert all(error["file"] == "acme.yaml" and error["line"] for error in done.json["errors"])
    assert done.json["valid"] is False


@pytest.mark.parametrize(
    ("reference", "words"),
    [("vault://kv/globex/x#y", "outside"), ("env://RECONCILER_DATABASE_URL", "belongs to the program")],
)
@pytest.mark.parametrize("how", ["resource", "defaults", "overlay", "nested"])
def test_a_reference_that_is_not_for_the_tenant_is_invalid(
    run: Run, folder: Path, manifest: Path, reference: str, words: str, how: str
) -> None:
    """By validate, which asks nobody, wherever the reference comes from."""
    settings = "version: 1\nproject: shop\nenvironments: {dev: {overlays: [dev]}}\n"
    (folder / "dev").mkdir()
    (folder / "dev" / "acme.yaml").write_text("version: 1\ntenant: acme\n")
    settled = f'version: 1\ntenant: acme\nintegrations: {{other: {{provider: openai, credential: "{reference}"}}}}\n'
    nested = (
        f'version: 1\ntenant: acme\nconnectors: {{hook: {{type: http, base_url: "https://x", '
        f'auth: {{type: bearer, token: "{reference}"}}}}}}\n'
    )
    if how == "defaults":
        settings += f'defaults: {{integrations: {{credential: "{reference}"}}}}\n'
        settled = "version: 1\ntenant: acme\nintegrations: {other: {provider: openai}}\n"
    (folder / "reconciler.yaml").write_text(settings)
    place = folder / "dev" / "acme.yaml" if how == "overlay" else folder / "more.yaml"
    place.write_text(nested if how == "nested" else settled)
    done = run("validate").ok(3)
    assert (done.err.count("[reference-forbidden]"), words in done.err) == (1, True)
    name = "reconciler.yaml" if how == "defaults" else str(place.relative_to(folder))
    assert f"on {name}:" in done.err
    assert "secrets.schemes" in done.err


def test_without_the_flag_nothing_is_resolved(run: Run, manifest: Path) -> None:
    run("validate").ok()
    run("apply", "--auto-approve").ok()
    assert run("plan").ok().out.count("No changes.") == 1


def test_in_production_the_environment_is_no_store(run: Run, manifest: Path, folder: Path) -> None:
    project = "version: 1\nproject: shop\nenvironments:\n  dev:\n  prod: {}\n"
    (folder / "reconciler.yaml").write_text(project)
    env = {"OPENAI_KEY": KEY}
    run("validate", "--check", "--env", "dev", env=env).ok()
    assert "env:// is off in prod" in run("validate", "--env", "prod").ok(3).err
    assert "(in prod)" in run("validate").ok(3).err
    (folder / "reconciler.yaml").write_text(project.replace("prod: {}", "prod: {schemes: {env: {enabled: true}}}"))
    run("validate", "--check", "--env", "prod", env=env).ok()
    # what a project says itself is judged without resolving anything
    (folder / "reconciler.yaml").write_text(project + "secrets: {schemes: {env: {prefixes: ['${TENANT}__']}}}\n")
    assert "reference-forbidden" in run("validate", "--env", "dev").ok(3).err
    manifest.write_text(MANIFEST.replace("OPENAI_KEY", "ACME__OPENAI_KEY"))
    run("validate", "--env", "dev").ok()


@pytest.mark.parametrize("saved", [True, False])
def test_a_rotated_secret_is_shown_applied_and_done(
    run: Run, manifest: Path, keyed: dict[str, str], db: Db, saved: bool
) -> None:
    run("apply", "--check", "--auto-approve", env=keyed).ok()
    run("plan", "--check", "--detailed-exitcode", env=keyed).ok(0)
    now = {**keyed, "OPENAI_KEY": OTHER}
    run("plan", "--detailed-exitcode", env=now).ok(0)  # nobody asked
    shown = run("plan", "--check", "--detailed-exitcode", "--out", "rotated.plan", env=now).ok(2)
    assert '~ credential = "env://OPENAI_KEY" (secret changed)' in shown.out
    before = db.sql("SELECT row_version FROM resources WHERE name = 'openai'")
    arguments = ["rotated.plan"] if saved else []
    run("apply", *arguments, "--check", "--auto-approve", env=now).ok()
    assert db.sql("SELECT row_version FROM resources WHERE name = 'openai'") > before
    run("plan", "--check", "--detailed-exitcode", env=now).ok(0)
    again = run("apply", "rotated.plan", "--check", "--auto-approve", env=now).ok()
    assert "Resources: 0 added, 0 changed, 0 destroyed." in again.out
    run("plan", "--check", "--detailed-exitcode", env=keyed).ok(2)  # the old one again is a change too


def test_what_was_there_before_is_learned_by_the_first_check(run: Run, manifest: Path, keyed: dict[str, str]) -> None:
    run("apply", "--auto-approve", env=keyed).ok()
    now = {**keyed, "OPENAI_KEY": OTHER}
    run("plan", "--check", "--detailed-exitcode", env=now).ok(0)  # nothing is known yet
    run("apply", "--check", "--auto-approve", env=now).ok()  # which has nothing to write
    run("plan", "--check", "--detailed-exitcode", env=now).ok(0)
    run("plan", "--check", "--detailed-exitcode", env=keyed).ok(2)


def test_a_fingerprint_is_keyed_and_belongs_to_one_tenant(
    run: Run, manifest: Path, keyed: dict[str, str], db: Db
) -> None:
    manifest.write_text(MANIFEST.replace("tenant: acme", "tenants: [acme, globex]"))
    run("apply", "--check", "--auto-approve", env=keyed).ok()
    marks = [mark for (mark,) in db.sql("SELECT fingerprint FROM fingerprints ORDER BY tenant")]
    assert len(set(marks)) == 2  # the same secret behind the same reference
    assert all(mark.startswith("hmac:k-") and len(mark.rpartition(":")[2]) == 64 for mark in marks)


def test_without_a_key_only_a_stores_version_tells(run: Run, manifest: Path, db: Db) -> None:
    run("apply", "--check", "--auto-approve", env={"OPENAI_KEY": KEY}).ok()
    assert db.sql("SELECT count(*) FROM fingerprints") == [(0,)]
    run("plan", "--check", "--detailed-exitcode", env={"OPENAI_KEY": OTHER}).ok(0)


def test_encrypted_secrets_resolve_and_each_opening_is_logged(run: Run, folder: Path, keyed: dict[str, str]) -> None:
    (folder / "acme.yaml").write_text(MANIFEST.replace("env://OPENAI_KEY", "encrypted://openai"))
    run("secrets", "set", "acme/openai", stdin=KEY, env=keyed).ok()
    run("validate", "--check", env=keyed).ok()
    log = run("secrets", "access-log", "--format", "json", env=keyed).ok().json["entries"]
    assert [(entry["event"], entry.get("purpose")) for entry in log] == [
        ("secret-access", "check"),
        ("secret-set", None),
    ]
    run("secrets", "keys", "create", "--out", "other.json").ok()
    wrong = run("validate", "--check", env={**keyed, "RECONCILER_KEY_FILE": "other.json"}).ok(8)
    assert "which is not known here" in wrong.err
