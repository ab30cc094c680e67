"""Exports show what can't be seen, in both forms, and mean the same."""

from __future__ import annotations

from pathlib import Path

from reconciler.model.characters import is_hidden
from tests.conftest import reconciler

MANIFEST = r"""version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: "env://X", description: "a\uFEFFb \u200Bz \u202Ebidi\u202C \u00ADs \u3164"}
"""


def test_both_forms_show_what_can_not_be_seen(folder: Path) -> None:
    given = {"RECONCILER_DATABASE_URL": "sqlite:///state.db", "RECONCILER_PROJECT": "shop"}

    def run(*arguments: str) -> str:
        return reconciler(*arguments, cwd=folder, env=given).ok().out

    (folder / "acme.yaml").write_text(MANIFEST)
    run("apply", "--auto-approve")
    exported, canonical = run("export"), run("export", "--canonical")
    for written in (exported, canonical):
        assert r"a\ufeffb \u200bz \u202ebidi\u202c \u00ads \u3164" in written
        assert not any(is_hidden(character) for character in written.replace("\n", ""))
    (folder / "live.json").write_text(canonical)
    assert "No changes" in run("plan", "--against", "live.json")
    (folder / "acme.yaml").write_text(exported)
    assert "No changes" in run("plan")
