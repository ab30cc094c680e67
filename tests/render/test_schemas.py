"""The JSON Schemas: fresh, valid, well described, and of one mind with `reconciler validate`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from referencing import Registry

from reconciler.errors import Problems
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.load.collect import KEYS
from reconciler.load.discover import manifests_below, overlay_manifests, project_manifests
from reconciler.load.project import FILE_NAME, read_project
from reconciler.load.project_file import ProjectFile
from reconciler.model.address import Address
from reconciler.model.kind import Kind
from reconciler.model.resource import resource_of
from reconciler.model.spec import Spec
from reconciler.render.schema_parts import Parts
from reconciler.render.schema_values import BASE, ENOUGH, PLAIN, Mode, Schema
from reconciler.render.schemas import SUFFIX, schema_text, schemas
from tests.conftest import ROOT, Db, reconciler
from tests.kinds.support import MINIMAL
from tests.render.checking import CHECKERS, FOLDER, SCHEMAS, _walk, documents, faults


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
    """Where a model's own description says little the schema falls back to docstrings."""
    parts = _Fields()
    for kind in KINDS.values():
        parts.kind(kind, BASE)
    parts.part(ProjectFile, PLAIN)
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
    resource = resource_of(address, found)
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
