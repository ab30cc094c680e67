"""A rename without `moved` is recognised by its body, told, and written into the file that declares the new name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Db
from tests.store.support import Cli, cli_on

MANIFEST = """\
# Limits of acme
version: 1
tenant: acme
connectors:
  warehouse: {type: sql, dialect: sqlite, database: w.db}   # the old one
datasources:
  sales: {type: database, connector: warehouse, tables: [orders]}
limits:
  month: {target: tenant, per: month, requests: 9}
"""


@pytest.fixture
def call(db: Db, folder: Path) -> Cli:
    (folder / "acme.yaml").write_text(MANIFEST)
    call = cli_on(db.url, folder)
    call("apply", "--auto-approve").ok()
    return call


def uids(db: Db) -> dict[str, str]:
    return {str(name): str(uid) for name, uid in db.sql("SELECT name, uid FROM resources")}


def test_a_rename_is_recognised_and_written(call: Cli, db: Db, folder: Path) -> None:
    before = uids(db)
    new = MANIFEST.replace("month:", "monthly:").replace("warehouse", "store").replace("sales:", "turnover:")
    (folder / "acme.yaml").write_text(new)
    planned = " ".join(call("plan").ok().out.split())
    assert (
        "acme/limit/monthly has the same body as acme/limit/month, which is deleted: a rename? add "
        "`moved: [{from: limit/month, to: limit/monthly}]`" in planned
    )
    # what refers to something that is renamed is the same too, once that is known
    assert "acme/datasource/turnover has the same body as acme/datasource/sales" in planned
    found = call("plan", "--suggest-moves").ok()
    assert "Wrote 3 `moved` entries in acme.yaml." in found.err
    assert "3 to move" in found.out or "=>" in found.out
    text = (folder / "acme.yaml").read_text()
    assert text.startswith(new)
    assert "  - {from: limit/month, to: limit/monthly}\n" in text
    call("apply", "--auto-approve").ok()
    after = uids(db)
    assert (after["monthly"], after["store"], after["turnover"]) == (
        before["month"],
        before["warehouse"],
        before["sales"],
    )
    again = call("plan", "--suggest-moves").ok()
    assert "there is nothing to write" in again.err
    assert (folder / "acme.yaml").read_text() == text


FORMS = {
    "a block": ("moved:  # done\n- {from: limit/x, to: limit/y}\n", "- {from: limit/month, to: limit/monthly}\n- {from: limit/x"),
    "a flow": ("moved: [{from: limit/x, to: limit/y}]  # done\n", "to: limit/y}, {from: limit/month, to: limit/monthly}]  # done"),
    "an empty flow": ("moved: []\n", "moved: [{from: limit/month, to: limit/monthly}]"),
    "another document": ("---\nversion: 1\ntenant: globex\n", "moved:\n  - {from: limit/month, to: limit/monthly}\n---\n"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_entries_go_where_others_are(form: str, db: Db, folder: Path) -> None:
    more, written = FORMS[form]
    limits = "version: 1\ntenant: acme\nlimits:\n  month: {target: tenant, per: month, requests: 9}\n"
    limits += "  y: {target: tenant, per: day, requests: 8}\n"
    (folder / "acme.yaml").write_text(limits + more)
    call = cli_on(db.url, folder)
    call("apply", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(limits.replace("month:", "monthly:") + more)
    assert "Wrote 1 `moved` entry" in call("plan", "--suggest-moves").ok().err
    assert written in (folder / "acme.yaml").read_text()
    assert "1 to destroy" not in call("plan").ok().out


def test_what_fits_several_is_no_guess(call: Cli, folder: Path) -> None:
    two = "  a: {target: tenant, per: month, requests: 9}\n  b: {target: tenant, per: month, requests: 9}\n"
    (folder / "acme.yaml").write_text(MANIFEST[: MANIFEST.index("  month:")] + two)
    assert "a rename?" not in call("plan").ok().out


def test_a_document_in_braces_stays(call: Cli, folder: Path) -> None:
    text = "{version: 1, tenant: acme, limits: {monthly: {target: tenant, per: month, requests: 9}}}\n"
    (folder / "acme.yaml").write_text(text)
    found = call("plan", "--suggest-moves").ok()
    assert "Not written, add by hand: moved: [{from: limit/month, to: limit/monthly}]" in found.err
    assert (folder / "acme.yaml").read_text() == text
