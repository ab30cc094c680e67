"""What `init` writes works where nothing but the package is there: in an editor too, and in a colleague's clone."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from reconciler.secrets.policy import PRODUCTION
from tests.conftest import ROOT, reconciler

COMMENT = re.compile(r"# yaml-language-server: \$schema=(\S+)")


def schema_of(file: Path) -> Path:
    """Where an editor looks: the first line's path, from the folder of the file."""
    found = COMMENT.fullmatch(file.read_text().splitlines()[0])
    assert found, f"{file} names no schema in its first line"
    return file.parent / found[1]


def check(file: Path) -> None:
    schema = json.loads(schema_of(file).read_text())
    for document in yaml.safe_load_all(file.read_text()):
        # PyYAML reads YAML 1.1, where 2099-12-31 is no text
        jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(document, default=str)))


def test_the_schemas_are_there_and_fit(tmp_path: Path) -> None:
    reconciler("init", "shop", cwd=tmp_path).ok()
    shop = tmp_path / "shop"
    files = sorted(shop.rglob("*.yaml"))
    assert [str(file.relative_to(shop)) for file in files] == ["manifests/acme.yaml", "reconciler.yaml"]
    for file in files:
        check(file)
        assert schema_of(file).resolve().is_relative_to(shop.resolve())
    fresh = reconciler("schema", "--out", "fresh", "-q", cwd=tmp_path).ok()
    assert fresh.out == ""
    for schema in (shop / "schemas").iterdir():
        assert schema.read_bytes() == (tmp_path / "fresh" / schema.name).read_bytes()


def test_a_clone_has_them(tmp_path: Path) -> None:
    reconciler("init", "shop", cwd=tmp_path).ok()
    shop = tmp_path / "shop"
    reconciler("apply", "--auto-approve", cwd=shop).ok()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"], ["clone", "-q", ".", "../clone"]):
        subprocess.run([*git, *arguments], cwd=shop, check=True, capture_output=True)
    clone = tmp_path / "clone"
    for file in clone.rglob("*.yaml"):
        check(file)
    assert not (clone / ".reconciler").exists()


def test_schemas_that_are_there_already(tmp_path: Path) -> None:
    reconciler("schema", "--out", "same/schemas", "-q", cwd=tmp_path).ok()
    reconciler("init", "same", cwd=tmp_path).ok()
    other = tmp_path / "other" / "schemas" / "manifest.schema.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    assert "exists already; nothing was written" in reconciler("init", "other", cwd=tmp_path).ok(6).err
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["schemas"]
    assert other.read_text() == "{}"


@pytest.mark.parametrize(
    "file",
    sorted(one for one in (ROOT / "examples").rglob("*.yaml") if one.parent.name != "mcp.lock"),
    ids=lambda f: f"{f.relative_to(ROOT)}",
)
def test_examples_name_a_schema_that_is_there(file: Path) -> None:
    assert schema_of(file).resolve().parent == ROOT / "schemas"
    check(file)


def test_the_starter_is_valid_in_every_environment(tmp_path: Path) -> None:
    """What is good for a first try must not be forbidden later: rules of secrets are stricter in production."""
    reconciler("init", "shop", cwd=tmp_path).ok()
    settings = tmp_path / "shop" / "reconciler.yaml"
    reconciler("validate", cwd=tmp_path / "shop").ok()
    names = ("dev", "staging", *sorted(PRODUCTION))
    settings.write_text(settings.read_text() + "environments:\n" + "".join(f"  {name}:\n" for name in names))
    assert f"in {names[-1]}." in reconciler("validate", cwd=tmp_path / "shop").ok().out
