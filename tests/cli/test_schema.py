"""`reconciler schema`: prints one schema, or writes them all."""

from __future__ import annotations

import json
from pathlib import Path

from reconciler.render.schemas import SUFFIX, schema_text, schemas
from tests.conftest import ROOT, reconciler

NAMES = list(schemas())


def test_without_a_name_it_prints_the_manifest(tmp_path: Path) -> None:
    ran = reconciler("schema", cwd=tmp_path).ok()
    assert ran.out == (ROOT / "schemas" / "manifest.schema.json").read_text()
    assert ran.err == ""
    assert reconciler("schema", "--format", "json", cwd=tmp_path).ok().out == ran.out
    assert list(tmp_path.iterdir()) == []


def test_a_name_chooses(tmp_path: Path) -> None:
    for name in ("project", "overlay", "limit"):
        assert reconciler("schema", name, cwd=tmp_path).ok().json["$id"] == f"{name}{SUFFIX}"


def test_an_unknown_name_is_wrong_usage(tmp_path: Path) -> None:
    ran = reconciler("schema", "manifests", cwd=tmp_path).ok(64)
    assert "did you mean `manifest`?" in ran.err
    ran = reconciler("schema", "zzz", "--format", "json", cwd=tmp_path).ok(64)
    assert ran.json["errors"][0]["code"] == "unknown-schema"
    assert ", ".join(NAMES) in ran.json["errors"][0]["hint"]


def test_out_writes_and_lists_every_file(tmp_path: Path) -> None:
    ran = reconciler("schema", "--out", "new/schemas", cwd=tmp_path).ok()
    assert ran.out.splitlines() == [f"Wrote new/schemas/{name}{SUFFIX}" for name in NAMES]
    folder = tmp_path / "new" / "schemas"
    assert {path.name for path in folder.iterdir()} == {f"{name}{SUFFIX}" for name in NAMES}, (
        "nothing unfinished is left"
    )
    for name in NAMES:
        text = (folder / f"{name}{SUFFIX}").read_bytes()
        assert text.endswith(b"}\n")
        assert json.loads(text)["$id"] == f"{name}{SUFFIX}"
        assert (folder / f"{name}{SUFFIX}").stat().st_mode & 0o400


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        folder = tmp_path / seed
        ran = reconciler("schema", "--out", str(folder), "--format", "json", cwd=tmp_path, env={"PYTHONHASHSEED": seed})
        assert ran.ok().json == {"format_version": "1.0", "written": [str(folder / f"{n}{SUFFIX}") for n in NAMES]}
        for name in NAMES:
            assert (folder / f"{name}{SUFFIX}").read_text() == schema_text(schemas()[name])


def test_out_overwrites_what_is_stale_and_keeps_other_files(tmp_path: Path) -> None:
    (tmp_path / f"limit{SUFFIX}").write_text("stale")
    (tmp_path / "other.json").write_text("mine")
    assert reconciler("schema", "limit", "--out", ".", "-q", cwd=tmp_path).ok().out == ""
    assert (tmp_path / f"limit{SUFFIX}").read_text() == schema_text(schemas()["limit"])
    assert {path.name for path in tmp_path.iterdir()} == {f"limit{SUFFIX}", "other.json"}


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = reconciler("schema", "--out", "file/below", cwd=tmp_path).ok(1)
    assert "can't write file/below/manifest.schema.json" in ran.err
    reconciler("schema", "--out", "file", cwd=tmp_path).ok(64)
