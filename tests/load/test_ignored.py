"""`ignore`, `external` and `defaults` that are about nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.load.selecting import WORLD, errors, text, warnings

IGNORED: list[tuple[str, str, str]] = [
    ("*/connector/*", "maxrows", "did you mean `max_rows`?"),
    ("*/connector/*", "args[0]", "write `args`"),
    ("*/connector/*", "args.0", "write `args`"),
    ("*", "max_rowz", "did you mean `max_rows`?"),
    ("*/limit/*", "max_rows", "there are"),
    ("*/conector/*", "max_rows", "did you mean `connector`?"),
    ("acme/connector/warehuse", "max_rows", "did you mean `acme/connector/warehouse`?"),
    ("*/connector/*", "auth.tokn", "did you mean `auth.token`?"),
    ("*/connector/*", "auth.token.x", ""),
    ("*/connector/*", "tools.*.rsk", "did you mean `tools.*.risk`?"),
    ("*/connector/*", "tools.search.rsk", "did you mean `tools.search.risk`?"),
    ("*", "parameters.*.max_lenght", "did you mean `parameters.*.max_length`?"),
    ("acme/template/top", "method", "templates of the type http have it"),
    ("acme/connector/warehouse", "tools", "connectors of the type mcp have it"),
    ("acme/connector/warehouse", "auth.token", "connectors of the type http, connectors of the type mcp have it"),
]
INERT: list[tuple[str, str]] = [
    ("*/template/*", "method"),
    ("*/template/t*", "timeout_*cond"),
    ("*/connector/*", "tools.*.risk"),
    ("*/connector/*", "t*ls.*.rsk"),
    ("*/connector/*", "auth.token"),
]
"""Warnings: a field of another variant than all that a pattern of addresses matches, or a pattern that is no field's."""
LEFT: list[tuple[str, str]] = [
    ("*", "labels.*"),
    ("*", "*"),
    ("*/connector/*", "auth.token"),
    ("acme/connector/warehouse", "max_rows"),
    ("acme/*", "labels.team"),
    ("*/connector/*", "labels.app.kubernetes.io/name"),
    ("*/connector/*", "tools.*.risk"),
    ("*/connector/*", "tools.*.r[iou]sk"),
    ("*/connector/*", "*.risk"),
    ("*/connector/far", "tools.git.hub"),
    ("*/connector/*", "options.anything.below"),
    ("*/connector/*", "max_*"),
    ("*/template/*", "m*rows"),
]
FAR: dict[str, Any] = {
    "far": {
        "type": "mcp",
        "transport": "streamable_http",
        "url": "https://far.example.com/mcp",
        "auth": {"type": "none"},
        "tools": {"search": {}, "git.hub": {}},
    },
}


def ignoring(address: str, field: str, more: str = "", **connectors: Any) -> dict[str, str]:
    rule = f"{{address: '{address}', field: '{field}', reason: x{more}}}"
    world = {**WORLD, "connectors": {**WORLD["connectors"], **connectors}}
    return {"a.yaml": yaml.safe_dump(world), "reconciler.yaml": f"version: 1\nproject: p\nignore: [{rule}]\n"}


@pytest.mark.parametrize(("address", "field", "hint"), IGNORED)
def test_ignore_rules_that_ignore_nothing(tmp_path: Path, address: str, field: str, hint: str) -> None:
    (found,) = errors(tmp_path, ignoring(address, field))
    assert hint in (found.hint or "")
    assert found.place is not None
    assert Path(found.place.file).name == "reconciler.yaml"


@pytest.mark.parametrize(("address", "field"), LEFT)
def test_ignore_rules_that_ignore_something(tmp_path: Path, address: str, field: str) -> None:
    assert warnings(tmp_path, ignoring(address, field, **FAR)) == []


@pytest.mark.parametrize(("address", "field"), INERT)
def test_ignore_rules_of_other_variants_than_there_are(tmp_path: Path, address: str, field: str) -> None:
    assert len(warnings(tmp_path / "inert", ignoring(address, field))) == 1
    if field not in {"t*ls.*.rsk", "timeout_*cond"}:  # what no variant has stays wrong
        assert warnings(tmp_path / "optional", ignoring(address, field, ", optional: true")) == []


