"""The diff that is shown is one that makes the one text of the other."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.layout.difference import difference
from tests.layout.odd import document

TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d"]), max_size=30).map("".join)


def applied(folder: Path, before: str, after: str) -> None:
    patch = "".join(f"{line}\n" for line in difference("file", before, after))
    (folder / "file").write_text(before)
    if not patch:
        assert before == after
        return
    command = ["git", "apply", "--unidiff-zero", "-p0", "-"]
    done = subprocess.run(command, cwd=folder, input=patch, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr + patch
    assert ((folder / "file").read_text() if (folder / "file").exists() else "") == after


@settings(max_examples=60, deadline=None)
@given(before=TEXTS, after=TEXTS)
def test_short_texts(tmp_path_factory, before: str, after: str) -> None:  # type: ignore[no-untyped-def]
    applied(tmp_path_factory.mktemp("diff"), before, after)


def test_long_texts(tmp_path: Path) -> None:
    dice = random.Random(5)
    before = "".join(f"line {dice.randrange(300)}\n" for _ in range(3000))
    lines = before.splitlines(keepends=True)
    for _ in range(100):
        at = dice.randrange(len(lines))
        lines[at : at + dice.randrange(40)] = [f"new {dice.random()}\n"] * dice.randrange(40)
    applied(tmp_path, before, "".join(lines))
    applied(tmp_path, document(dice).replace("\r", "").replace("\ufeff", ""), before)


def test_a_hunk_shows_three_lines_around_a_change() -> None:
    before = "".join(f"{number}\n" for number in range(20))
    assert [*difference("f", before, before.replace("10\n", "ten\n"))] == [
        *["--- f", "+++ f", "@@ -8,7 +8,7 @@", " 7", " 8", " 9", "-10", "+ten", " 11", " 12", " 13"]
    ]
    assert [*difference("f", "a", "a\n")][2:] == ["@@ -1,1 +1,1 @@", "-a", "\\ No newline at end of file", "+a"]
    assert [*difference("f", before, before)] == []
