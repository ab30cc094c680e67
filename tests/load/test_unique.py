"""Fields in which each resource of a tenant has its own value, in whatever files they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import reconciler

BASE = "version: 1\ntenant: acme\nconnectors: {c: {type: sql, dialect: sqlite, database: x.db}}\ndatasources: {d: {type: database, connector: c}}\n"


@pytest.mark.parametrize("files", [1, 2])
def test_the_later_one_names_the_first(folder: Path, files: int) -> None:
    one = "templates:\n  a: {type: sql, datasource: d, sql: SELECT 1, tool_name: one_tool}\n"
    two = "  b: {type: sql, datasource: d, sql: SELECT 1, tool_name: one_tool}\n"
    (folder / "a.yaml").write_text(BASE + one + (two if files == 1 else ""))
    if files == 2:
        (folder / "b.yaml").write_text(f"version: 1\ntenant: acme\ntemplates:\n{two}")
    told = reconciler("validate", cwd=folder).ok(3).err
    assert "acme/template/a has the same `tool_name`; each needs its own" in told
    assert ("a.yaml:7:" if files == 1 else "b.yaml:4:") in told
    assert "acme/template/a: a.yaml:6:" in told
    assert told.count("[duplicate-value]") == 1


def test_each_its_own_and_tenants_apart(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        BASE + "templates:\n  a: {type: sql, datasource: d, sql: SELECT 1, tool_name: one_tool}\n"
    )
    (folder / "b.yaml").write_text((folder / "a.yaml").read_text().replace("acme", "globex"))
    for _ in range(2):  # also by what the cache says
        assert "is valid: 6 resources" in reconciler("validate", cwd=folder).ok().out
