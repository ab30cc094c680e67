"""docs/lint.md lists what there is, and its examples are good."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.lint import PAGE, fresh
from tests.lint.support import HEAD, findings, rules_of
from tests.load.support import write


def _blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


def test_the_page_lists_every_word_and_rule() -> None:
    assert PAGE.read_text() == fresh(), "run: python -m tests.docs.lint"


def test_its_comments_allow_what_they_say(tmp_path: Path) -> None:
    manifest = _blocks()[0]
    only = ["sql-unencrypted", "mcp-tool-unpinned", "mcp-risky-tool-without-approval"]
    assert findings(tmp_path, {"acme.yaml": HEAD + manifest}, only) == []
    assert len(findings(tmp_path, {"acme.yaml": HEAD + re.sub("# lint:.*", "", manifest)}, only)) == 3


def test_its_project_and_its_rules_can_be_read(tmp_path: Path) -> None:
    _, project, rules = _blocks()
    write(tmp_path, {"reconciler.yaml": f"version: 1\n{project}", "lint/team.yaml": rules})
    found = rules_of(tmp_path)
    assert {"prod-is-protected", "personal-data-stays-here", "no-new-hosts-on-fridays", "label-team"} <= found.on.keys()
    assert "mcp-tool-unpinned" not in found.on
