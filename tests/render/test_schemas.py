"""The JSON Schemas: fresh, valid, well described, and of one mind with `reconciler validate`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from referencing import Registry

from reconciler.cli import run as run_command
from reconciler.errors import Problems
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.load.collect import KEYS
from reconciler.load.discover import manifests_below, overlay_manifests, project_manifests
from reconciler.load.documents import read_documents
from reconciler.load.project import FILE_NAME, ProjectFile, read_project
from reconciler.model.address import Address
from reconciler.model.kind import Kind
from reconciler.model.resource import Resource
from reconciler.model.spec import Spec
from reconciler.plan.document import PlanDocument
from reconciler.render.schema_parts import Parts
from reconciler.render.schema_values import BASE, ENOUGH, PLAIN, Mode, Schema
from reconciler.render.schemas import SUFFIX, schema_text, schemas
from tests.conftest import ROOT, Db, reconciler
from tests.kinds.support import MINIMAL

SCHEMAS = schemas()
FOLDER = ROOT / "schemas"
# an empty registry: nothing is ever fetched
CHECKERS = {name: Draft202012Validator(schema, registry=Registry()) for name, schema in SCHEMAS.items()}


def _json(value: Any) -> Any:
    """What a document looks like to a program that knows no decimals."""
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def documents(text: str, file: str = "a.yaml") -> list[Any]:
    found, problems = read_documents(text.encode(), file)
    assert not problems, problems
    return [_json(document.value) for document in found]


def faults(name: str, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in CHECKERS[name].iter_errors(value)]


def _walk(schema: Any, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema inside of one, without the conditions of `if`, which describe nothing."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _walk(item, f"{path}/{index}")
    elif isinstance(schema, dict):
        yield path, schema
        for key, item in schema.items():
            if key not in {"if", "default", "enum"}:
                yield from _walk(item, f"{path}/{key}")


# -- the files


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_files_are_fresh(name: str) -> None:
    path = FOLDER / f"{name}{SUFFIX}"
    assert path.exists(), "run `reconciler schema --out schemas`"
    assert path.read_bytes() == schema_text(SCHEMAS[name]).encode(), "run `reconciler schema --out schemas`"


def test_there_are_no_other_files() -> None:
    known = {f"{name}{SUFFIX}" for name in SCHEMAS}
    assert {path.name for path in FOLDER.iterdir()} == known, (
        "run `reconciler schema --out schemas`, remove what is left"
    )


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_valid_schema_that_needs_nothing_else(name: str) -> None:
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"{name}.schema.json"
    assert schema["title"]
    assert len(schema["description"]) >= ENOUGH
    used = {one["$ref"] for _, one in _walk(schema) if isinstance(one.get("$ref"), str)}
    assert used == {f"#/$defs/{key}" for key in schema.get("$defs", {})}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_property_of_every_schema_is_described(name: str) -> None:
    thin = []
    for path, schema in _walk(SCHEMAS[name]):
        for key, field in schema.get("properties", {}).items() if not path.endswith("/properties") else ():
            if field is False:
                continue
            target = field.get("$ref", "").rpartition("/")[2]
            text = field.get("description") or SCHEMAS[name]["$defs"].get(target, {}).get("description", "")
            if len(text) < ENOUGH:
                thin.append(f"{path}/{key}: {text!r}")
    assert thin == []


class _Fields(Parts):
    """Notes every field that is described."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, FieldInfo] = {}

    def field(self, owner: type[BaseModel], name: str, info: FieldInfo, mode: Mode) -> Schema:
        self.seen[f"{owner.__name__}.{name}"] = info
        return super().field(owner, name, info, mode)


def test_fields_say_themselves_what_they_are() -> None:
    """Where a model's own description says little the schema falls back to docstrings: only plans make use of that."""
    parts = _Fields()
    for kind in KINDS.values():
        parts.kind(kind, BASE)
    parts.part(ProjectFile, PLAIN)
    parts.part(PlanDocument, PLAIN)
    fixed = {key for key, info in parts.seen.items() if len(get_args(info.annotation)) == 1}
    thin = {key for key, info in parts.seen.items() if len(info.description or "") < ENOUGH} - fixed
    assert {key for key in thin if "Document." not in key} <= {"ProjectFile.secrets"}, "give these fields a description"


