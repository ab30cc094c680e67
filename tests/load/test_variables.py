"""``${var.NAME}`` and ``${tenant}``: where values come from, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.load.support import HEAD, bodies, loaded, problems


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def custom(folder: Path, settings: str, config: str, environment: str | None = None, head: str = HEAD) -> Any:
    """The free `config` of a custom integration: every type of JSON may stand there."""
    manifest = f"{head}integrations: {{a: {{provider: custom, base_url: 'http://h', config: {config}}}}}\n"
    files = {"reconciler.yaml": f"version: 1\n{settings}", "a.yaml": manifest}
    [body] = bodies(loaded(folder, files, environment)).values()
    return body["config"]


def test_the_environment_wins_over_the_project(tmp_path: Path) -> None:
    settings = "variables: {a: project, b: project}\nenvironments: {dev: , prod: {variables: {b: prod, c: prod}}}\n"
    config = "{a: '${var.a}', b: '${var.b}'}"
    assert custom(tmp_path, settings, config, "prod") == {"a": "project", "b": "prod"}
    assert custom(tmp_path, settings, config, "dev") == {"a": "project", "b": "project"}
    assert custom(tmp_path, settings, "{c: '${var.c}'}", "prod") == {"c": "prod"}
    files = {"a.yaml": HEAD + "limits: {l: {target: tenant, per: day, requests: 1, description: '${var.c}'}}\n"}
    assert problems(tmp_path, files, "dev") == [("unknown-variable", "a.yaml:3:66")]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5", 5), ("-1", -1), ("true", True), ("1.5", 1.5), ("text", "text"), ("'5'", "5"), ("'true'", "true"), ("''", ""),
        ("[1, a, true]", [1, "a", True]), ("{a: {b: [c]}}", {"a": {"b": ["c"]}}), ("null", None), ("no", "no"),
        ("2026-01-01", "2026-01-01"), ("010", 10), ("1e3", 1000),
    ],
)  # fmt: skip
def test_a_whole_scalar_keeps_the_type(tmp_path: Path, written: str, expected: Any) -> None:
    found = custom(tmp_path, f"variables: {{x: {written}}}\n", "{y: '${var.x}', z: [\"${var.x}\"]}")
    assert found == {"y": expected, "z": [expected]}
    assert type(found["y"]) is type(expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5", "5"),
        ("true", "true"),
        ("False", "false"),
        ("1.50", "1.50"),
        ("2024.10", "2024.10"),
        ("x", "x"),
        ("''", ""),
    ],
)
def test_inside_of_a_text_a_variable_is_text(tmp_path: Path, written: str, expected: str) -> None:
    config = "{a: 'v${var.x}', b: '${var.x}${var.x}', c: ' ${var.x}'}"
    assert custom(tmp_path, f"variables: {{x: {written}}}\n", config) == {
        "a": f"v{expected}",
        "b": expected * 2,
        "c": f" {expected}",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$${var.x}", "${var.x}"), ("a$${b", "a${b"), ("$$${var.x}", "$${var.x}"), ("$${${var.x}}", "${5}"), ("$$", "$$"),
        ("$", "$"), ("${var.x}}", "5}"), ("{${var.x}}", "{5}"), ("$${", "${"), ("${var.x}$${tenant}${tenant}", "5${tenant}acme"),
    ],
)  # fmt: skip
def test_a_doubled_dollar_is_a_literal(tmp_path: Path, text: str, expected: str) -> None:
    assert custom(tmp_path, "variables: {x: 5}\n", f"{{a: '{text}'}}") == {"a": expected}


@pytest.mark.parametrize("text", ["${", "${}", "${x}", "${var}", "${var.}", "${var.1}", "${ var.x}", "${var.x }", "${tenant.x}", "${env.HOME}", "${var.x", "${{var.x}}", "${var.${tenant}}"])  # fmt: skip
def test_any_other_form_is_an_error(tmp_path: Path, text: str) -> None:
    files = {
        "reconciler.yaml": "version: 1\nvariables: {x: 5}\n",
        "a.yaml": f"{HEAD}integrations: {{a: {{provider: custom, base_url: 'http://h', config: {{a: '{text}'}}}}}}\n",
    }
    assert problems(tmp_path, files) == [("variable-syntax", "a.yaml:3:72")]


def test_what_is_replaced_is_never_read_again(tmp_path: Path) -> None:
    found = custom(
        tmp_path, "variables: {x: 'a: [b', y: '# c', z: '\"'}\n", "{a: '${var.x}', b: '${var.y}', c: '${var.z}'}"
    )
    assert found == {"a": "a: [b", "b": "# c", "c": '"'}


def test_the_tenant_names_each_tenant(tmp_path: Path) -> None:
    manifest = "version: 1\ntenants: [a, b, c]\nintegrations: {i: {provider: openai, credential: 'vault://kv/${tenant}/x#y'}}\n"
    found = bodies(loaded(tmp_path, {"a.yaml": manifest}))
    assert {address: body["credential"] for address, body in found.items()} == {
        f"{tenant}/integration/i": f"vault://kv/{tenant}/x#y" for tenant in "abc"
    }


def test_tenants_from_variables(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "version: 1\nvariables: {one: a, all: [b, c]}\n",
        "a.yaml": "version: 1\ntenant: ${var.one}\nlimits: {l: {target: tenant, per: day, requests: 1}}\n",
        "b.yaml": "version: 1\ntenants: ${var.all}\nlimits: {l: {target: tenant, per: day, requests: 1}}\n",
        "c.yaml": "version: 1\ntenants: ['x-${var.one}']\nlimits: {l: {target: tenant, per: day, requests: 1}}\n",
    }
    assert set(bodies(loaded(tmp_path, files))) == {f"{tenant}/limit/l" for tenant in ("a", "b", "c", "x-a")}


@pytest.mark.parametrize("written", ["2500.00", "'2500.00'", "2500", "2500.0", "2.5e3", "'2500'", "+2500", "002500.00"])
def test_decimals_are_exact(tmp_path: Path, written: str) -> None:
    for amount, settings in ((written, ""), ("${var.x}", f"variables: {{x: {written}}}\n")):
        manifest = f"{HEAD}limits: {{l: {{target: tenant, per: day, cost_usd: {amount}}}}}\n".replace(
            "${var.x}", "'${var.x}'"
        )
        [body] = bodies(loaded(tmp_path, {"reconciler.yaml": f"version: 1\n{settings}", "a.yaml": manifest})).values()
        assert body["cost_usd"] == "2500"


@pytest.mark.parametrize("written", ["123456789012345.123456789", "0.1", "0.000000001", "999999999999999"])
def test_decimals_keep_every_digit(tmp_path: Path, written: str) -> None:
    for amount, settings in ((written, ""), (f"'{written}'", ""), ("'${var.x}'", f"variables: {{x: {written}}}\n")):
        manifest = f"{HEAD}limits: {{l: {{target: tenant, per: day, cost_usd: {amount}}}}}\n"
        [body] = bodies(loaded(tmp_path, {"reconciler.yaml": f"version: 1\n{settings}", "a.yaml": manifest})).values()
        assert body["cost_usd"] == written


def test_shared_objects_are_not_changed(tmp_path: Path) -> None:
    manifest = """version: 1
