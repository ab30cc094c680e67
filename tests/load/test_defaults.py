"""``defaults`` of the project: below what a resource says itself, as far as it has such fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.load.support import DSN, HEAD, bodies, loaded, problems

SQL = f"type: sql, dialect: postgresql, dsn: '{DSN}'"
HTTP = "type: http, base_url: 'https://h'"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def connectors(folder: Path, defaults: str, written: str, over: str | None = None) -> dict[str, Any]:
    """The bodies of the connectors by name; ``over`` is an overlay."""
    files = {
        "reconciler.yaml": f"version: 1\nenvironments: {{e: {{overlays: [over]}}}}\ndefaults: {{connectors: {defaults}}}\n",
        "a.yaml": f"{HEAD}connectors: {written}\n",
        "over/b.yaml": f"{HEAD}connectors: {over}\n" if over else HEAD,
    }
    found = bodies(loaded(folder, files, "e"))
    return {address.rpartition("/")[2]: body for address, body in found.items()}


def test_they_reach_the_types_that_have_the_field(tmp_path: Path) -> None:
    found = connectors(
        tmp_path, "{timeout_seconds: 7, pool_size: 3}", f"{{a: {{{SQL}}}, b: {{{HTTP}}}, c: {{type: custom}}}}"
    )
    assert (found["a"]["timeout_seconds"], found["a"]["pool_size"]) == (7, 3)
    assert found["b"]["timeout_seconds"] == 7
    assert "pool_size" not in found["b"]
    assert "pool_size" not in found["c"]


def test_a_resource_wins(tmp_path: Path) -> None:
    found = connectors(
        tmp_path,
        "{pool_size: 3, labels: {team: a, site: x}}",
        f"{{a: {{{SQL}, pool_size: 4, labels: {{team: b, own: y}}}}}}",
    )
    assert found["a"]["pool_size"] == 4
    assert found["a"]["labels"] == {"team": "b", "site": "x", "own": "y"}


def test_null_wants_neither(tmp_path: Path) -> None:
    found = connectors(
        tmp_path,
        "{pool_size: 3, labels: {team: a, site: x}}",
        f"{{a: {{{SQL}, pool_size: null, labels: {{team: null}}}}}}",
    )
    assert found["a"]["pool_size"] == 5
    assert found["a"]["labels"] == {"site": "x"}


def test_lists_and_other_types_are_whole(tmp_path: Path) -> None:
    defaults = "{allowed_methods: [GET], auth: {type: basic, username: u, password: encrypted://p}}"
    found = connectors(
        tmp_path,
        defaults,
        f"{{a: {{{HTTP}, allowed_methods: [PUT]}}, b: {{{HTTP}, auth: {{type: none}}}}, c: {{{HTTP}, auth: {{type: basic, username: v}}}}}}",
    )
    assert found["a"]["allowed_methods"] == ["PUT"]
    assert found["a"]["auth"] == {"type": "basic", "username": "u", "password": "encrypted://p"}
    assert found["b"]["auth"] == {"type": "none"}
    assert found["c"]["auth"] == {"type": "basic", "username": "v", "password": "encrypted://p"}


def test_overlays_are_above_them(tmp_path: Path) -> None:
    defaults, base = "{timeout_seconds: 7, labels: {team: a}}", f"{{a: {{{SQL}, timeout_seconds: 8}}}}"
    assert connectors(tmp_path, defaults, base, "{a: {timeout_seconds: 9, labels: {x: y}}}")["a"]["labels"] == {
        "team": "a",
        "x": "y",
    }
    assert connectors(tmp_path, defaults, base, "{a: {timeout_seconds: 9}}")["a"]["timeout_seconds"] == 9
    assert connectors(tmp_path, defaults, base, "{a: {timeout_seconds: null}}")["a"]["timeout_seconds"] == 7


def test_they_count_for_the_type_that_an_overlay_chooses(tmp_path: Path) -> None:
    defaults = "{timeout_seconds: 7, pool_size: 3, rate_limit: 9}"
    found = connectors(tmp_path, defaults, f"{{a: {{{SQL}, timeout_seconds: 8}}}}", f"{{a: {{{HTTP}}}}}")
    assert (found["a"]["timeout_seconds"], found["a"]["rate_limit"]) == (7, 9)
    assert "pool_size" not in found["a"]


def test_they_may_hold_what_is_required(tmp_path: Path) -> None:
    found = connectors(tmp_path, f"{{dialect: mysql, dsn: '{DSN}'}}", "{a: {type: sql}}")
    assert (found["a"]["dialect"], found["a"]["dsn"]) == ("mysql", DSN)


def test_variables_and_the_tenant_in_them(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "version: 1\nvariables: {n: 9}\ndefaults: {integration: {credential: 'vault://kv/${tenant}/x#y', max_retries: '${var.n}'}}\n",
        "a.yaml": "version: 1\ntenants: [a, b]\nintegrations: {i: {provider: openai}}\n",
    }
    found = bodies(loaded(tmp_path, files))
    assert found["a/integration/i"]["credential"] == "vault://kv/a/x#y"
    assert found["b/integration/i"]["credential"] == "vault://kv/b/x#y"
    assert found["a/integration/i"]["max_retries"] == 9


def test_numbers_in_them_are_exact(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "version: 1\ndefaults: {limits: {cost_usd: 123456789012345.123456789}}\n",
        "a.yaml": f"{HEAD}limits: {{l: {{target: tenant, per: day}}}}\n",
    }
    assert bodies(loaded(tmp_path, files))["acme/limit/l"]["cost_usd"] == "123456789012345.123456789"


def test_what_is_wrong_in_them_stands_in_the_project_file(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "version: 1\ndefaults:\n  connectors:\n    timeout_seconds: 0\n    poolsize: 3\n    labels: {team: [x]}\n",
        "a.yaml": f"{HEAD}connectors: {{a: {{{SQL}}}, b: {{{SQL}, max_rows: 0}}, c: {{{HTTP}}}}}\n",
    }
    assert problems(tmp_path, files) == [
        ("out-of-range", f"a.yaml:3:{len(f'connectors: {{a: {{{SQL}}}, b: {{{SQL}, max_rows: 0')}"),
        ("out-of-range", "reconciler.yaml:4:22"),
        ("unknown-field", "reconciler.yaml:5:5"),
        ("wrong-type", "reconciler.yaml:6:20"),
    ]
