"""Every text of every document is looked at for secrets, by both ways of loading, and reported where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from reconciler.errors import Problem, ReconcilerError
from reconciler.load.cache import VARIABLE
from reconciler.load.load import load
from reconciler.load.serve_file import read_serve
from reconciler.render.problems import errors_json
from tests.load.support import HEAD, loaded, open_project, write
from tests.model.made_secrets import RANDOM, SECRETS

CODE = "secret-in-value"
SAME = {CODE, "plaintext-secret", "url-with-credentials", "invalid-url"}
API = "connectors:\n  api:\n    type: http\n    base_url: https://api.example.com\n"
STDIO = "connectors:\n  tools:\n    type: mcp\n    transport: stdio\n    command: npx\n"
SQL = "datasources:\n  shop: {type: database, connector: db, tables: [orders]}\n"
FIELDS = {
    "args": STDIO + "    args: [run, @]\n",
    "args, after an option": STDIO + "    args: [--header, @]\n",
    "env": STDIO + "    env: {A: @}\n",
    "headers, X-Session": API + "    headers: {X-Session: @}\n",
    "headers, Key": API + "    headers: {Key: @}\n",
    "headers, another": API + "    headers: {X-Team: @}\n",
    "url": API.replace("https://api.example.com", "@"),
    "description": API + "    description: @\n",
    "labels": API + "    labels: {owner: @}\n",
    "a list": API + "    allowed_paths: [@]\n",
    "free config": "connectors:\n  c: {type: custom, config: {deep: [{er: @}]}}\n",
    "a key of free config": "connectors:\n  c: {type: custom, config: {@: 1}}\n",
    "tags": SQL.replace("tables: [orders]", "tables: [orders], tags: [@]"),
    "sql": SQL + "templates:\n  t:\n    type: sql\n    datasource: shop\n    sql: @\n",
    "a parameter's default": SQL + "templates:\n  t:\n    type: sql\n    datasource: shop\n    sql: 'SELECT 1'\n"
    "    parameters: {p: {type: string, default: @}}\n",
    "a parameter's enum": SQL + "templates:\n  t:\n    type: sql\n    datasource: shop\n    sql: 'SELECT 1'\n"
    "    parameters: {p: {type: string, enum: [@]}}\n",
    "a template's header": "templates:\n  t: {type: http, connector: api, method: GET, path: /x, headers: {X-A: @}}\n",
    "a template's query": "templates:\n  t: {type: http, connector: api, method: GET, path: /x, query: {a: @}}\n",
    "a template's path": "templates:\n  t: {type: http, connector: api, method: GET, path: @}\n",
    "models": "integrations:\n  i: {provider: openai, credential: env://K, models: [@]}\n",
    "config": "integrations:\n  i: {provider: openai, credential: env://K, config: {org: @}}\n",
    "a limit's target": "limits:\n  l: {target: @, per: day, requests: 1}\n",
    "a username": API + "    auth: {type: basic, username: @, password: env://P}\n",
    "a tool's description": STDIO + "    tools: {t: {description: @}}\n",
    "a name": "limits:\n  @: {target: tenant, per: day, requests: 1}\n",
    "moved": "moved: [{from: @, to: limit/b}]\n",
    "removed": "removed: [{from: limit/b, reason: @}]\n",
    "adopt": "adopt: [@]\n",
    "external": "external: [{address: limit/b, project: @}]\n",
    "access tests": "access_tests:\n  one: {caller: c, target: template/t, expect: deny, claims: {sub: @}}\n",
    "an unknown field": API + "    hint: @\n",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(folder: Path, files: dict[str, str], environment: str | None = None) -> list[Problem]:
    try:
        loaded(folder, files, environment)
    except ReconcilerError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("field", FIELDS)
def test_every_sort_is_found_in_every_field(field: str, tmp_path: Path) -> None:
    dice = Random(field)
    secrets, files = {}, {}
    for number, (sort, make) in enumerate(SECRETS.items()):
        secret = make(dice)
        while sort in RANDOM and "/" in secret:  # slashes cut some in two
            secret = make(dice)
        secrets[f"{number}.yaml"] = json.dumps(secret)
        files[f"{number}.yaml"] = f"version: 1\ntenant: t{number}\n" + FIELDS[field].replace("@", json.dumps(secret))
    problems = found(tmp_path, files)
    told = json.dumps(errors_json(problems))
    for name, secret in secrets.items():
        assert secret not in told
        mine = [one.place for one in problems if one.code in SAME and one.place and one.place.file == name]
        assert mine, (secret, files[name])
        line = next(at for at, text in enumerate(files[name].splitlines(), 1) if secret in text)
        assert all(place.line == line for place in mine)
        assert len(set(mine)) == len(mine), "one value, one problem of secrets"


@pytest.mark.parametrize("text", ["reconciler.yaml", "serve.yaml", "an overlay", "an environment", "defaults"])
def test_files_beside_manifests(text: str, tmp_path: Path) -> None:
    secret = SECRETS["GitHub"](Random(1))
    (tmp_path / "serve.yaml").write_text(f"version: 1\nagents:\n  allowed_hosts: [a, {secret}]\n")
    base = {"a.yaml": HEAD + "limits: {l: {target: tenant, per: day, requests: 1}}\n"}
    overlay = "environments: {e: {overlays: [over]}}\n"
    files = {
        "reconciler.yaml": base
        | {"reconciler.yaml": f"version: 1\nignore: [{{address: '*', field: a, reason: {secret}}}]\n"},
        "an overlay": base
        | {"reconciler.yaml": f"version: 1\n{overlay}", "over/b.yaml": HEAD + f"limits: {{l: {{description: {secret}}}}}\n"},
        "an environment": base | {"reconciler.yaml": f"version: 1\nenvironments: {{e: {{variables: {{x: {secret}}}}}}}\n"},
        "defaults": base | {"reconciler.yaml": f"version: 1\ndefaults: {{limits: {{description: {secret}}}}}\n"},
    }  # fmt: skip
    if text == "serve.yaml":
        with pytest.raises(ReconcilerError) as caught:
            read_serve(tmp_path / "serve.yaml")
        problems = list(caught.value.problems)
    else:
        problems = found(tmp_path / "p", files[text], "e" if "e: {" in files[text]["reconciler.yaml"] else None)
    assert [one.code for one in problems] == [CODE]
    assert problems[0].place is not None
    assert problems[0].place.line in (2, 3)
    assert secret not in repr(problems)
    assert "a GitHub token" in problems[0].message


SECRET = SECRETS["GitHub"](Random(2))


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        (f"    description: {SECRET} # reconciler: not-a-secret\n", True),
        (f"    description: {SECRET} # reconciler: not-a-secret because it is an example\n", True),
        (f"    # reconciler: not-a-secret\n    description: {SECRET}\n", True),
        (f"    # reconciler: not-a-secret\n    # an example\n    description: {SECRET}\n", True),
        (f"    description: | # reconciler: not-a-secret\n      an example:\n      {SECRET}\n", True),
        (f"    labels: {{a: b, c: {SECRET}}} # reconciler: not-a-secret\n", True),
        (f"    headers: {{X-A: {{plain: {SECRET}}}}}\n", True),
        (f"    description: {SECRET}\n", False),
        (f"    description: {SECRET} # not-a-secret\n", False),
        (f"    description: '{SECRET} # reconciler: not-a-secret'\n", False),
        (f"    description: |\n      # reconciler: not-a-secret\n      {SECRET}\n", False),
        (f"    # reconciler: not-a-secret\n    rate_limit: 5\n    description: {SECRET}\n", False),
        (f"    labels: {{a: b}} # reconciler: not-a-secret\n    description: {SECRET}\n", False),
        (f"    labels:\n      plain: {SECRET}\n      other: b\n", False),
    ],
)
def test_what_allows_one(body: str, allowed: bool, tmp_path: Path) -> None:
    problems = [one.code for one in found(tmp_path, {"a.yaml": HEAD + API + body})]
    assert problems == ([] if allowed else [CODE])


def test_an_alias_is_reported_once(tmp_path: Path) -> None:
    text = f"{HEAD}{API}    labels: &l {{a: {SECRET}}}\n  b:\n    type: http\n    base_url: https://h\n    labels: *l\n"
    [problem] = found(tmp_path, {"a.yaml": text})
    assert (problem.code, problem.place and problem.place.line) == (CODE, 7)


def test_a_document_for_many_tenants_is_reported_once(tmp_path: Path) -> None:
    text = f"version: 1\ntenants: [b, a]\n{API}    description: {SECRET}\n"
    [problem] = found(tmp_path, {"a.yaml": text})
    assert (problem.code, problem.address, problem.path) == (CODE, "b/connector/api", ("description",))
    assert problem.excerpt == "    description: ***"


def test_what_is_known_already_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that are read once for all tenants, and chunks from the cache, keep their secrets from nobody."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(mode=0o700)
    tenants = [f"t{number}" for number in range(3)]
    write(tmp_path / "p", {f"{t}.yaml": f"version: 1\ntenant: {t}\n{API}    description: {SECRET}\n" for t in tenants})
    project = open_project(tmp_path / "p")
    for thoroughly in (False, False, True):
        with pytest.raises(ReconcilerError) as caught:
            load(project, None, [str(tmp_path / "p")], thoroughly=thoroughly)
        assert [one.code for one in caught.value.problems] == [CODE] * 3
    for tenant in tenants:
        file = tmp_path / "p" / f"{tenant}.yaml"
        file.write_text(file.read_text().rstrip() + " # reconciler: not-a-secret\n")
    for thoroughly in (False, False, True):
        assert len(load(project, None, [str(tmp_path / "p")], thoroughly=thoroughly).configuration.resources) == 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (f"integrations:\n  i: {{provider: openai, credential: {SECRET}}}\n", "plaintext-secret"),
        (f"connectors:\n  c: {{type: custom, config: {{api_key: [{SECRET}, {SECRET}]}}}}\n", "plaintext-secret"),
        (f"{STDIO}    args: [--token, {SECRET}]\n", "plaintext-secret"),
        (f"{STDIO}    env: {{TOKEN: {SECRET}}}\n", "plaintext-secret"),
        (f"{API}    headers: {{Authorization: 'Bearer {SECRET}'}}\n", "plaintext-secret"),
        (f"connectors:\n  a: {{type: http, base_url: 'https://u:{SECRET}@h'}}\n", "url-with-credentials"),
        (f"connectors:\n  a: {{type: http, base_url: 'https://h/?api_key={SECRET}'}}\n", "invalid-url"),
        (f"connectors:\n  c: {{type: custom, config: {{x: 'https://u:{SECRET}@h'}}}}\n", "url-with-credentials"),
    ],
)
def test_what_another_judge_reports_is_reported_once(body: str, code: str, tmp_path: Path) -> None:
    assert [one.code for one in found(tmp_path, {"a.yaml": HEAD + body})] == [code]


def test_a_default_that_wants_a_reference_is_reported_once(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": f"version: 1\ndefaults: {{integrations: {{credential: {SECRET}}}}}\n",
        "a.yaml": HEAD + "integrations: {i: {provider: openai}}\n",
    }
    assert [one.code for one in found(tmp_path, files)] == ["plaintext-secret"]


def test_keys_and_malformed_values_are_masked_in_excerpts_and_messages(tmp_path: Path) -> None:
    text = f"{HEAD}limits:\n  l: {{target: tenant, per: {SECRET}, {SECRET}: 1}}\n"
    problems = found(tmp_path, {"a.yaml": text})
    assert {"invalid-choice", "unknown-field", CODE} <= {one.code for one in problems}
    assert SECRET not in repr([(one.message, one.hint, one.expected, one.excerpt) for one in problems])
    broken = found(tmp_path / "q", {"a.yaml": f"{HEAD}limits:\n  {SECRET}: [\n"})
    assert [one.code for one in broken] == ["yaml-syntax"]
    assert SECRET not in repr(broken)


@pytest.mark.parametrize(
    ("value", "shown"), [("week", "week"), ("s3cr3tpass99", "***"), ("'s3cr3tpass99'", "***"), ("5m", "5m")]
)
def test_a_malformed_value_that_is_no_word_is_not_shown(value: str, shown: str, tmp_path: Path) -> None:
    text = f"{HEAD}limits:\n  l: {{target: tenant, per: {value}, requests: 1}}\n"
    [problem] = found(tmp_path, {"a.yaml": text})
    assert problem.code == "invalid-choice"
    assert problem.excerpt == f"  l: {{target: tenant, per: {shown}, requests: 1}}"


def test_a_token_in_the_place_of_its_digest_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("version: 1\noperators: {tokens: {ada: {sha256: an-operators-own-word, scopes: [operate]}}}\n")
    with pytest.raises(ReconcilerError) as caught:
        read_serve(file)
    [problem] = caught.value.problems
    assert problem.code in ("invalid-format", "too-long")
    assert "an-operators-own-word" not in repr(caught.value.problems)