@pytest.mark.parametrize("name", SCHEMAS)
def test_patterns_work_in_python_and_in_javascript(name: str) -> None:
    for path, schema in _walk(SCHEMAS[name]):
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not path.endswith("/properties"):
            re.compile(pattern)
            odd = {*re.findall(r"\\(.)", pattern)} - {*"sSd$.{}?+*^|()[]\\/"} | {*re.findall(r"\(\?[^:!=]", pattern)}
            assert not odd, f"{path}: {odd} is an error, or means something else, with JavaScript's flag u"


def test_a_new_kind_needs_only_the_table() -> None:
    class Probe(Spec):
        """A thing that is only for this test."""

        type: Literal["a"] = Field(description="The only type that there is.")
        size: int = Field(3, ge=1, le=9, description="How large the thing is.")

    kind = Kind("probe", "probes", "Things for a test.", {"a": Probe}, discriminator="type")
    found = schemas({**KINDS, "probe": kind})
    assert set(found) - set(SCHEMAS) == {"probe"}
    body = {"version": 1, "probes": {"x": {"type": "a", "size": 4}}}
    assert Draft202012Validator(found["manifest"], registry=Registry()).is_valid(body)
    body["probes"] = {"x": {"type": "a", "size": 10}}
    assert not Draft202012Validator(found["manifest"], registry=Registry()).is_valid(body)
    assert "probes" in found["project"]["properties"]["defaults"]["properties"]
    assert found["probe"]["allOf"][0]["then"] == {"$ref": "#/$defs/probe_a"}
    assert found["probe"]["$defs"]["probe_a"]["properties"]["size"]["default"] == 3


def test_what_json_schema_has_no_words_for_is_an_error_and_not_a_hole() -> None:
    class Odd(BaseModel):
        """A model with a field of an unknown type."""

        when: complex

    with pytest.raises(TypeError, match="no words"):
        Parts().part(Odd, PLAIN)


def test_a_manifest_has_the_keys_that_the_loader_reads() -> None:
    assert set(SCHEMAS["manifest"]["properties"]) == set(KEYS) == set(SCHEMAS["overlay"]["properties"])


# -- files of the project


def _examples() -> Iterator[Any]:
    """Every file of the examples that the tool reads, with the schemas that are meant for such a file."""
    root = ROOT / "examples"
    found: dict[Path, tuple[str, ...]] = {}
    projects = [path.parent for path in sorted(root.rglob(FILE_NAME))]
    for folder in projects:
        problems = Problems()
        project = read_project(folder / FILE_NAME, problems)
        assert project is not None, problems.found
        found[folder / FILE_NAME] = ("project",)
        # where `defaults` hold what is required, the manifests are as partial as overlays
        base = ("manifest", "overlay") if project.settings.defaults else ("manifest",)
        found |= dict.fromkeys(project_manifests(project, problems), base)
        for name in project.settings.environments:
            for group in overlay_manifests(project, name, problems):
                found |= dict.fromkeys(group, ("overlay",))
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if not any(project.is_relative_to(folder) for project in projects):
            found |= dict.fromkeys(manifests_below(folder, Problems()), ("manifest",))
    for path, names in found.items():
        yield pytest.param(names, path, id=str(path.relative_to(root)))


EXAMPLES = [*_examples()]


def _example(path: Path) -> list[Any]:
    return [document for document in documents(path.read_text(), path.name) if document is not None]


@pytest.mark.parametrize(("names", "path"), EXAMPLES)
def test_examples_are_valid(names: tuple[str, ...], path: Path) -> None:
    for document in _example(path):
        assert any(faults(name, document) == [] for name in names), faults(names[0], document)


