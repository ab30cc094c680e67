"""`scan`: files of any sort, all of their secrets at once, with places and without the secrets."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from random import Random

import pytest

from reconciler.load.scan import scan_text
from tests.conftest import reconciler
from tests.model.made_secrets import SECRETS

DICE = Random(5)
GITHUB, OPENAI, JWT, PEM = (SECRETS[name](DICE) for name in ("GitHub", "OpenAI", "JWT", "PEM"))
FILES = {
    ".env": f"# settings\nMODE=fast\nTOKEN={GITHUB}\n",
    "a/app.py": f"import os\n\nKEY = '{OPENAI}'\nOTHER = os.environ['KEY']  # {JWT}\n",
    "a/notes.md": "The password is in the vault. Use `Authorization: Bearer <token>`.\n",
    "b/key.pem": PEM,
    "b/ok.yaml": f"a: {{plain: {GITHUB}}}\nb: {OPENAI} # reconciler: not-a-secret\n",
    "b/odd.yaml": f'a: "\\x67{GITHUB[1:]}"\nb: [--token, hunter2] # {JWT}\n',
}


def _write(folder: Path) -> None:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_all_are_found_with_their_places_and_none_is_shown(tmp_path: Path) -> None:
    _write(tmp_path)
    ran = reconciler("scan", ".", cwd=tmp_path).ok(1)
    lines = [line.partition(": ")[0] for line in ran.out.splitlines()]
    assert lines == [
        ".env:3:7", "a/app.py:3:8", "a/app.py:4:30", "b/key.pem:1:1", "b/odd.yaml:1:4", "b/odd.yaml:2:14", "b/odd.yaml:2:25",
        "7 secrets in 4 files; 6 files checked, 0 skipped.",
    ]  # fmt: skip
    found = json.loads(reconciler("scan", ".", "--format", "json", cwd=tmp_path).ok(1).out)
    assert [f"{one['file']}:{one['line']}:{one['column']}" for one in found["errors"]] == lines[:-1]
    assert {one["code"] for one in found["errors"]} == {"secret-in-value"}
    assert (found["secret_count"], found["checked"], found["skipped"]) == (7, 6, [])
    sarif = reconciler("scan", ".", "--format", "sarif", cwd=tmp_path).ok(1).out
    for shown in (ran.text, json.dumps(found), sarif):
        assert not any(secret in shown for secret in (GITHUB, OPENAI, JWT, "hunter2"))
    reconciler("scan", "a/notes.md", "b/ok.yaml", cwd=tmp_path).ok(0)


def test_what_git_ignores_is_left_out_unless_it_is_named(tmp_path: Path) -> None:
    _write(tmp_path)
    for arguments in (["init", "-q"], ["add", "-f", "b/key.pem"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text(".env\na/\n*.pem\n")
    shown = reconciler("scan", ".", "-q", cwd=tmp_path).ok(1).out
    assert {line.partition(":")[0] for line in shown.splitlines()} == {"b/key.pem", "b/odd.yaml"}
    assert ".env:3:7" in reconciler("scan", ".", "--ignored", cwd=tmp_path).ok(1).out
    assert ".env:3:7" in reconciler("scan", ".env", cwd=tmp_path).ok(1).out


def test_what_is_skipped_and_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_bytes(b"a\n" * (8 * 1024 * 1024 + 1))
    (tmp_path / "binary").write_bytes(b"\0" + GITHUB.encode())
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "wide.txt").write_bytes(f"x {GITHUB}".encode("utf-16"))
    found = json.loads(reconciler("scan", ".", "--format", "json", cwd=tmp_path).ok(1).out)
    assert {one["file"]: one["reason"] for one in found["skipped"]} == {
        "binary": "binary",
        "large.txt": "larger than 16 MiB",
    }
    assert [one["file"] for one in found["errors"]] == ["wide.txt"]
    assert "nowhere does not exist" in reconciler("scan", "nowhere", cwd=tmp_path).ok(3).err
    reconciler("scan", cwd=tmp_path).ok(64)


@pytest.mark.parametrize("at", [0, 65_530, 65_536 - 1024, 200_000])
def test_a_long_line_is_looked_at_whole(at: int) -> None:
    [problem] = scan_text("a.js", b"x" * at + b" " + GITHUB.encode() + b" " + b"y" * 1000).found
    assert problem.place is not None
    assert problem.place.column == at + 2


def test_a_key_of_many_lines_is_one_secret_and_a_certificate_none() -> None:
    certificate = PEM.replace("RSA PRIVATE KEY", "CERTIFICATE")
    text = f"{certificate}\n{PEM}\nx = {GITHUB}\n"
    assert [one.place.line for one in scan_text("bundle", text.encode()).found if one.place] == [4, 7]
