"""The tables of docs/convert-coverage.md are fresh; every real file converts, validates, applies and plans empty."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from reconciler.cli import run
from tests.convert.table import PAGE, foreign, fresh, real_files

ABSENT = "the real files of other projects are not here: RECONCILER_FOREIGN names the folder that holds them"


def test_the_tables_are_fresh() -> None:
    assert PAGE.read_text() == fresh(), "run: python -m tests.convert.table"


@pytest.mark.skipif(foreign() is None, reason=ABSENT)
def test_every_real_file_converts_applies_and_plans_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = foreign()
    assert folder is not None
    files = real_files(folder)
    assert len(files) >= 90
    for number, (format, path) in enumerate(files):
        here = tmp_path / str(number)
        here.mkdir()
        monkeypatch.chdir(here)
        for arguments in (
            ["convert", format, str(path), "--out", "manifests"],
            ["convert", format, str(path), "--check"],
            ["validate", "manifests"],
            ["apply", "manifests", "--auto-approve"],
            ["plan", "manifests", "--detailed-exitcode"],
        ):
            shown = io.StringIO()
            with redirect_stdout(shown), redirect_stderr(shown):
                code = run(arguments)
            assert code == 0, f"{path.name}: {arguments[0]}\n{shown.getvalue()}"
