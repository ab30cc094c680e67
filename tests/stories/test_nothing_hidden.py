"""A character that a reviewer can't see reaches no database, whichever way it comes, and stands in every report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.model.body import digest
from tests.conftest import Db, Run
from tests.plan.oracle import content_digest

NOTES = """\
version: 1
tenant: acme
connectors:
  notes: {type: sql, dialect: sqlite, database: /srv/notes.db}
datasources:
  notes: {type: database, connector: notes, tables: [notes]}
templates:
  public:
    type: sql
    datasource: notes
    description: "%s"
    sql: "SELECT text FROM notes -- only what is public%sWHERE public = 1"
"""
HIDING = ["\\L", "\\P", "\\N", "\\r", "\\v", "\\f", "\\_", "\\u200b", "\\u202e", "${var.end}"]


def _write(folder: Path, end: str, description: str = "") -> None:
    (folder / "reconciler.yaml").write_text('version: 1\nvariables: {end: "\\L"}\n')
    (folder / "acme.yaml").write_text(NOTES % (description, end))


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
@pytest.mark.parametrize("end", HIDING)
def test_what_comes_by_an_escape_or_a_variable_is_refused(run: Run, folder: Path, end: str) -> None:
    _write(folder, end)
    (error,) = run("validate", ".", "--format", "json").ok(3).json["errors"]
    assert (error["code"], error["file"], error["line"]) == ("deceptive-character", "acme.yaml", 12)
    assert "line 1, column 46 of the statement holds U+" in error["message"]
    for report in ("junit", "sarif", "github", "gitlab"):
        assert "deceptive-character" in run("validate", ".", "--format", report).ok(3).out


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_an_overlay_is_no_way_in(run: Run, folder: Path) -> None:
    _write(folder, "\\n")
    (folder / "reconciler.yaml").write_text(
        "version: 1\nenvironments:\n  prod: {database: 'sqlite:///prod.db', overlays: [over]}\ninclude: [acme.yaml]\n"
    )
    (folder / "over").mkdir()
    sql = '{sql: "SELECT text FROM notes -- public\\LWHERE public = 1"}'
    (folder / "over" / "x.yaml").write_text(f"version: 1\ntenant: acme\ntemplates: {{public: {sql}}}\n")
    (error,) = run("validate", "--env", "prod", "--format", "json").ok(3).json["errors"]
    assert (error["code"], error["file"]) == ("deceptive-character", "over/x.yaml")


def test_a_saved_plan_is_no_way_in(run: Run, folder: Path, db: Db) -> None:
    _write(folder, "\\n")
    run("apply", ".", "--auto-approve").ok()
    live = db.rows()
    _write(folder, "\\n\\n")
    run("plan", ".", "--out", "a.plan").ok()
    document = json.loads((folder / "a.plan").read_bytes())
    (change,) = [one for one in document["resource_changes"] if one["type"] == "template"]
    body = change["change"]["after"]
    body["sql"] = body["sql"].replace("\n", "\u2028")
    change["after_digest"] = digest(body)
    document["digest"] = content_digest(document)
    (folder / "a.plan").write_text(json.dumps(document))
    assert "is not a valid template" in run("apply", "a.plan", "--auto-approve").ok(8).err
    assert db.rows() == live


def test_what_is_only_text_is_shown_in_every_format(run: Run, folder: Path, db: Db) -> None:
    """A description may hold separators that show in no line, and a trailing blank, a tab and another form of a letter are all news."""
    _write(folder, "\\n", "one\\ntwo\\nthree\\nfour \\u00e9\\n")
    run("apply", ".", "--auto-approve").ok()
    _write(folder, "\\n", "one \\ntwo\\u2028\\n\\tthree\\nfour e\\u0301")
    text, comment = run("plan", ".").ok().out, run("plan", ".", "--format", "markdown").ok().out
    for line in ("+ one·", "+ two\\u2028", "+ ⇥three", "+ four e\\u0301", "- four é", "- "):
        assert f"          {line}\n" in text
    for line in ("+   one·", "+   two\\u2028", "+   ⇥three", "+   four e\\u0301", "-   four é", "-   "):
        assert f"\n{line}\n" in comment
    page = run("plan", ".", "--format", "html").ok().out
    for piece in ("\\u00b7", "\\\\u2028", "\\u21e5", "\\\\u0301"):
        assert piece in page
    run("apply", ".", "--auto-approve").ok()
    db.set_field("acme/template/public", "description", "one\u00a0\ntwo")
    for report in ([], ["--format", "markdown"]):
        assert "one\\u00a0" in run("drift", *report).ok(2).out
    assert "one\\u00a0" in run("show", "acme/template/public").ok().out


CALLED = "x</summary></details><img src=q> @all [a](http://b) `c`\x1b[31mred\u202e\n::error::no\r\n# head"


def test_a_row_that_is_called_like_markup_stays_text(run: Run, folder: Path, db: Db) -> None:
    """Whoever writes a row by SQL chooses its name, and on SQLite the time of the change too."""
    _write(folder, "\\n")
    run("apply", ".", "--auto-approve").ok()
    db.sql("INSERT INTO resources (tenant, kind, name, spec) SELECT tenant, kind, ?, spec FROM resources WHERE name = 'public'", [CALLED])  # fmt: skip
    db.set_field("acme/template/public", "description", "by hand")
    if db.is_sqlite:
        db.sql("UPDATE resources SET changed_at = ?, changed_by = ?", [CALLED, CALLED])
    commands = [("plan", "."), ("drift",), ("drift", "--pending"), ("list",), ("show", "acme/template/public")]
    commands += [("blame", "acme/template/public"), ("plan", ".", "--format", "github"), ("show",)]
    for command in commands:
        out = run(*command).text
        assert not {"\x1b", "\u202e", "\r"} & {*out}, command
        assert not any(line.startswith(("::error", "# head")) for line in out.split("\n")), command
    comment = run("drift", "--format", "markdown").ok(2).out
    summaries = [line for line in comment.split("\n") if line.startswith("<summary>")]
    assert "<summary>acme/template/public was changed outside</summary>" in summaries
    (named,) = (line for line in summaries if "img" in line)
    assert named.startswith("<summary><code>acme/template/x&lt;/summary&gt;&lt;/details&gt;&lt;img src=q&gt; @all")
    assert named.endswith("# head</code> was created outside</summary>")
    page = run("drift", "--format", "html").ok(2).out
    assert "<img" not in page
