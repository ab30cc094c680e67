"""``validate --fix`` writes what is safe, keeps every other byte, and reports what is left."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import reconciler

BAD = """\
version: 1
tenant: acme
connectors:
  w: {tpye: sql, dialect: sqlite, database: a.db}   # mine
  h: {type: mcp, transport: http, url: "https://x.example"}
limits:
  # kept
  l: {target: tenant,  per: month, reqests: 4_000}
  m: {target: tenant, per: day, requests: ${var.n}}
  n: {target: tenant, per: day, requests: 4, protected: yes}
"""
GOOD = """\
version: 1
tenant: acme
connectors:
  w: {type: sql, dialect: sqlite, database: a.db}   # mine
  h: {type: mcp, transport: streamable_http, url: "https://x.example"}
limits:
  # kept
  l: {target: tenant,  per: month, requests: 4000}
  m: {target: tenant, per: day, requests: "${var.n}"}
  n: {target: tenant, per: day, requests: 4, protected: true}
"""
PROJECT = "version: 1\ninclude: ['*.yml']\nvariables: {n: 3}\n"


def test_what_is_safe_is_written(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text(PROJECT)
    (tmp_path / "a.yml").write_text(BAD)
    done = reconciler("validate", "--fix", cwd=tmp_path).ok()
    assert (tmp_path / "a.yml").read_text() == GOOD
    assert "Fixed" in done.err
    again = reconciler("validate", "--fix", cwd=tmp_path).ok()
    assert "Fixed" not in again.err
    assert (tmp_path / "a.yml").read_text() == GOOD


def test_what_a_person_decides_is_left(tmp_path: Path) -> None:
    text = "version: 1\ntenant: acme\nlimits:\n  l: {target: tenant, per: day, requests: 1, zzz: 1}\n"
    (tmp_path / "a.yaml").write_text(text)
    ran = reconciler("validate", "a.yaml", "--fix", cwd=tmp_path).ok(3)
    assert "unknown field `zzz`" in ran.err
    assert (tmp_path / "a.yaml").read_text() == text


def test_a_fix_that_makes_a_key_stand_twice_is_not_written(tmp_path: Path) -> None:
    text = "version: 1\ntenant: acme\nlimits:\n  l: {target: tenant, per: day, requests: 1, reqests: 2}\n"
    (tmp_path / "a.yaml").write_text(text)
    reconciler("validate", "a.yaml", "--fix", cwd=tmp_path).ok(3)
    assert (tmp_path / "a.yaml").read_text() == text


def test_the_fix_is_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\ntenant: acme\nlimits: {l: {target: tenant, per: day, reqests: 1}}\n")
    (error,) = reconciler("validate", "a.yaml", "--format", "json", cwd=tmp_path).ok(3).json["errors"]
    assert error["fix"] == "requests"
    assert reconciler("validate", "-", "--fix", cwd=tmp_path, stdin="version: 1").code == 64
