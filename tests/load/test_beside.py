"""What is wrong in reconciler.yaml hides nothing of what is wrong in manifests, and makes nothing up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import reconciler

HEAD = "version: 1\ntenant: acme\n"
MISSPELT = HEAD + "limits: {l: {target: tenant, per: day, reqests: 4}}\n"


def codes(folder: Path, project: str, manifest: str) -> list[tuple[str, str]]:
    (folder / "reconciler.yaml").write_text(project)
    (folder / "a.yaml").write_text(manifest)
    errors = reconciler("validate", "--format", "json", cwd=folder).ok(3).json["errors"]
    return [(error["file"], error["code"]) for error in errors]


@pytest.mark.parametrize(
    "project",
    [
        "version: 1\nprojekt: shop\n",
        "version: 2\n",
        "project: shop\n",
        "version: 1\nguards: {max_deletes: many}\n",
        "version: 1\nenvironments: {dev: {databse: x}}\n",
        "version: 1\nhistory: 5\n",
        "version: 1\ndefault_environment: dev\n",
    ],
)
def test_problems_of_both_are_reported(project: str, tmp_path: Path) -> None:
    found = codes(tmp_path, project, MISSPELT)
    assert found[0][0] == "reconciler.yaml"
    assert found.count(("a.yaml", "unknown-field")) == 1


def test_a_file_that_is_no_yaml_hides_no_wrong_value(tmp_path: Path) -> None:
    wrong = MISSPELT.replace("reqests: 4", "requests: -4")
    assert ("a.yaml", "out-of-range") in codes(tmp_path, "version: 1\nproject: [\n", wrong)


@pytest.mark.parametrize(
    ("project", "manifest"),
    [
        ("defualts: {limits: {per: day}}", HEAD + "limits: {l: {target: tenant, requests: 4}}\n"),
        ("defaults: {limits: 5}", HEAD + "limits: {l: {target: tenant, requests: 4}}\n"),
        ("variable: {n: 4}", HEAD + 'limits: {l: {target: tenant, per: day, requests: "${var.n}"}}\n'),
        ("default_tenant: [acme]", "version: 1\nlimits: {l: {target: tenant, per: day, requests: 4}}\n"),
        ("externl: [acme/caller/bot]", HEAD + "limits: {l: {target: caller/bot, per: day, requests: 4}}\n"),
        ("include: 5", "apiVersion: v1\n"),
    ],
)
def test_what_the_wrong_part_might_settle_is_not_reported(project: str, manifest: str, tmp_path: Path) -> None:
    found = codes(tmp_path, f"version: 1\n{project}\n", manifest)
    assert found
    assert {file for file, _ in found} == {"reconciler.yaml"}, found
