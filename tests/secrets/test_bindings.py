"""A reference opens the secret that was applied, or none: a name in the database can be given to another row."""

from __future__ import annotations

import os

import pytest

from reconciler.apply import judge
from reconciler.errors import IntegrityFailed
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets import envelope
from reconciler.secrets.envelope import OLD_MAGIC, Blob, Bound
from reconciler.store.connect import writing
from reconciler.store.migrations.v0011_bindings import upgrade
from tests.probe.test_probe import Api, write
from tests.secrets.support import VALUE, Kept

MANIFEST = """
version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: "encrypted://openai"}
  other: {provider: openai, credential: "encrypted://other"}
"""
ADDRESS = "acme/integration/openai"
NEWS = "(points to another secret)"


@pytest.fixture
def applied(kept: Kept) -> Kept:
    (kept.folder / "acme.yaml").write_text(MANIFEST)
    for name in ("openai", "other"):
        kept("set", f"acme/{name}", stdin=f"{VALUE}-of-{name}").ok()
    kept.command("apply", "--auto-approve").ok()
    return kept


def rename(kept: Kept) -> None:
    """By plain SQL, as whoever may write to the database can do it."""
    kept.db.sql("DELETE FROM secrets WHERE name = 'openai'")
    kept.db.sql("UPDATE secrets SET name = 'openai' WHERE name = 'other'")


def replace(kept: Kept) -> None:
    """By the commands that do it."""
    kept("delete", "acme/openai", "--auto-approve", "--allow-referenced").ok()
    kept("set", "acme/openai", stdin=f"{VALUE}-of-openai-2").ok()


def forget(kept: Kept) -> None:
    kept.db.sql("DELETE FROM secrets WHERE name = 'openai'")


def as_format_1(kept: Kept, name: str) -> None:
    """The secret's blob as older releases made it: no name is bound."""
    (tenant, uid, version) = kept.db.sql(f"SELECT tenant, uid, version FROM secrets WHERE name = '{name}'")[0]
    place, key = Bound(tenant, uid, version, name), kept.ring.primary
    data_key = os.urandom(32)
    value_key, mac_key = envelope._derive(data_key, b"", envelope._VALUE)
    sealed = envelope.encrypt(value_key, kept.value(name).encode(), envelope._context(b"value", place), os.urandom)
    wrapped = key.wrap(data_key, envelope._wrap_context(place, key.key_id, OLD_MAGIC))
    blob = Blob(key.key_id, wrapped, sealed, magic=OLD_MAGIC).pack(mac_key, name)
    kept.db.sql("UPDATE secrets SET blob = ? WHERE uid = ?", [blob, uid])


def test_a_renamed_row_opens_nothing(applied: Kept) -> None:
    assert applied.value("openai") == f"{VALUE}-of-openai"
    as_format_1(applied, "other")
    rename(applied)
    with pytest.raises(IntegrityFailed, match="points to another secret") as caught:
        applied.value("openai")
    assert caught.value.problems[0].code == "secret-replaced"
    assert applied.events("acme/openai").count("access") == 1


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_check_looks_at_what_an_apply_would_bind(applied: Kept, command: str) -> None:
    """It sends nothing anywhere, so that a replacement can be checked before it is applied; nothing is bound by it."""
    replace(applied)
    ran = applied.command(command, "--check").ok()
    assert "Warning: encrypted://openai points to another secret than the one that was applied\n" in ran.err
    assert f"on acme.yaml:5:42, {ADDRESS}" in ran.err
    assert "next: `reconciler plan` shows it, and an apply of that binds it to the new secret" in ran.err
    assert VALUE not in ran.text
    assert ran.err.count("Warning: ") == 1
    with pytest.raises(IntegrityFailed, match="points to another secret"):
        applied.value("openai")
    assert NEWS in applied.command("plan", "--check").ok().out


def test_a_check_of_an_apply_binds_what_it_shows(applied: Kept) -> None:
    replace(applied)
    ran = applied.command("apply", "--check", "--auto-approve").ok()
    assert NEWS in ran.out
    assert applied.value("openai") == f"{VALUE}-of-openai-2"
    assert "No changes" in applied.command("plan", "--check").ok().out


def test_a_row_that_does_not_open_fails_the_check(applied: Kept) -> None:
    rename(applied)
    for command in ("validate", "plan"):
        assert "[secret-damaged]" in applied.command(command, "--check").ok(8).err


