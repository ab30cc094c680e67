"""``fmt``: which files, what is written, what is printed, and what it refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import reconciler

UGLY = "version:   1\ntenant: 'acme' # of all\nlimits:\n    month: {target: tenant,per: month, tokens: 5}\n"
FINE = 'version: 1\ntenant: "acme"  # of all\nlimits:\n  month: {target: tenant, per: month, tokens: 5}\n'
SETTINGS = "version: 1\nenvironments:\n    dev: { overlays: [over] }\n    prod: {}\ninclude: [ 'manifests/*.yaml' ]\n"
FILES = {
    "reconciler.yaml": SETTINGS,
    "manifests/a.yaml": UGLY,
    "manifests/b.yaml": FINE,
    "over/o.yaml": UGLY,
    "other/not-included.yaml": UGLY,
    ".hidden/h.yaml": UGLY,
    "notes.txt": UGLY,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def changed(root: Path) -> set[str]:
    return {name for name, text in FILES.items() if (root / name).read_text() != text}


def test_the_files_of_the_project_are_written(project: Path) -> None:
    expected = ["reconciler.yaml", "manifests/a.yaml", "over/o.yaml"]
    assert reconciler("fmt", "--check", cwd=project).ok(1).out.splitlines() == expected
    assert changed(project) == set()
    assert reconciler("fmt", cwd=project).ok().out.splitlines() == expected
    assert changed(project) == set(expected)
    assert (project / "manifests/a.yaml").read_text() == (project / "over/o.yaml").read_text() == FINE
    assert (project / "reconciler.yaml").read_text() == (
        'version: 1\nenvironments:\n  dev: {overlays: [over]}\n  prod: {}\ninclude: ["manifests/*.yaml"]\n'
    )
    for more in ((), ("--check",), ("--diff",), ("--check", "--diff")):
        assert reconciler("fmt", *more, cwd=project).ok().text == ""
    assert not (project / ".reconciler").exists()


def test_paths_choose_files(project: Path) -> None:
    assert reconciler("fmt", "manifests/b.yaml", cwd=project).ok().out == ""
    twice = ("manifests/a.yaml", "over", "manifests", "./manifests/../over/o.yaml")
    assert reconciler("fmt", "--check", *twice, cwd=project).ok(1).out.splitlines() == [
        "manifests/a.yaml",
        "over/o.yaml",
    ]
    assert reconciler("fmt", "other", "manifests/a.yaml", "manifests", cwd=project).ok().out.splitlines() == [
        "other/not-included.yaml",
        "manifests/a.yaml",
    ]
    assert reconciler("fmt", ".", cwd=project).ok().out.splitlines() == ["reconciler.yaml", "over/o.yaml"]
    assert changed(project) == {"reconciler.yaml", "manifests/a.yaml", "over/o.yaml", "other/not-included.yaml"}


def test_a_folder_of_projects(project: Path) -> None:
    assert len(reconciler("fmt", cwd=project.parent).ok().out.splitlines()) == 4
    assert reconciler("fmt", "--project", "project/reconciler.yaml", "--check", cwd=project.parent).ok().out == ""


def test_the_diff_is_a_patch(project: Path) -> None:
    patch = reconciler("fmt", "--check", "--diff", cwd=project).ok(1).out
    assert "\n-tenant: 'acme' # of all\n" in patch
    assert changed(project) == set()
    subprocess.run(["git", "apply", "-p0", "-"], cwd=project, input=patch, text=True, check=True)
    assert reconciler("fmt", "--check", cwd=project).ok().out == ""
    (project / "manifests/a.yaml").write_text(UGLY)
    assert (
        reconciler("fmt", "--diff", cwd=project).ok().out.startswith("--- manifests/a.yaml\n+++ manifests/a.yaml\n@@")
    )
    assert (project / "manifests/a.yaml").read_text() == FINE


def test_json(project: Path) -> None:
    (project / "manifests/bad.yaml").write_text("a: [\n")
    found = reconciler("fmt", "--check", "--diff", "--format", "json", cwd=project).ok(3).json
    assert (found["format_version"], found["checked"]) == ("1.0", 5)
    assert [one["file"] for one in found["changed"]] == ["reconciler.yaml", "manifests/a.yaml", "over/o.yaml"]
    assert "\n+version: 1\n" in found["changed"][1]["diff"]
    assert [(one["code"], one["file"], one["line"]) for one in found["errors"]] == [
        ("yaml-syntax", "manifests/bad.yaml", 1)
    ]
    (project / "manifests/bad.yaml").unlink()
    found = reconciler("fmt", "--format", "json", cwd=project).ok().json
    assert found["changed"][0] == {"file": "reconciler.yaml"}
    assert changed(project) == {"reconciler.yaml", "manifests/a.yaml", "over/o.yaml"}
    assert reconciler("fmt", "--format", "json", cwd=project).ok().json["changed"] == []


def test_stdin(tmp_path: Path) -> None:
    assert reconciler("fmt", "-", cwd=tmp_path, stdin=UGLY).ok().out == FINE
    assert reconciler("fmt", "-", cwd=tmp_path, stdin=FINE).ok().out == FINE
    assert reconciler("fmt", "-", "--check", cwd=tmp_path, stdin=UGLY).ok(1).out == "<stdin>\n"
    assert reconciler("fmt", "-", "--check", cwd=tmp_path, stdin=FINE).ok().out == ""
    assert "+++ <stdin>" in reconciler("fmt", "-", "--check", "--diff", cwd=tmp_path, stdin=UGLY).ok(1).out
    bad = reconciler("fmt", "-", cwd=tmp_path, stdin="a: 'x\n").ok(3)
    assert (bad.out, "<stdin>:1:4" in bad.err) == ("", True)
    assert reconciler("fmt", "-", "x.yaml", cwd=tmp_path).code == 64


def test_what_is_no_yaml_is_told_and_the_others_are_done(project: Path) -> None:
    secret = "sk-live-1234567890"
    (project / "manifests/bad.yaml").write_text(f"a: {secret}\n b: {secret}\n")
    (project / "manifests/twice.yaml").write_text(f"a: {secret}\na: {secret}\n")
    (project / "manifests/latin.yaml").write_bytes(b"a: \xe9\n")
    done = reconciler("fmt", cwd=project).ok(3)
    assert {"[yaml-syntax]", "[duplicate-key]", "[not-utf8]"} <= set(done.err.split())
    assert secret not in done.text
    assert done.out.splitlines() == ["reconciler.yaml", "manifests/a.yaml", "over/o.yaml"]
    assert changed(project) == {"reconciler.yaml", "manifests/a.yaml", "over/o.yaml"}


def test_what_is_not_there_or_says_nothing(project: Path) -> None:
    (project / "empty").mkdir()
    done = reconciler("fmt", "manifests/c.yaml", "empty", "manifests/a.yaml", cwd=project).ok(3)
    assert {"[no-such-path]", "[no-manifest]"} <= set(done.err.split())
    assert changed(project) == {"manifests/a.yaml"}
    assert reconciler("fmt", "", cwd=project).code == 64
    assert reconciler("fmt", "--project", "reconciler.yaml", "over", cwd=project).code == 64
    (project / "reconciler.yaml").write_text("version: 1\nproyect: x\n")
    assert "unknown-field" in reconciler("fmt", cwd=project).ok(3).err


def test_mode_and_links_stay(project: Path, tmp_path: Path) -> None:
    (project / "manifests/a.yaml").chmod(0o640)
    (project / "manifests/link.yaml").symlink_to("../other/not-included.yaml")
    assert "manifests/link.yaml" in reconciler("fmt", cwd=project).ok().out
    assert (project / "manifests/a.yaml").stat().st_mode & 0o777 == 0o640
    assert (project / "manifests/link.yaml").is_symlink()
    assert (project / "other/not-included.yaml").read_text() == FINE


@pytest.mark.parametrize("paths", [(), (".",), ("manifests",), ("manifests/out.yaml",)])
def test_links_to_the_outside_are_not_followed(project: Path, tmp_path: Path, paths: tuple[str, ...]) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(UGLY)
    (project / "manifests/out.yaml").symlink_to(outside)
    done = reconciler("fmt", *paths, cwd=project).ok(3)
    assert "[outside-project]" in done.err
    assert outside.read_text() == UGLY
    (project / "reconciler.yaml").unlink()
    assert "[outside-project]" in reconciler("fmt", *paths, cwd=project).ok(3).err
    assert outside.read_text() == UGLY


def test_a_file_that_cannot_be_written_is_told_and_stays(project: Path) -> None:
    name = "manifests/" + "n" * 245 + ".yaml"  # no room for the name of the unfinished file beside it
    (project / name).write_text(UGLY)
    done = reconciler("fmt", cwd=project).ok(1)
    assert "[file-not-written]" in done.err
    assert name not in done.out
    assert changed(project) == {"reconciler.yaml", "manifests/a.yaml", "over/o.yaml"}
    assert (project / name).read_text() == UGLY


HOSTILE = {
    "bomb": "a: &a [x, x]\n"
    + "".join(f"{c}: &{c} [*{chr(ord(c) - 1)}, *{chr(ord(c) - 1)}]\n" for c in "bcdefghijklmnopqrstuvwxy"),
    "deep": "[" * 100_000,
    "deep lists": "- " * 100_000 + "x\n",
    "NUL": "a: \0\n",
    "escape": "a: \x1b[31m\n",
    "tabs": "a:\n\tb: 1\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(HOSTILE[name])
    done = reconciler("fmt", cwd=tmp_path).ok(3)
    assert "x.yaml" in done.err
    assert "\x1b" not in done.text
    assert (tmp_path / "x.yaml").read_text() == HOSTILE[name]


def test_long_lines_and_marks_of_direction(tmp_path: Path) -> None:
    text = f"a:  {'x' * 1_000_000}\nb: [{'1,' * 200_000}1]\nc:   \u202eevil # \u2066\n"
    (tmp_path / "x.yaml").write_text(text)
    shown = reconciler("fmt", "--diff", cwd=tmp_path).ok().out
    assert "c: \\u202eevil  # \\u2066" in shown
    assert not {"\u202e", "\u2066"} & set(shown)
    written = (tmp_path / "x.yaml").read_text()
    assert written == f"a: {'x' * 1_000_000}\nb: [{'1, ' * 200_000}1]\nc: \u202eevil  # \u2066\n"


def test_a_name_writes_no_lines_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a\nb\x1b[31m.yaml").write_text(UGLY)
    assert reconciler("fmt", cwd=tmp_path).ok().out == "a\\nb\\x1b[31m.yaml\n"
    assert os.listdir(tmp_path) == ["a\nb\x1b[31m.yaml"]
