"""For each rule that comes with the program: manifests that it complains of, where, and manifests that it does not."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """``line`` is where the finding stands, counted in ``bad``."""

    bad: str
    line: int
    good: str


OPENAI = "integrations:\n  ai: {provider: openai, credential: vault://kv/acme/ai#key}\n"
DSN = "type: sql, dialect: postgresql, dsn: vault://kv/acme/db#dsn"
DB = f"connectors:\n  db: {{{DSN}}}\n"
SALES = f"{DB}datasources:\n  sales: {{type: database, connector: db}}\n"
CRM = "connectors:\n  crm: {type: http, base_url: https://crm.example.com, allowed_methods: [GET, POST]}\n"
MCP = "connectors:\n  tools:\n    type: mcp\n    transport: streamable_http\n    url: https://mcp.example.com/mcp\n"
STDIO = "connectors:\n  tools:\n    type: mcp\n    transport: stdio\n    command: server\n    env:\n"
CALLER = "callers:\n  bot: {auth: {api_key: {}}}\n"
WRITABLE = SALES.replace("#dsn}", "#dsn, read_only: false}")
PIN = f"sha256:{'0' * 64}"


def _template(fields: str, head: str = SALES) -> str:
    return f"{head}templates:\n  top: {{type: sql, datasource: sales, {fields}}}\n"


def _limit(fields: str) -> str:
    return f"limits:\n  month: {{per: month, requests: 9, {fields}}}\n"


CASES: dict[str, Case] = {
    "integration-without-limit": Case(OPENAI, 2, OPENAI + _limit("target: integration/ai")),
    "limit-only-warns": Case(
        _limit("target: tenant, on_exceed: warn"),
        2,
        _limit("target: tenant, on_exceed: warn") + "  hard: {target: tenant, per: month, requests: 99}\n",
    ),
    "integration-any-model": Case(OPENAI, 2, OPENAI.replace("key}", "key, models: [gpt-5]}")),
    "disabled-integration-limited": Case(
        OPENAI.replace("key}", "key, enabled: false}") + _limit("target: integration/ai"),
        2,
        OPENAI.replace("key}", "key, enabled: false}"),
    ),
    "credential-unencrypted": Case(
        OPENAI.replace("key}", "key, base_url: http://gateway.example.com}"),
        2,
        OPENAI.replace("key}", "key, base_url: http://localhost:4000}"),
    ),
    "credential-from-environment": Case(OPENAI.replace("vault://kv/acme/ai#key", "env://KEY"), 2, OPENAI),
    "plain-value-looks-secret": Case(
        f"{STDIO}      SLACK_TOKEN: {{plain: abc}}\n", 7, f"{STDIO}      SLACK_TEAM: {{plain: abc}}\n"
    ),
    "sql-unencrypted": Case(DB.replace("#dsn}", "#dsn, ssl: prefer}"), 2, DB),
    "sql-connector-writes": Case(
        DB.replace("#dsn}", "#dsn, read_only: false}"),
        2,
        _template(
            "sql: DELETE FROM orders WHERE id = 1, read_only: false",
            SALES.replace("#dsn}", "#dsn, read_only: false}"),
        ),
    ),
    "http-connector-writes": Case(
        CRM,
        2,
        CRM
        + "datasources:\n  api: {type: api, connector: crm}\n"
        + "templates:\n  add: {type: http, datasource: api, method: POST, path: /notes}\n",
    ),
    "network-exception-wide": Case(
        DB.replace("#dsn}", "#dsn, network_exceptions: [{cidr: 10.0.0.0/8, port: 5432}]}"),
        2,
        DB.replace("#dsn}", "#dsn, network_exceptions: [{cidr: 10.1.0.0/16, port: 5432}]}"),
    ),
    "mcp-risky-tool-without-approval": Case(
        f"{MCP}    tools:\n      drop: {{risk: critical}}\n",
        7,
        f"{MCP}    tools:\n      drop: {{risk: critical, requires_approval: true}}\n      read: {{risk: low}}\n",
    ),
    "mcp-tool-unpinned": Case(
        f"{MCP}    tools:\n      send: {{risk: medium}}\n",
        7,
        f"{MCP}    tools:\n      send: {{risk: medium, pin: '{PIN}'}}\n",
    ),
    "datasource-open": Case(
        SALES.replace("r: db}", "r: db, classification: restricted}"),
        4,
        SALES.replace("r: db}", "r: db, classification: restricted, access_roles: [sales]}"),
    ),
    "datasource-unprotected": Case(
        SALES.replace("r: db}", "r: db, classification: restricted}"),
        4,
        SALES.replace("r: db}", "r: db, classification: restricted, protected: true}"),
    ),
    "retired-datasource-used": Case(
        _template("sql: SELECT 1", SALES.replace("r: db}", "r: db, lifecycle: deprecated}")),
        6,
        _template("sql: SELECT 1"),
    ),
    "template-without-caps": Case(
        _template("sql: SELECT 1"), 6, _template("sql: SELECT 1", SALES.replace("#dsn}", "#dsn, max_rows: 1000}"))
    ),
    "template-unbounded-text": Case(
        _template("sql: 'SELECT :q', parameters: {q: {type: string}}"),
        6,
        _template(
            "sql: 'SELECT :q, :n, :e', parameters: {q: {type: string, max_length: 9}, n: {type: integer}, e: {type: string, enum: [a]}}"
        ),
    ),
    "writing-template-unlimited": Case(
        CALLER + _template("sql: DELETE FROM orders WHERE id = 1, read_only: false, description: d", WRITABLE),
        8,
        CALLER
        + _template("sql: DELETE FROM orders WHERE id = 1, read_only: false, description: d", WRITABLE)
        + _limit("target: connector/db"),
    ),
    "tool-without-description": Case(
        _template("sql: SELECT 1") + CALLER, 6, _template("description: how many there are, sql: SELECT 1") + CALLER
    ),
    "parameter-without-description": Case(
        _template("sql: 'SELECT :n', parameters: {n: {type: integer}}") + CALLER,
        6,
        _template("sql: 'SELECT :n', parameters: {n: {type: integer, description: how many}}") + CALLER,
    ),
    "label-team": Case(DB, 2, DB.replace("#dsn}", "#dsn, labels: {team: data}}")),
}