def test_a_replaced_secret_is_not_probed(kept: Kept) -> None:
    api = Api()
    try:
        write(kept.folder, api.url, "encrypted://openai")
        kept("set", "acme/openai", stdin=VALUE).ok()
        kept.command("apply", "--auto-approve").ok()
        kept.command("validate", "--probe").ok()
        assert api.sent == [f"Bearer {VALUE}"]
        replace(kept)
        assert "neither probed nor served" in kept.command("validate", "--probe").ok().err
        assert api.sent == [f"Bearer {VALUE}"]
        kept.command("apply", "--auto-approve").ok()
        kept.command("validate", "--probe").ok()
        assert api.sent == [f"Bearer {VALUE}", f"Bearer {VALUE}-of-openai-2"]
    finally:
        api.server.shutdown()
        api.server.server_close()


def test_a_part_is_bound_as_its_secret_is(kept: Kept) -> None:
    """Also where the secret was set after the resource was applied."""
    manifest = (
        'version: 1\ntenant: acme\nconnectors:\n  h: {type: http, base_url: "https://a.example", auth: {type: basic, '
    )
    (kept.folder / "acme.yaml").write_text(f'{manifest}username: me, password: "encrypted://openai#password"}}}}\n')
    kept.command("apply", "--auto-approve").ok()
    for name in ("openai", "other"):
        kept("set", f"acme/{name}", "--type", "basic_auth", stdin=f"me:{VALUE}-of-{name}").ok()
    rename(kept)
    with pytest.raises(IntegrityFailed, match="points to another secret"):
        kept.opener()("acme", SecretRef.parse("encrypted://openai#password"))
    assert NEWS[1:-1] in kept.command("plan").ok().out
    kept.command("apply", "--auto-approve").ok()
    assert NEWS[1:-1] not in kept.command("plan").ok().out


def test_a_blob_of_today_binds_its_name(applied: Kept) -> None:
    """Also where whoever renamed the row took its binding away."""
    rename(applied)
    applied.db.sql("DELETE FROM bindings")
    with pytest.raises(IntegrityFailed, match="does not open"):
        applied.value("openai")


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_plan_and_drift_report_it(applied: Kept, form: str) -> None:
    assert NEWS[1:-1] not in applied.command("plan", "--format", form).ok().out
    rename(applied)
    assert NEWS[1:-1] in applied.command("plan", "--format", form).ok().out
    assert NEWS[1:-1] in applied.command("drift", "--format", form).ok(2).out


def test_json_reports_it(applied: Kept) -> None:
    rename(applied)
    planned = applied.command("plan", "--format", "json", "--detailed-exitcode").ok(2).json["resource_changes"]
    drifted = applied.command("drift", "--format", "json").ok(2).json["findings"]
    for found, address in ((planned, "address"), (drifted, "address")):
        (one,) = (one for one in found if one[address] == ADDRESS)
        (field,) = one["fields"]
        assert (field["op"], field["field"], field["after"]) == ("another-secret", "credential", "encrypted://openai")
    (update,) = planned
    assert update["change"]["actions"] == ["update"]


def test_a_replacement_is_applied_and_bound_anew(applied: Kept) -> None:
    replace(applied)
    with pytest.raises(IntegrityFailed, match="points to another secret"):
        applied.value("openai")
    assert NEWS in applied.command("plan").ok().out
    assert "1 changed" in applied.command("apply", "--auto-approve").ok().out
    assert applied.value("openai") == f"{VALUE}-of-openai-2"
    assert "No changes" in applied.command("plan").ok().out
    applied.command("drift").ok()
    applied.command("plan", "--check").ok()


def test_a_saved_plan_binds_anew(applied: Kept) -> None:
    replace(applied)
    applied.command("plan", "--out", "saved").ok()
    applied.command("apply", "saved", "--auto-approve").ok()
    assert applied.value("openai") == f"{VALUE}-of-openai-2"


def test_a_plan_holds_for_the_secrets_that_it_was_reviewed_with(applied: Kept) -> None:
    """Whether it binds one anew or leaves it as it is."""
    replace(applied)
    applied.command("plan", "--out", "binds").ok()
    (applied.folder / "acme.yaml").write_text(
        MANIFEST.replace("{provider: openai,", "{provider: openai, enabled: false,")
    )
    applied.command("plan", "--out", "changes").ok()
    for put_another in (replace, rename, forget):
        put_another(applied)
        for saved in ("binds", "changes"):
            refused = applied.command("apply", saved, "--auto-approve").ok(4).err
            assert "encrypted://openai of acme is not the secret any more that it was when the plan was made" in refused
            assert (
                "next: `reconciler secrets access-log acme/openai` shows who replaced it; then make a new plan"
                in refused
            )


