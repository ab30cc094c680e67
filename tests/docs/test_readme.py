"""The README shows what the commands really print."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.readme import README, fresh


def test_the_readme_shows_what_the_commands_print() -> None:
    assert README.read_text() == fresh(), "run: python tests/docs/readme.py"


def test_links_lead_somewhere() -> None:
    root = README.parent
    pages = [README, *root.glob("docs/**/*.md"), *root.glob("examples/**/*.md")]
    missing = [
        f"{page.relative_to(root)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not Path(page.parent, link).exists()
    ]
    assert missing == []
