"""Whose doing a field's value is: asked of values that Python takes for equal, and of names that read alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Db, Run


def _write(folder: Path, config: dict[str, Any]) -> None:
    document = {"version": 1, "tenant": "acme", "connectors": {"it": {"type": "custom", "config": config}}}
    (folder / "acme.yaml").write_text(json.dumps(document))


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("before", "after"), [(1, True), (False, 0), ([1], [True]), ({"x": 0}, {"x": False})])
def test_a_truth_is_no_number(run: Run, folder: Path, db: Db, before: Any, after: Any) -> None:
    for value in (before, after):
        _write(folder, {"a": value, "b": 2})
        run("apply", "--auto-approve", ".").ok()
    fields = run("blame", "acme/connector/it", "--format", "json").ok().json["fields"]
    found = {one["field"]: one["generation"] for one in fields if one["path"][0] == "config"}
    assert {found.pop("config.b")} == {1}
    assert {*found.values()} == {2}


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_a_name_with_a_point_is_not_a_path(run: Run, folder: Path, db: Db) -> None:
    shown = []
    for config in ({"a.b": "1"}, {"a": {"b": "1"}}):
        _write(folder, config)
        run("apply", "--auto-approve", ".").ok()
        (line,) = [one for one in run("blame", "acme/connector/it").ok().out.splitlines() if one.startswith("config")]
        shown.append(line.split()[0])
    assert shown == ['config["a.b"]', "config.a.b"]