def test_so_does_one_that_begins_a_resource(kept: Kept) -> None:
    for name in ("openai", "other"):
        kept("set", f"acme/{name}", stdin=f"{VALUE}-of-{name}").ok()
    (kept.folder / "acme.yaml").write_text(MANIFEST)
    kept.command("plan", "--out", "saved").ok()
    kept("rotate", "acme/openai", stdin=f"{VALUE}-next").ok()  # the same secret
    rename(kept)
    assert "[plan-stale]" in kept.command("apply", "saved", "--auto-approve").ok(4).err
    assert kept.db.sql("SELECT * FROM bindings") == []


def test_a_secret_that_comes_later_makes_no_plan_stale(kept: Kept) -> None:
    (kept.folder / "acme.yaml").write_text(MANIFEST)
    kept.command("plan", "--out", "saved").ok()
    kept("set", "acme/openai", stdin=VALUE).ok()
    kept.command("apply", "saved", "--auto-approve").ok()


def test_another_change_of_the_resource_binds_nothing_anew(applied: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replacement that came after the plan is in no plan: nobody has seen it."""
    monkeypatch.setattr(judge, "_replaced", lambda *_: ())  # which refuses it before that
    (applied.folder / "acme.yaml").write_text(
        MANIFEST.replace("{provider: openai,", "{provider: openai, enabled: false,")
    )
    applied.command("plan", "--out", "saved").ok()
    rename(applied)
    applied.command("apply", "saved", "--auto-approve").ok()
    assert NEWS in applied.command("plan").ok().out


def test_another_value_is_no_replacement(applied: Kept) -> None:
    applied("rotate", "acme/openai", stdin=f"{VALUE}-next").ok()
    assert applied.value("openai") == f"{VALUE}-next"
    assert "No changes" in applied.command("plan").ok().out
    applied.command("drift").ok()


def test_a_reference_that_is_taken_out_means_nothing(applied: Kept) -> None:
    (applied.folder / "acme.yaml").write_text(MANIFEST.replace("encrypted://openai", "encrypted://other"))
    applied.command("apply", "--auto-approve").ok()
    applied("delete", "acme/openai", "--auto-approve").ok()
    applied("set", "acme/openai", stdin=VALUE).ok()
    assert applied.value("openai") == VALUE
    (applied.folder / "acme.yaml").write_text("version: 1\ntenant: acme\n")
    applied.command("apply", "--auto-approve", "--allow-empty", "--allow-deletes", "2").ok()
    assert applied.db.sql("SELECT * FROM bindings") == []


def test_a_secret_that_comes_after_its_reference_is_bound_to_it(kept: Kept) -> None:
    (kept.folder / "acme.yaml").write_text(MANIFEST)
    kept.command("apply", "--auto-approve").ok()
    kept("set", "acme/openai", stdin=VALUE).ok()
    kept("set", "acme/other", stdin=VALUE).ok()
    assert kept.value("openai") == VALUE
    rename(kept)
    assert NEWS in kept.command("plan").ok().out


def test_reencrypt_binds_the_names_of_old_blobs(applied: Kept) -> None:
    as_format_1(applied, "openai")
    assert "Re-wrapped 1 secret" in applied("reencrypt").ok().out
    blobs = applied.db.sql("SELECT blob FROM secrets")
    assert {bytes(blob)[:4] for (blob,) in blobs} == {b"RCS2"}
    assert applied.value("openai") == f"{VALUE}-of-openai"
    assert "Re-wrapped 0 secrets" in applied("reencrypt").ok().out


def test_an_upgrade_binds_what_is_live(applied: Kept) -> None:
    before = sorted(applied.db.sql("SELECT tenant, uid, name, secret_uid FROM bindings"))
    applied.db.sql("DROP TABLE bindings")
    with writing(applied.database, 10) as connection, connection.begin():
        upgrade(connection)
    assert len(before) == 2
    assert sorted(applied.db.sql("SELECT tenant, uid, name, secret_uid FROM bindings")) == before
