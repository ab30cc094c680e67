"""Every kind, variant and field can be explained, and a wrong name is told the right one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest

from reconciler.kinds.table import KINDS
from reconciler.render.explain import ROOTS, explain
from reconciler.render.schema_walk import fields_below, plain
from reconciler.render.schemas import schemas
from tests.conftest import reconciler

made = cache(schemas)
"""The schemas, made once: a command makes them once too, and thousands of paths are asked for here."""


@pytest.fixture(autouse=True)
def made_once() -> Iterator[None]:
    with patch("reconciler.render.explain.schemas", made):
        yield


def paths(root: str) -> Iterator[str]:
    """Everything that can be asked for, to a depth of six."""
    whole, todo = made()[root], [(root, made()[root])]
    while todo:
        path, node = todo.pop()
        yield path
        if path.count(".") < 6:
            todo += [(f"{path}.{key}", item) for key, item in fields_below(plain(node, whole), whole).items()]


@pytest.mark.parametrize("root", ROOTS)
def test_everything_says_what_it_is(root: str) -> None:
    asked = 0
    for path in paths(root):
        head, _, text, *_ = explain(path)
        assert head.startswith(f"{path} (")
        assert text.strip(), path
        asked += 1
    assert asked > 5


@pytest.mark.parametrize(("kind", "variant"), [(k.name, v) for k in KINDS.values() for v in k.variants if v])
def test_every_variant_lists_its_own_fields(kind: str, variant: str) -> None:
    text = "\n".join(explain(f"{kind}.{variant}"))
    own = {one.alias or name for name, one in KINDS[kind].variants[variant].model_fields.items()}
    assert all(f"  {field} " in text for field in own), own


def test_at_the_prompt(tmp_path: Path) -> None:
    out = reconciler("explain", "limit.per", cwd=tmp_path).ok().out
    assert out.startswith("limit.per (second | minute | hour | day | month)\n\n  The period")
    assert "required" in reconciler("explain", "limit.target", cwd=tmp_path).ok().out
    assert "default 30" in reconciler("explain", "connector.http.timeout_seconds", cwd=tmp_path).ok().out
    assert "see `reconciler explain connector.http`" in reconciler("explain", "connector", cwd=tmp_path).ok().out
    assert "did you mean base_url?" in reconciler("explain", "connector.http.baseurl", cwd=tmp_path).ok(64).err
    assert "did you mean limit?" in reconciler("explain", "limits", cwd=tmp_path).ok(64).err
    assert "no fields below it" in reconciler("explain", "limit.per.x", cwd=tmp_path).ok(64).err
    assert {"integration", "connector"} <= {*reconciler("explain", cwd=tmp_path).ok().out.split()}


@pytest.mark.parametrize(
    ("path", "risks"),
    [
        ("connector.mcp.env", "credential-changed (high), command-changed (high)"),
        ("connector.http.auth.oauth2.token_url", "credential-changed (high), endpoint-host-changed (high)"),
        ("connector.mcp.tools.search.pin", "pin-changed (medium)"),
        ("connector.file.protected", "protection-removed (high)"),
        ("limit.requests", "limit-raised (medium), limit-lowered (low)"),
    ],
)
def test_the_risks_of_a_field_are_named(path: str, risks: str) -> None:
    assert f"  Risks of a change: {risks}." in [*explain(path)]


def test_a_field_without_risks_names_none() -> None:
    assert "Risks" not in "".join(explain("connector.http.timeout_seconds"))


def test_everything_below_and_an_example() -> None:
    lines = [*explain("policy", recursive=True)]
    assert any(line.startswith("    decide_within_minutes  ") for line in lines)
    assert any(line.startswith("    callers  ") and "(list of texts" in line for line in lines)
    assert "  Example:" in lines
    assert any("map of texts by name" in line for line in explain("limit"))
    assert next(explain("policy.subjects.roles")) == "policy.subjects.roles (list of texts, at most 1000)"
    for root in ROOTS:
        assert len([*explain(root, recursive=True)]) < 5000, root