tenants: [a, b]
connectors:
  x: {type: custom, config: &c {name: "${tenant}", list: ["${var.n}"], map: "${var.m}"}}
  y: {type: custom, config: {<<: *c, name: y}}
  z: {type: custom, config: *c}
"""
    files = {"reconciler.yaml": "version: 1\nvariables: {n: 1, m: {k: v}}\n", "a.yaml": manifest}
    found = bodies(loaded(tmp_path, files))
    for tenant in "ab":
        for name in "xyz":
            assert found[f"{tenant}/connector/{name}"]["config"] == {
                "name": "y" if name == "y" else tenant,
                "list": [1],
                "map": {"k": "v"},
            }


def test_variables_in_overlays_and_entries(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "version: 1\nvariables: {n: 1}\nenvironments: {prod: {overlays: [prod], variables: {n: 2}}}\n",
        "a.yaml": HEAD
        + "limits: {day: {target: tenant, per: day, requests: '${var.n}'}}\nmoved: [{from: 'limit/old-${tenant}', to: limit/day}]\n",
        "prod/a.yaml": HEAD
        + "limits: {day: {tokens: '${var.n}'}}\nremoved: [{from: limit/x, destroy: '${var.yes}'}]\n",
    }
    assert problems(tmp_path, files, "prod") == [("unknown-variable", "prod/a.yaml:4:36")]
    found = loaded(tmp_path, {"reconciler.yaml": files["reconciler.yaml"].replace("n: 2", "n: 2, yes: true")}, "prod")
    assert bodies(found)["acme/limit/day"]["requests"] == bodies(found)["acme/limit/day"]["tokens"] == 2
    assert [str(move.old) for move in found.configuration.moves] == ["acme/limit/old-acme"]
    assert [removal.destroy for removal in found.configuration.removals] == [True]


def test_a_map_inside_of_a_text_is_an_error(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "version: 1\nvariables: {m: {a: b}, n: null}\n",
        "a.yaml": HEAD
        + "limits: {l: {target: tenant, per: day, requests: 1, description: 'x ${var.m}', labels: {a: 'x${var.n}'}}}\n",
    }
    assert problems(tmp_path, files) == [("variable-not-scalar", "a.yaml:3:66"), ("variable-not-scalar", "a.yaml:3:92")]


def test_a_variable_is_checked_where_it_is_used(tmp_path: Path) -> None:
    """Also a secret that came in under a name that says nothing: the field says so, and the value is not shown."""
    files = {
        "reconciler.yaml": "version: 1\nvariables: {x: hunter2}\n",
        "a.yaml": HEAD + "integrations:\n  a: {provider: openai, credential: '${var.x}', enabled: '${var.x}'}\n",
    }
    assert problems(tmp_path, files) == [("plaintext-secret", "a.yaml:4:37"), ("wrong-type", "a.yaml:4:58")]