@pytest.mark.parametrize(("names", "path"), EXAMPLES)
def test_examples_name_their_own_schema(names: tuple[str, ...], path: Path) -> None:
    """An overlay that names manifest.schema.json is full of errors in an editor, since its resources are not whole."""
    line = re.search(r"yaml-language-server: \$schema=(\S+)", path.read_text())
    if line is None:
        return
    named = (path.parent / line[1]).resolve()
    wanted = [FOLDER / f"{name}{SUFFIX}" for name in names]
    assert named in wanted, f"{path.relative_to(ROOT)} names {named.name}, and needs {wanted[0].name}"
    for document in _example(path):
        assert faults(named.name.removesuffix(SUFFIX), document) == []


def test_the_starter_of_init_is_valid() -> None:
    starter = ROOT / "reconciler" / "cli" / "starter"
    assert faults("manifest", documents((starter / "acme.yaml").read_text())[0]) == []
    settings = documents((starter / "reconciler.yaml").read_text().replace("PROJECT", "shop"))[0]
    assert faults("project", settings) == []


def test_plans_are_valid(tmp_path: Path) -> None:
    manifest = tmp_path / "acme.yaml"
    manifest.write_text((ROOT / "examples" / "quickstart" / "acme.yaml").read_text())
    db = Db(f"sqlite:///{tmp_path}/state.db")

    def plan() -> Any:
        for arguments in (["--out", "saved.plan"], ["--format", "json"]):
            ran = reconciler("plan", ".", *arguments, cwd=tmp_path, env={"RECONCILER_DATABASE_URL": db.url}).ok()
            text = ran.out if "json" in arguments else (tmp_path / "saved.plan").read_text()
            assert faults("plan", json.loads(text)) == []
        return json.loads(text)

    assert plan()["summary"]["add"] == 5
    reconciler("apply", ".", "--auto-approve", cwd=tmp_path, env={"RECONCILER_DATABASE_URL": db.url}).ok()
    assert plan()["resource_changes"] == []
    db.set_field("acme/limit/openai-prod-month", "tokens", 7)
    manifest.write_text(manifest.read_text().replace("classification: internal", "classification: public"))
    changed = plan()
    assert changed["summary"]["change"] == 2
    assert changed["resource_drift"]
    manifest.write_text("version: 1\ntenant: acme\nmoved: []\nremoved: [{from: connector/warehouse}]\n")
    assert plan()["summary"]["destroy"] == 4


# -- agreement with the tool: bodies

REF = "vault://kv/acme/thing#key"
PROBES: list[Any] = [
    *(
        None,
        True,
        0,
        1,
        7,
        -1,
        1.5,
        10**9,
        10**17,
        "",
        "text",
        "Not A Name",
        "a/b",
        "tenant",
        "integration/x",
        "x" * 5000,
    ),
    *(
        "/v1/a",
        "/v1/{x}",
        REF,
        "sk-live-123",
        "https://x.example/v1",
        "https://u:p@x.example",
        "host.example",
        "h:9092",
    ),
    *("10.0.0.0/8", "GET", "month", "eu-central-1", "2500.00", "50_000", "yes", "2024-10-21"),
    *(
        [],
        ["a"],
        ["a", "a"],
        [1],
        [{}],
        ["GET"],
        ["/v1"],
        ["h:1"],
        [None],
        {},
        {"a": 1},
        {"a": "b"},
        {"a": {}},
        {"A b": "c"},
    ),
    *({"type": "none"}, {"type": "bearer"}, {"type": "bearer", "token": REF}, {"type": "bearer", "token": "abc"}),
    *({"type": "x"}, {"region": "eu-central-1"}, {"api_key": "abc"}, {"organization": "org-1"}, {"num_ctx": 0}),
    *({"X-A": "b"}, {"X-A": {"plain": "b"}}, {"X-A": {"plain": 1}}, {"t": {"pin": "x"}}, {"t": {"risk": "low"}}),
    *(
        {"a": {"type": "string"}},
        {"a": {"type": "strin"}},
        {"a": {"type": "array", "items": "string", "default": ["x"]}},
    ),
    *([{"cidr": "10.0.0.0/8", "port": 1}], [{"cidr": "10.0.0.0/8"}], [{"cidr": "x y", "port": 1}]),
]
STRUCTURAL = {
    *("unknown-field", "wrong-type", "invalid-choice", "unknown-type", "invalid-name", "invalid-reference"),
    *(
        "out-of-range",
        "too-long",
        "too-short",
        "duplicate-item",
        "invalid-format",
        "url-with-credentials",
        "invalid-url",
    ),
}
"""What a schema has to find; other codes are about several fields at once, or about a text's grammar."""


