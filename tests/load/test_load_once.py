"""A file that is wrong by itself is read once, and its places once, whichever ways of loading look at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConfigurationInvalid
from reconciler.load import positions, source
from reconciler.load.load import load
from reconciler.load.project import without_file
from tests.conftest import reconciler

WRONG = "version: 1\ntenant: acme\nlimits:\n  a: &a {scope: tenant, nonsense: 1}\n  b: *a\nnonsense: 1\n"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often files and places were read."""
    counts = {"files": 0, "places": 0}

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            counts[name] += 1
            return function(*arguments)

        return counted

    monkeypatch.setattr(source, "_read", source.lru_cache(counting("files", source.read_documents)))
    monkeypatch.setattr(positions, "_read", counting("places", positions._read))
    return counts


def test_what_is_wrong_by_itself_is_read_once(tmp_path: Path, counted: dict[str, int]) -> None:
    (tmp_path / "a.yaml").write_text(WRONG)
    with pytest.raises(ConfigurationInvalid) as found:
        load(without_file(tmp_path), None, [str(tmp_path / "a.yaml")])
    assert {problem.code for problem in found.value.problems} == {"unknown-field", "missing-field"}
    assert counted == {"files": 1, "places": 1}


def test_the_cap_of_a_file_is_said_and_raised(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\ntenant: acme\n#" + "x" * 2**20)
    refused = reconciler("validate", "--max-file", "1", "a.yaml", cwd=tmp_path).ok(3)
    assert "this file is larger than 1 MiB" in refused.err
    assert "--max-file" in refused.err
    (tmp_path / "a.yaml").write_text(
        "version: 1\ntenant: acme\nlimits: {a: {target: tenant, per: day, requests: 1}}\n#" + "x" * 17 * 2**20
    )
    assert "16 MiB" in reconciler("validate", "a.yaml", cwd=tmp_path).ok(3).err
    reconciler("validate", "--max-file", "18", "a.yaml", cwd=tmp_path).ok()
