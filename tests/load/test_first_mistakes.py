"""Mistakes of the first hour: each is found by `validate`, told once, where it stands, and in words that are true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Db
from tests.store.support import cli_on

HEAD = "version: 1\ntenant: acme\n"
LIMITS = "limits: {day: {target: tenant, per: day, requests: 9}}\n"
SQL = HEAD + (
    'connectors: {w: {type: sql, dialect: DIALECT, dsn: "vault://kv/acme/a#d"}}\n'
    "datasources: {sales: {type: database, connector: w, tables: [orders]}}\n"
)
PROJECT = "version: 1\nproject: shop\n"


def found(folder: Path, text: str, project: str = PROJECT) -> list[tuple[str, int, int, str]]:
    (folder / "reconciler.yaml").write_text(project)
    (folder / "acme.yaml").write_bytes(text.encode())
    document = json.loads(cli_on("sqlite:///x.db", folder)("validate", "--format", "json").out)
    problems: list[dict[str, Any]] = document.get("errors", [])
    return [(one["code"], one["line"], one["column"], one["message"]) for one in problems]


def codes(folder: Path, text: str, project: str = PROJECT) -> list[tuple[str, int, int]]:
    return [(code, line, column) for code, line, column, _ in found(folder, text, project)]


def with_defaults(text: str) -> str:
    return f"{PROJECT}defaults:\n  {text}\n"


WRONG_DEFAULTS = {
    "integration: {credential: plainpassword}": ("plaintext-secret", 4, 29),
    "connector: {timeout_seconds: -5}": ("out-of-range", 4, 32),
    'limit: {on_exceed: "maybe"}': ("invalid-choice", 4, 22),
    'integration: {enabled: "yes"}': ("wrong-type", 4, 26),
    'connector: {headers: {Authorization: "Bearer abc"}}': ("plaintext-secret", 4, 40),
}


@pytest.mark.parametrize("text", WRONG_DEFAULTS)
def test_values_under_defaults_are_looked_at(text: str, folder: Path) -> None:
    assert codes(folder, HEAD + LIMITS, with_defaults(text)) == [WRONG_DEFAULTS[text]]


@pytest.mark.parametrize(
    "text",
    [
        "connector: {timeout_seconds: 5, auth: {type: bearer}}",
        "policy: {subjects: {optional: true}}",
        'integration: {credential: "vault://kv/${tenant}/x#y", description: "${tenant} pays"}',
        "template: {parameters: {n: {type: integer}}, max_rows: 5}",
        "limit: {on_exceed: warn}",
    ],
)
def test_parts_of_a_body_are_fine_as_defaults(text: str, folder: Path) -> None:
    assert codes(folder, HEAD + LIMITS, with_defaults(text)) == []


@pytest.mark.parametrize(
    ("tests", "code"),
    [
        ("[x]", "wrong-type"),
        ("hello", "wrong-type"),
        ("{t: {caller: 5}}", "wrong-type"),
        ("{t: {caller: bot}}", "missing-field"),
        ("{t: {caller: bot, target: template/x, expekt: allow}}", "unknown-field"),
        ("{t: {caller: bot, target: template/x, expect: maybe}}", "invalid-choice"),
    ],
)
def test_access_tests_of_a_wrong_shape(tests: str, code: str, folder: Path) -> None:
    assert code in [one for one, *_ in codes(folder, HEAD + LIMITS + f"access_tests: {tests}\n")]
    good = "access_tests: {t: {caller: bot, target: template/x, expect: deny}}\n"
    assert codes(folder, HEAD + LIMITS + good) == []


DIALECTS = ["postgresql", "sqlite", "mysql", "snowflake", "bigquery", "duckdb", "mssql", "oracle", "clickhouse"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("mark", ["{{ region }}", "{region}", "${region}", "#{region}", "%(region)s", "{% if x %}"])
def test_placeholders_of_other_tools(mark: str, dialect: str, folder: Path) -> None:
    sql = json.dumps(f"SELECT id FROM orders WHERE region = {mark}".replace("${", "$${"))
    text = SQL.replace("DIALECT", dialect) + f"templates: {{t: {{type: sql, datasource: sales, sql: {sql}}}}}\n"
    begins_comment = mark.startswith("#") and dialect in {"mysql", "bigquery", "clickhouse"}
    assert [code for code, *_ in found(folder, text)] == ["invalid-sql" if begins_comment else "invalid-placeholder"]


@pytest.mark.parametrize(
    "sql", ["SELECT '{{ x }}' AS a FROM orders", "SELECT id FROM orders -- {x}", "SELECT {'a': 1} AS s FROM orders"]
)
def test_braces_that_mean_something(sql: str, folder: Path) -> None:
    text = (
        SQL.replace("DIALECT", "duckdb")
        + f"templates: {{t: {{type: sql, datasource: sales, sql: {json.dumps(sql)}}}}}\n"
    )
    assert found(folder, text) == []


def test_errors_inside_of_a_statement_point_at_its_line(folder: Path) -> None:
    block = "templates:\n  t:\n    type: sql\n    datasource: sales\n    sql: |  # reviewed\n"
    lines = ["SELECT id,", "  name", "FROM orders", "WHERE region = :region", "  AND x = {{ y }}"]
    text = SQL.replace("DIALECT", "postgresql") + block
    assert codes(folder, text + "".join(f"      {line}\n" for line in lines[:4])) == [("undeclared-parameter", 13, 22)]
    assert codes(folder, text + "".join(f"      {line}\n" for line in lines)) == [("invalid-placeholder", 14, 17)]
    quoted = text.replace("|  # reviewed\n", "'SELECT id FROM orders WHERE region = :region'\n")
    assert codes(folder, quoted) == [("undeclared-parameter", 9, 10)]


def test_no_message_holds_python(folder: Path) -> None:
    limit = "limits: {day: {target: tenant, per: day, cost_usd: 99999999999999999.5}}\n"
    template = "templates: {t: {type: sql, datasource: sales, sql: 'SELECT id FROM orders WHERE x ='}}\n"
    messages = [one[3] for one in found(folder, SQL.replace("DIALECT", "postgresql") + template + limit)]
    assert "expected at most 999999999999999" in messages
    assert not [one for one in messages if "Decimal" in one or "sqlglot" in one or "<class" in one]


def test_null_in_an_overlay_takes_away_what_defaults_gave(db: Db, folder: Path) -> None:
    project = with_defaults("limit: {on_exceed: warn, description: hello, labels: {a: b, c: d}}")
    (folder / "reconciler.yaml").write_text(project + "include: [acme.yaml]\nenvironments: {dev: {overlays: [dev]}}\n")
    (folder / "acme.yaml").write_text(HEAD + LIMITS)
    (folder / "dev").mkdir()
    over = "limits: {day: {on_exceed: null, labels: {a: null}}}\n"
    (folder / "dev" / "acme.yaml").write_text(HEAD + over)
    cli_on(db.url, folder)("apply", "--env", "dev", "--auto-approve").ok()
    body = db.rows()["acme/limit/day"]
    assert (body["on_exceed"], body["description"], body["labels"]) == ("block", "hello", {"c": "d"})
    # what the base itself says is taken away first
    (folder / "acme.yaml").write_text(HEAD + LIMITS.replace("requests: 9", "requests: 9, on_exceed: block"))
    cli_on(db.url, folder)("apply", "--env", "dev", "--auto-approve").ok()
    assert db.rows()["acme/limit/day"]["on_exceed"] == "warn"


YAML: dict[str, tuple[str, tuple[str, int, int], str]] = {
    "1.1": ("%YAML 1.1\n---\n" + HEAD + LIMITS, ("yaml-syntax", 1, 1), "asks for YAML 1.1"),
    "a colon in brackets": (HEAD + "x-a: [ :x ]\n" + LIMITS, ("yaml-syntax", 3, 8), "begins with a colon"),
    "a mark inside": (HEAD + LIMITS + "---\n\ufeff" + HEAD + LIMITS, ("invalid-character", 5, 1), "U+FEFF"),
    "no-break spaces": (HEAD + "limits:\n\u00a0\u00a0day: {}\n", ("invalid-character", 4, 1), "begins with U+00A0"),
    "half a pair": (HEAD + 'x-a: "\\uD83D\\uDE00"\n' + LIMITS, ("yaml-syntax", 3, 9), "this escape is not a character"),
}


@pytest.mark.parametrize("name", YAML)
def test_what_libyaml_misreads_has_a_true_message(name: str, folder: Path) -> None:
    text, place, says = YAML[name]
    (one,) = found(folder, text)
    assert one[:3] == place
    assert says in one[3]


@pytest.mark.parametrize(
    "text", ["%YAML 1.2\n---\n" + HEAD + LIMITS, HEAD + "x-a:\t5\n" + LIMITS, "\ufeff" + HEAD + LIMITS]
)
def test_valid_yaml_is_read(text: str, folder: Path) -> None:
    assert found(folder, text) == []


def test_a_template_of_another_tool_is_told_once(folder: Path) -> None:
    text = "version: 1\ntenant: acme\nlimits: {day: {target: tenant, per: {{ p }}, requests: {{ n }}}}\n"
    assert codes(folder, text) == [("complex-key", 3, 38), ("complex-key", 3, 57)]
    (folder / "acme.yaml").write_text(text)
    assert 'write "${var.n}"' in cli_on("sqlite:///x.db", folder)("validate").err