def _tool(kind: str, body: Any) -> set[str]:
    """The codes of the tool's problems with a body that stands alone."""
    address = Address("acme", kind, "it")
    found = parse(KINDS[kind], body, address)
    if isinstance(found, tuple):
        return {problem.code for problem in found}
    resource = Resource(address, found)
    dangling = {ref.address.kind for ref in KINDS[kind].references_of("acme", resource.body)} - set(KINDS)
    return {problem.code for problem in KINDS[kind].check(resource, lambda _: None)} | dangling


@pytest.mark.parametrize(("kind", "variant"), MINIMAL)
def test_schema_and_tool_agree_on_every_field(kind: str, variant: str) -> None:
    minimal = MINIMAL[kind, variant]
    checker = CHECKERS[kind]
    assert checker.is_valid(minimal)
    assert checker.is_valid({**minimal, "surprise": 1}) is False
    model = KINDS[kind].variants[variant]
    for name, info in model.model_fields.items():
        key = info.alias or name
        if info.is_required():
            rest = {field: value for field, value in minimal.items() if field != key}
            assert not checker.is_valid(rest), f"{key} is required"
            assert not checker.is_valid({**minimal, key: None}), f"{key} is required"
        if key != KINDS[kind].discriminator:
            assert checker.is_valid({**minimal, key: "${var.x}"}), key
        for probe in PROBES:
            body = {**minimal, key: probe}
            problems, valid = _tool(kind, body), checker.is_valid(body)
            assert valid or problems, f"the tool takes {key}: {probe!r}, the schema does not"
            if (probe is None and not info.is_required()) or key == "body":
                continue  # null takes away what the project's defaults say; `body` is itself a JSON Schema
            assert not (valid and problems & STRUCTURAL), f"the schema takes {key}: {probe!r}; the tool: {problems}"


# -- agreement with the tool: documents

SETTINGS = """
version: 1
variables: {n: 7, on: true, name: thing, list: [a], map: {team: x}, ref: "env://KEY", entry: {from: limit/old}}
"""
HEAD = "version: 1\ntenant: acme\nexternal: [connector/c, datasource/d, integration/i]\n"
GOOD = [
    "version: 1\ntenant: acme",
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
]
TOOL_ONLY = {
    # what a schema cannot say, because it is about several places at once or about a grammar
    HEAD + "limits: {l: {target: tenant, per: month}}": "missing-field",
    HEAD + "limits: {l: {target: tenant, per: month, requests: 1, concurrent: 1}}": "conflicting-fields",
    HEAD
    + "integrations: {a: {provider: openai, credential: env://K, models: [a], default_model: b}}": "default-not-in-models",
    HEAD + "integrations: {a: {provider: openai, credential: 'vault://kv'}}": "plaintext-secret",
    HEAD
    + "integrations: {a: {provider: custom, base_url: 'https://x.example', config: {api_key: abc}}}": "plaintext-secret",
    HEAD + "connectors: {a: {type: sql, dialect: postgresql}}": "missing-field",
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


def _properties(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        for name, item in schema.get("properties", {}).items() if isinstance(schema.get("properties"), dict) else ():
            yield f"{path}.{name}", item
        for key, item in schema.items():
            yield from _properties(item, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _properties(item, f"{path}/{index}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_property_says_what_it_is(name: str) -> None:
    """Editors show it when somebody hovers."""
    schema = json.loads((FOLDER / f"{name}{SUFFIX}").read_text())
    said = ((path, item) for path, item in _properties(schema) if "/if." not in path and "/not." not in path)
    silent = [path for path, item in said if isinstance(item, dict) and not item.get("description")]
    assert silent == []
