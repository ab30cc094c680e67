"""`moved` entries to a name that is no longer declared: `removed` says what became of the resource there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import reconciler

BASE = "version: 1\ntenant: acme\nconnectors: {c: {type: custom}%s}\n"


@pytest.mark.parametrize(("destroy", "action"), [("true", "will be destroyed"), ("false", "will no longer be managed")])
def test_a_lagging_environment_does_as_the_others_did(folder: Path, destroy: str, action: str) -> None:
    """It still has the old name; the entry was carried out elsewhere, before the resource went."""
    file = folder / "a.yaml"
    file.write_text(BASE % ", old: {type: custom}")
    reconciler("apply", "--auto-approve", cwd=folder).ok(0)
    file.write_text(BASE % "" + "moved: [{from: connector/old, to: connector/new}]\n")
    assert "[move-target-missing]" in reconciler("validate", cwd=folder).ok(3).err
    with file.open("a") as more:
        more.write(f"removed: [{{from: connector/new, destroy: {destroy}}}]\n")
    assert f"acme/connector/old {action}" in reconciler("plan", cwd=folder).ok(0).out