def test_an_invalid_resource_may_be_of_the_variant_that_is_ignored(tmp_path: Path) -> None:
    files = ignoring("*/template/*", "method")
    more = {"version": 1, "tenant": "acme", "templates": {"bad": {"type": "http", "method": "GET"}}}
    assert {one.code for one in errors(tmp_path, {**files, "b.yaml": yaml.safe_dump(more)})} == {"missing-field"}


def test_ignore_rules_of_nobody_yet(tmp_path: Path) -> None:
    assert len(warnings(tmp_path / "pattern", ignoring("*/integration/*", "max_retries"))) == 1
    assert len(warnings(tmp_path / "field", ignoring("*/connector/*", "maxx*"))) == 1
    for address in ("*/integration/*", "acme/integration/late"):
        assert warnings(tmp_path / address[0], ignoring(address, "max_retries", ", optional: true")) == []


def test_an_external_that_nobody_uses_is_a_doubt(tmp_path: Path) -> None:
    project = "version: 1\nproject: p\nexternal: [connector/far, {address: connector/later, optional: true}]\n"
    assert len(warnings(tmp_path, {"a.yaml": yaml.safe_dump(WORLD), "reconciler.yaml": project})) == 1


def test_an_external_of_a_manifest_that_nobody_uses_is_a_doubt(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path / "unused", {"a.yaml": text({}, external=["connector/far"])})
    assert "nothing here refers to connector/far" in found
    meant = [{"address": "connector/far", "optional": True}]
    assert warnings(tmp_path / "meant", {"a.yaml": text({}, external=meant)}) == []
    used = {"targets": {"names": ["connector/far", "template/fa*"]}}
    assert warnings(tmp_path / "used", {"a.yaml": text(used, external=["connector/far", "template/far"])}) == []
    wrong = [{"address": "connector/far", "optional": "yes"}]
    assert [one.code for one in errors(tmp_path / "wrong", {"a.yaml": text({}, external=wrong)})] == ["wrong-type"]


def test_an_external_of_several_tenants_is_used_by_one(tmp_path: Path) -> None:
    shared = {"version": 1, "tenants": ["acme", "globex"], "external": ["template/far"]}
    files = {"a.yaml": text({"targets": {"names": ["template/far"]}}), "b.yaml": yaml.safe_dump(shared)}
    assert warnings(tmp_path, files) == []


DEFAULTS: list[tuple[str, str, str]] = [
    ("connectors", "{auth: {tokn: env://T}}", "did you mean `token`?"),
    ("integrations", "{max_retrys: 1}", "did you mean `max_retries`?"),
    ("templates", "{parameters: {n: {type: integer, maxx: 1}}}", "did you mean `max`?"),
    ("connectors", "{network_exceptions: [{cidr: 10.0.0.0/8, port: 1, prt: 2}]}", "did you mean `port`?"),
    ("policies", "{subjects: {caller: [x]}}", "did you mean `callers`?"),
    ("connectors", "{auth: {type: basic, token: env://T}}", ""),
]


@pytest.mark.parametrize(("plural", "values", "hint"), DEFAULTS)
@pytest.mark.parametrize("world", [{}, WORLD], ids=["nobody", "somebody"])
def test_defaults_that_no_resource_can_have(
    tmp_path: Path, plural: str, values: str, hint: str, world: dict[str, Any]
) -> None:
    """Whether a resource takes them over or not."""
    project = f"version: 1\ndefaults: {{{plural}: {values}}}\n"
    manifest = {"version": 1, "tenant": "acme", **world, "limits": {"l": {"target": "tenant", "concurrent": 1}}}
    found = errors(tmp_path, {"a.yaml": yaml.safe_dump(manifest), "reconciler.yaml": project})
    assert [one.code for one in found] == ["unknown-field"]
    assert hint in (found[0].hint or "")
    assert Path(found[0].place.file if found[0].place else "").name == "reconciler.yaml"


def test_defaults_that_a_resource_could_have(tmp_path: Path) -> None:
    values = (
        "{connectors: {auth: {username: u}, labels: {any.thing: x}, options: {any: {thing: 1}}, tools: {any: {risk: low}}}, "
        "templates: {parameters: {n: {max: 1}}, body: {any: thing}}, datasources: {extent: {any: {thing: 1}}}}"
    )
    manifest = {"version": 1, "tenant": "acme", "limits": {"l": {"target": "tenant", "concurrent": 1}}}
    files = {"a.yaml": yaml.safe_dump(manifest), "reconciler.yaml": f"version: 1\ndefaults: {values}\n"}
    assert warnings(tmp_path, files) == []
