"""What `reconciler validate` takes, the schemas take; what is badly formed, both refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli import run as run_command
from reconciler.load.project import FILE_NAME
from tests.render.checking import documents, faults

SETTINGS = """
version: 1
variables: {n: 7, on: true, name: thing, list: [a], map: {team: x}, ref: "env://KEY", entry: {from: limit/old}, type: sql, dialect: sqlite}
"""
HEAD = "version: 1\ntenant: acme\nexternal: [connector/c, datasource/d, integration/i]\n"
GOOD = [
    "version: 1\ntenant: acme",
    "version: 1\ntenants: ${var.list}\nlimits: {l: {target: tenant, concurrent: 1}}",
    HEAD + "connectors: {a: {type: '${var.type}', dialect: sqlite, database: a.db}}",
    HEAD + "connectors: {a: {type: sql, dialect: '${var.dialect}', database: a.db}}",
    HEAD + "limits: {l: {target: 'connector/c', per: day, requests: 1, description: 'of ${tenant}'}}",
    "version: 1\ntenants: [acme, globex]\nlimits: {l: {target: tenant, concurrent: 1}}",
    "version: 1\ntenant: ${var.name}\nintegrations:\nlimits: {}",
    "version: 1\ntenants: ['${var.name}', other]",
    HEAD + "limits: {l: {target: integration/i, per: month, cost_usd: 2500.50, tokens: 50000000}}",
    HEAD + "limits: {l: {target: integration/i, per: month, cost_usd: '2500.50', protected: true}}",
    HEAD + "limits: {l: {target: integration/i, per: month, cost_usd: '${var.n}', protected: '${var.on}'}}",
    HEAD + "limits: {l: {target: connector/c, per: day, requests: '${var.n}', labels: '${var.map}'}}",
    HEAD
    + "integrations: {a: {provider: openai, credential: '${var.ref}', models: '${var.list}', config: {project: p}}}",
    HEAD + "integrations: {a: {provider: openai, credential: 'vault://kv/${tenant}/x#y', enabled: '${var.on}'}}",
    HEAD + "integrations: {a: {provider: bedrock, config: {region: eu-central-1}, default_model: null}}",
    HEAD + "integrations: {a: {provider: custom, base_url: 'https://m.example/v1', config: {any: [1, {deep: true}]}}}",
    HEAD
    + "connectors: {a: {type: http, base_url: 'https://x.example', auth: {type: api_key, key: env://K, in: query},"
    + " headers: {X-Team: a, Authorization: {plain: none}}, network_exceptions: [{cidr: 10.0.0.0/8, port: '${var.n}'}]}}",
    HEAD
    + "connectors: {a: {type: mcp, transport: stdio, command: server, env: {A: env://B, C: {plain: d}},"
    + " tools: {read: {risk: low}, write: {requires_approval: true}}}}",
    HEAD + "connectors: {a: {type: sql, dialect: sqlite, database: a.db, options: {}, capabilities: [read, query]}}",
    HEAD + "datasources: {a: {type: database, connector: c, tables: ['${var.name}', public.*], lifecycle: deprecated}}",
    HEAD
    + "templates: {a: {type: sql, datasource: d, sql: 'SELECT :n', parameters: {n: {type: integer, min: 1, max: 9}}}}",
    HEAD + "templates: {a: {type: http, connector: c, method: GET, path: '/v1/{id}', parameters: {id: {type: uuid}}}}",
    HEAD
    + "limits: {new: {target: tenant, concurrent: 1}}\nmoved: [{from: limit/old, to: acme/limit/new}]\n"
    + "removed: [{from: limit/gone, destroy: true}, '${var.entry}']\nadopt: [limit/new]",
    HEAD + "limits: {x: {target: tenant, concurrent: 1}}\nadopt: [{address: limit/x, from_project: other}]\nmoved:",
]
BAD = [
    "tenant: acme",
    "version: 2\ntenant: acme",
    "version: '1'\ntenant: acme",
    "version: true\ntenant: acme",
    "version: 1\ntenant: Acme",
    "version: 1\ntenant:",
    "version: 1\ntenants: []",
    "version: 1\ntenants: acme",
    "version: 1\ntenants: [acme, acme]",
    "version: 1\ntenant: acme\ntenants: [globex]",
    "version: 1\ntenant: acme\nintegration: {}",
    "version: 1\ntenant: acme\nconnectors: [{name: a}]",
    "version: 1\ntenant: acme\nconnectors: ${var.map}",
    "- version: 1",
    HEAD + "integrations: {Bad_Name: {provider: openai, credential: env://K}}",
    HEAD + f"integrations: {{{'a' * 64}: {{provider: openai, credential: env://K}}}}",
    HEAD + "integrations: {a: }",
    HEAD + "integrations: {a: {credential: env://K}}",
    HEAD + "integrations: {a: {provider: opena, credential: env://K}}",
    HEAD + "integrations: {a: {provider: openai}}",
    HEAD + "integrations: {a: {provider: openai, credential: sk-live-1234567890}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, modles: [x]}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, models: gpt-5}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, models: [a, a]}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, enabled: yes}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, timeout_seconds: 0}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, base_url: ftp://x.example}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, base_url: 'https://u:p@x.example'}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, config: {region: eu}}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, labels: {'a b': c}}}",
    HEAD + "integrations: {a: {provider: openai, credential: env://K, labels: {a: 1}}}",
    HEAD + "integrations: {a: {provider: anthropic, credential: env://K, config: {version: june}}}",
    HEAD + "connectors: {a: {type: http, base_url: 'https://x.example', auth: {type: bearer}}}",
    HEAD + "connectors: {a: {type: http, base_url: 'https://x.example', auth: {type: digest}}}",
    HEAD + "connectors: {a: {type: http, base_url: 'https://x.example', auth: {type: bearer, token: abc}}}",
    HEAD + "connectors: {a: {type: http, base_url: 'https://x.example', allowed_methods: [GIT]}}",
    HEAD + "connectors: {a: {type: http, base_url: 'https://x.example', allowed_methods: []}}",
    HEAD + "connectors: {a: {type: http, base_url: 'https://x.example', network_exceptions: [{cidr: 10.0.0.0/8}]}}",
    HEAD + "connectors: {a: {type: sql, dialect: postgres, dsn: env://DSN}}",
    HEAD + "connectors: {a: {type: sql, dialect: postgresql, dsn: 'postgresql://u:p@h/db'}}",
    HEAD + "connectors: {a: {type: mcp, transport: stdio, command: server, env: {A: plain-text}}}",
    HEAD + "connectors: {a: {type: mcp, transport: stdio, command: 'rm -rf /'}}",
    HEAD + "connectors: {a: {type: mcp, transport: sse, url: 'https://x.example', tools: {t: {risk: huge}}}}",
    HEAD + "datasources: {a: {type: database}}",
    HEAD + "datasources: {a: {type: database, connector: connector/c}}",
    HEAD + "datasources: {a: {type: files, connector: c}}",
    HEAD + "templates: {a: {type: sql, datasource: d, sql: 'SELECT 1', parameters: {Id: {type: string}}}}",
    HEAD + "templates: {a: {type: sql, datasource: d, sql: 'SELECT 1', parameters: {id: {type: text}}}}",
    HEAD + "templates: {a: {type: http, connector: c, method: GET, path: 'v1'}}",
    HEAD + "limits: {l: {target: foo/bar, per: month, requests: 1}}",
    HEAD + "limits: {l: {target: tenant, per: week, requests: 1}}",
    HEAD + "limits: {l: {target: tenant, per: month, requests: 50_000}}",
    HEAD + "limits: {l: {target: tenant, per: month, cost_usd: -1}}",
    HEAD + "limits: {l: {target: tenant, per: month, cost_usd: about ten}}",
    HEAD + "moved: [{from: limit/a}]",
    HEAD + "moved: [{from: limits/a, to: limit/b}]",
    HEAD + "moved: {from: limit/a, to: limit/b}",
    HEAD + "removed: [{from: limit/a, destroy: maybe}]",
    HEAD + "removed: [limit/a]",
    HEAD + "adopt: [a]",
    HEAD + "adopt: [{address: limit/a, project: b}]",
    HEAD + "limits: {l: {target: tenant, per: month}}",
    HEAD + "limits: {l: {target: tenant, per: month, requests: 1, concurrent: 1}}",
    HEAD + "integrations: {a: {provider: openai, credential: 'vault://kv'}}",
    HEAD + "connectors: {a: {type: sql, dialect: postgresql}}",
    HEAD + "integrations: {a: {provider: custom, base_url: 'https://x.example', config: {api_key: abc}}}",
    HEAD + "limits: {l: {target: tenant, per: month, tokens: '${tenant}'}}",
    HEAD + "limits: {l: {target: tenant, per: month, tokens: 1, reserve: worst, requests: '${var.n} times'}}",
    HEAD + "connectors: {a: {type: vector, engine: pgvector, url: 'https://x.example'}}",
    HEAD + "connectors: {a: {type: stream, provider: kafka, brokers: ['k:1'], username: u}}",
    HEAD + "templates: {a: {type: http, datasource: d, connector: c, method: GET, path: /v1}}",
    HEAD + "callers: {a: {auth: {}}}",
]
TOOL_ONLY = {
    # what a schema cannot say, because it is about several places at once or about a grammar
    HEAD
    + "integrations: {a: {provider: openai, credential: env://K, models: [a], default_model: b}}": "default-not-in-models",
    HEAD + "datasources: {a: {type: database, connector: missing}}": "dangling-reference",
    HEAD + "templates: {a: {type: http, connector: c, method: GET, path: '/a/{x}'}}": "undeclared-parameter",
    HEAD + "moved: [{from: limit/a, to: connector/b}]": "invalid-move",
    HEAD + "limits: {l: {target: '${var.missing}', concurrent: 1}}": "unknown-variable",
    # null takes away what the project's defaults say; without defaults there is nothing to take away
    HEAD + "limits: {l: {target: tenant, concurrent: 1, protected: null}}": "wrong-type",
}


def _validate(folder: Path, capsys: pytest.CaptureFixture[str], settings: str = SETTINGS, **files: str) -> set[str]:
    """The codes that `reconciler validate` reports for a project of these files; none if it is valid."""
    (folder / FILE_NAME).write_text(settings)
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".yaml").write_text(text)
    arguments = ["validate", "--project", str(folder / FILE_NAME), "--format", "json"]
    code = run_command(arguments)
    report = json.loads(capsys.readouterr().out)
    assert code in {0, 3}, report
    return {error["code"] for error in report["errors"]}


@pytest.mark.parametrize("text", GOOD)
def test_what_the_tool_takes_the_schema_takes(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _validate(tmp_path, capsys, a=text) == set()
    assert faults("manifest", documents(text)[0]) == []


@pytest.mark.parametrize("text", BAD)
def test_what_is_badly_formed_both_refuse(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _validate(tmp_path, capsys, a=text) != set()
    assert faults("manifest", documents(text)[0]) != []


@pytest.mark.parametrize(("text", "code"), TOOL_ONLY.items())
def test_what_only_the_tool_can_find(text: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code in _validate(tmp_path, capsys, a=text)
    assert faults("manifest", documents(text)[0]) == []


def test_an_entry_of_external_has_no_other_fields() -> None:
    """The tool reads past them."""
    assert faults("manifest", documents(HEAD.replace("[", "[{address: limit/x, project: other}, "))[0]) == []
    assert faults("manifest", documents(HEAD.replace("[", "[{address: limit/x, projct: other}, "))[0]) != []


# -- overlays and the project's file

WHOLE = """
version: 1
tenant: acme
integrations:
  a: {provider: openai, credential: env://K, labels: {team: x}, default_model: m}
connectors:
  b: {type: http, base_url: "https://x.example", auth: {type: bearer, token: env://T}}
  c: {type: mcp, transport: sse, url: "https://x.example", tools: {read: {risk: low}}}
limits: {l: {target: integration/a, per: month, requests: 1}}
"""
OVER = "version: 1\ntenant: acme\n"
ENVIRONMENTS = "version: 1\nenvironments: {dev: {overlays: [dev]}}\n"
GOOD_OVERLAYS = [
    OVER + "integrations: {a: {enabled: false}}",
    OVER + "integrations: {a: {default_model: null, labels: {team: null}, models: [m]}}",
    OVER + "integrations: {a: {config: {organization: org-1}}}",
    OVER + "limits: {l: null}",
    OVER + "limits: {l: {requests: null, tokens: 5}}",
    OVER + "connectors: {b: {auth: {token: env://OTHER}}}",
    OVER + "connectors: {b: {auth: null, rate_limit: 5}}",
    OVER + "connectors: {c: {tools: {read: null, write: {}}}}",
    OVER + "connectors: {b: {type: custom, config: {a: 1}}}",
]
BAD_OVERLAYS = [
    "integrations: {a: {enabled: false}}",
    OVER + "integrations: {a: {modles: [m]}}",
    OVER + "integrations: {a: {provider: opena}}",
    OVER + "integrations: {a: {credential: sk-live-123}}",
    OVER + "connectors: {b: {rate_limit: 0}}",
    OVER + "connectors: {b: {type: mcp, base_url: 'https://x.example'}}",
    OVER + "connectors: {b: {auth: {token: abc}}}",
    OVER + "connectors: {b: {network_exceptions: [{cidr: 10.0.0.0/8}]}}",
    OVER + "connectors: {c: {tools: {read: {risk: huge}}}}",
    OVER + "limits: {l: {per: week}}",
]


@pytest.mark.parametrize("text", GOOD_OVERLAYS)
def test_overlays_may_be_partial(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _validate(tmp_path, capsys, ENVIRONMENTS, base=WHOLE, dev__over=text) == set()
    assert faults("overlay", documents(text)[0]) == []


@pytest.mark.parametrize("text", BAD_OVERLAYS)
def test_overlays_are_checked(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _validate(tmp_path, capsys, ENVIRONMENTS, base=WHOLE, dev__over=text) != set()
    assert faults("overlay", documents(text)[0]) != []


@pytest.mark.parametrize("text", [WHOLE, *GOOD[:-1]])
def test_a_whole_manifest_is_an_overlay_too(text: str) -> None:
    assert faults("overlay", documents(text)[0]) == []


PROJECTS = [
    "version: 1\nenvironments: {dev: , prod: {}}\ndefault_environment: dev",
    "version: 1",
    "version: 1\nproject: shop\ndefault_tenant: acme\ninclude: ['*.yaml', {path: more/*.yaml, optional: true}]",
    "version: 1\ndatabase: postgresql://user@host:5432/shop\nsecrets: {keys: ../keys}",
    "version: 1\nvariables: {a: 1, b: [x], api_key: env://K}\nguards: {max_deletes: 3, outside: overwrite}",
    "version: 1\nignore: [{address: '*/limit/*', field: labels.*, reason: theirs, until: 2026-12-31}]",
    "version: 1\nexternal: [acme/connector/x, {address: connector/*, project: other}]",
    "version: 1\ndefaults: {integrations: {enabled: false, labels: {a: b}}, limit: {on_exceed: warn}}",
    "version: 1\ndefaults: {connectors: {rate_limit: '${var.n}', timeout_seconds: 5}}",
]
BAD_PROJECTS = [
    "project: shop",
    "version: 2",
    "version: 1\nproject: My Shop",
    "version: 1\nprojct: shop",
    "version: 1\ndatabase: postgresql://user:secret@host/shop",
    "version: 1\ndatabase: ${var.database}",
    "version: 1\ninclude: '*.yaml'",
    "version: 1\ninclude: [{optional: true}]",
    "version: 1\nenvironments: {Dev: {}}",
    "version: 1\nenvironments: {dev: {overlay: [dev]}}",
    "version: 1\nguards: {outside: maybe}",
    "version: 1\nguards: {max_delete_percent: 101}",
    "version: 1\nignore: [{address: '*', field: '*'}]",
    "version: 1\nignore: [{address: '*', field: '*', reason: x, until: tomorrow}]",
    "version: 1\nvariables: {'a b': 1}",
    "version: 1\ndefaults: {things: {}}",
    "version: 1\ndefaults: {connectors: {rate_limt: 5}}",
]


@pytest.mark.parametrize("text", PROJECTS)
def test_settings_of_a_project(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _validate(tmp_path, capsys, text, a="version: 1\ntenant: acme") == set()
    assert faults("project", documents(text)[0]) == []


@pytest.mark.parametrize("text", BAD_PROJECTS)
def test_bad_settings_of_a_project(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _validate(tmp_path, capsys, text, a="version: 1\ntenant: acme") != set()
    assert faults("project", documents(text)[0]) != []
