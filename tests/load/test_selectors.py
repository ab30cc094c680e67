"""What selects nothing is found: a literal is an error with a suggestion, a pattern a warning, ``optional`` says it is meant."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.errors import ConfigurationInvalid, Problem
from reconciler.load.build import quietly
from reconciler.load.load import load
from reconciler.load.quick import load_quickly
from tests.conftest import reconciler
from tests.load.support import loaded, open_project, write

WORLD: dict[str, Any] = {
    "version": 1,
    "tenant": "acme",
    "connectors": {"warehouse": {"type": "sql", "dialect": "sqlite", "database": "w.db"}},
    "datasources": {
        "sales": {
            "type": "database",
            "connector": "warehouse",
            "tables": ["orders"],
            "access_roles": ["analyst"],
            "classification": "internal",
            "labels": {"team": "red"},
        }
    },
    "templates": {"top": {"type": "sql", "datasource": "sales", "sql": "SELECT id FROM orders"}},
    "callers": {
        "sales-bot": {
            "roles": ["analyst"],
            "labels": {"team": "blue"},
            "auth": {
                "jwt": {"issuer": "corp", "claims": {"a": "b"}, "roles_from": {"claim": "g", "map": {"x": "boss"}}}
            },
        }
    },
}
DENY: dict[str, Any] = {"effect": "deny", "subjects": "any", "actions": "any", "targets": "any"}


def text(policy: dict[str, Any], **more: Any) -> str:
    return yaml.safe_dump({**WORLD, "policies": {"p": {**DENY, **policy}}, **more})


def errors(folder: Path, files: dict[str, str]) -> list[Problem]:
    """Of both ways, which have to agree."""
    try:
        loaded(folder, files)
    except ConfigurationInvalid as error:
        assert load_quickly(open_project(folder), None, [str(folder)], None, quietly) is None
        return [*error.problems]
    return []


def warnings(folder: Path, files: dict[str, str]) -> list[str]:
    found = loaded(folder, files)
    again = load_quickly(open_project(folder), None, [str(folder)], None, quietly)
    assert again is not None, "a warning does not make a load slow"
    assert again.judgement == found.judgement
    return [problem.message for problem in found.judgement.warnings]


GOOD: list[dict[str, Any]] = [
    {"subjects": {"callers": ["sales-bot"]}},
    {"subjects": {"callers": ["sales-*", "?ales-bot"]}},
    {"subjects": {"roles": ["analyst", "boss"]}},
    {"subjects": {"labels": {"team": "blue"}}},
    {"targets": {"names": ["template/top", "datasource/sales", "connector/warehouse"]}},
    {"targets": {"names": ["template/*", "*/top"]}},
    {"targets": {"labels": {"team": "red"}}},
    {"targets": {"classification": ["internal"]}},
    {"actions": ["query"]},
]
TYPOS: list[tuple[dict[str, Any], str]] = [
    ({"subjects": {"callers": ["sales-bott"]}}, "did you mean `sales-bot`?"),
    ({"subjects": {"roles": ["analist"]}}, "did you mean `analyst`?"),
    ({"subjects": {"roles": ["bos"]}}, "did you mean `boss`?"),
    ({"subjects": {"labels": {"team": "bleu"}}}, "did you mean `team: blue`?"),
    ({"subjects": {"labels": {"taem": "blue"}}}, "did you mean `team: blue`?"),
    ({"targets": {"names": ["template/topp"]}}, "did you mean `template/top`?"),
    ({"targets": {"labels": {"team": "rde"}}}, "did you mean `team: red`?"),
]
DOUBTS: list[dict[str, Any]] = [
    {"subjects": {"callers": ["x-*"]}},
    {"targets": {"names": ["template/x*"]}},
    {"targets": {"names": ["plane/*"]}},
    {"targets": {"classification": ["public"]}},
    {"actions": ["write"]},
    {"subjects": {"labels": {"dropped": "lately"}}},
    {"targets": {"labels": {"dropped": "lately"}}},
]


@pytest.mark.parametrize("policy", GOOD, ids=str)
def test_what_selects_something_is_silent(tmp_path: Path, policy: dict[str, Any]) -> None:
    assert warnings(tmp_path, {"a.yaml": text(policy)}) == []


@pytest.mark.parametrize(("policy", "hint"), TYPOS, ids=str)
def test_a_typing_error_in_a_policy_is_an_error(tmp_path: Path, policy: dict[str, Any], hint: str) -> None:
    (found,) = errors(tmp_path, {"a.yaml": text(policy)})
    assert (found.code, hint in (found.hint or "")) == ("matches-nothing", True)
    assert found.place is not None


@pytest.mark.parametrize("policy", DOUBTS, ids=str)
def test_a_pattern_that_matches_nothing_is_a_warning(tmp_path: Path, policy: dict[str, Any]) -> None:
    assert len(warnings(tmp_path, {"a.yaml": text(policy)})) == 1


@pytest.mark.parametrize("policy", [*(policy for policy, _ in TYPOS), *DOUBTS], ids=str)
def test_optional_says_that_it_is_meant(tmp_path: Path, policy: dict[str, Any]) -> None:
    assert warnings(tmp_path / "whole", {"a.yaml": text({**policy, "optional": True})}) == []
    parts = {key: {**part, "optional": True} for key, part in policy.items() if isinstance(part, dict)}
    if parts:
        assert warnings(tmp_path / "part", {"a.yaml": text(parts)}) == []


def test_access_roles_are_roles_of_callers(tmp_path: Path) -> None:
    world = {**WORLD, "datasources": {"sales": {**WORLD["datasources"]["sales"], "access_roles": ["analist"]}}}
    (found,) = errors(tmp_path / "typo", {"a.yaml": yaml.safe_dump(world)})
    assert "did you mean `analyst`?" in (found.hint or "")
    without = {key: value for key, value in world.items() if key != "callers"}
    assert warnings(tmp_path / "alone", {"a.yaml": yaml.safe_dump(without)}) == []


def test_what_is_external_is_known(tmp_path: Path) -> None:
    policy = {"subjects": {"callers": ["far-bot"], "roles": ["far"]}, "targets": {"names": ["template/far"]}}
    files = {"a.yaml": text(policy, external=["caller/far-bot", "template/far"])}
    assert warnings(tmp_path / "document", files) == []
    project = "version: 1\nproject: p\nexternal: [caller/far-bot, '*/template/fa*']\n"
    assert warnings(tmp_path / "project", {"a.yaml": text(policy), "reconciler.yaml": project}) == []
    assert len(errors(tmp_path / "without", {"a.yaml": text(policy)})) == 3


def test_a_tenant_is_a_world_of_its_own(tmp_path: Path) -> None:
    other = {"version": 1, "tenant": "globex", "policies": {"p": {**DENY, "targets": {"names": ["template/top"]}}}}
    (found,) = errors(tmp_path, {"a.yaml": yaml.safe_dump(WORLD), "b.yaml": yaml.safe_dump(other)})
    assert found.address == "globex/policy/p"


OTHERS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"region": "eu-west-1"}, {"region": "eu-west-2"}),
    ({"tier": "1"}, {"tier": "2"}),
    ({"confidentiality-level": "high"}, {"confidentiality-level": "low"}),
    ({"environment-of-the-team": "prod"}, {"environment-of-the-team": "preprod"}),
    ({"zone1": "a"}, {"zone2": "a"}),
]


@pytest.mark.parametrize(("has", "asked"), OTHERS, ids=str)
def test_another_valid_label_is_no_typing_error(tmp_path: Path, has: dict[str, str], asked: dict[str, str]) -> None:
    """A key that many labels share says nothing of their values, and another number is another value."""
    source = {**WORLD["datasources"]["sales"], "labels": has}
    policy = {"subjects": {"roles": ["analyst"]}, "targets": {"labels": asked}}
    assert len(warnings(tmp_path, {"a.yaml": text(policy, datasources={"sales": source})})) == 1


SHARED: list[dict[str, Any]] = [
    {"subjects": {"callers": ["far-bot"]}},
    {"subjects": {"roles": ["boss", "far"]}},
    {"subjects": {"callers": ["${tenant}-bot"]}},
    {"targets": {"names": ["template/far"]}},
    {"targets": {"labels": {"team": "rod"}}},
]


@pytest.mark.parametrize("policy", SHARED, ids=str)
def test_what_one_tenant_has_is_no_error_where_others_share_the_document(
    tmp_path: Path, policy: dict[str, Any]
) -> None:
    far = {
        **WORLD,
        "tenant": "globex",
        "templates": {"far": {**WORLD["templates"]["top"], "labels": {"team": "rod"}}},
        "callers": {
            name: {"roles": ["analyst", "far", "boss"], "auth": {"api_key": {}}} for name in ("far-bot", "globex-bot")
        },
    }
    shared = {"version": 1, "tenants": ["acme", "globex"], "policies": {"p": {**DENY, **policy}}}
    files = {"a.yaml": yaml.safe_dump(WORLD), "b.yaml": yaml.safe_dump(far), "c.yaml": yaml.safe_dump(shared)}
    assert len(warnings(tmp_path / "shared", files)) == 1
    del shared["tenants"]
    alone = yaml.safe_dump({**shared, "tenant": "acme"})
    assert len(errors(tmp_path / "alone", {**files, "c.yaml": alone})) == 1


def test_a_former_name_is_a_doubt(tmp_path: Path) -> None:
    """The plan says what the move does to access; a policy that is to go with it needs the new name."""
    moved = [{"from": "template/former", "to": "template/top"}, {"from": "caller/old-bot", "to": "caller/sales-bot"}]
    policy = {"subjects": {"callers": ["old-bot"]}, "targets": {"names": ["template/former"]}}
    assert len(warnings(tmp_path / "moved", {"a.yaml": text(policy, moved=moved)})) == 2
    found = loaded(tmp_path / "moved", {}).judgement.warnings
    assert [(one.hint or "").partition("?")[0] for one in found] == [
        "did you mean `sales-bot`",
        "did you mean `template/top`",
    ]
    assert len(errors(tmp_path / "not", {"a.yaml": text(policy)})) == 2


def test_shared_with_names_projects(tmp_path: Path) -> None:
    template = {"top": {**WORLD["templates"]["top"], "shared_with": ["p", "friends", "strangers"]}}
    project = "version: 1\nproject: p\nexternal: [{address: caller/x, project: friends, optional: true}]\n"
    files = {"a.yaml": yaml.safe_dump({**WORLD, "templates": template}), "reconciler.yaml": project}
    (found,) = warnings(tmp_path, files)
    assert "strangers" in found


IGNORED: list[tuple[str, str, str]] = [
    ("*/connector/*", "maxrows", "did you mean `max_rows`?"),
    ("*/connector/*", "args[0]", "write `args`"),
    ("*/connector/*", "args.0", "write `args`"),
    ("*", "max_rowz", "did you mean `max_rows`?"),
    ("*/limit/*", "max_rows", "there are"),
    ("*/conector/*", "max_rows", "did you mean `connector`?"),
    ("acme/connector/warehuse", "max_rows", "did you mean `acme/connector/warehouse`?"),
    ("*/connector/*", "auth.tokn", "did you mean `auth.token`?"),
]
LEFT: list[tuple[str, str]] = [
    ("*", "labels.*"),
    ("*", "*"),
    ("*/connector/*", "auth.token"),
    ("acme/connector/warehouse", "max_rows"),
    ("acme/*", "labels.team"),
    ("*/connector/*", "tools.*.risk"),
    ("*/connector/*", "options.anything.below"),
    ("*/connector/*", "max_*"),
]


def ignoring(address: str, field: str, more: str = "") -> dict[str, str]:
    rule = f"{{address: '{address}', field: '{field}', reason: x{more}}}"
    return {"a.yaml": yaml.safe_dump(WORLD), "reconciler.yaml": f"version: 1\nproject: p\nignore: [{rule}]\n"}


@pytest.mark.parametrize(("address", "field", "hint"), IGNORED)
def test_ignore_rules_that_ignore_nothing(tmp_path: Path, address: str, field: str, hint: str) -> None:
    (found,) = errors(tmp_path, ignoring(address, field))
    assert hint in (found.hint or "")
    assert found.place is not None
    assert Path(found.place.file).name == "reconciler.yaml"


@pytest.mark.parametrize(("address", "field"), LEFT)
def test_ignore_rules_that_ignore_something(tmp_path: Path, address: str, field: str) -> None:
    assert warnings(tmp_path, ignoring(address, field)) == []


def test_ignore_rules_of_nobody_yet(tmp_path: Path) -> None:
    assert len(warnings(tmp_path / "pattern", ignoring("*/integration/*", "max_retries"))) == 1
    assert len(warnings(tmp_path / "field", ignoring("*/connector/*", "maxx*"))) == 1
    for address in ("*/integration/*", "acme/integration/late"):
        assert warnings(tmp_path / address[0], ignoring(address, "max_retries", ", optional: true")) == []


def test_an_external_that_nobody_uses_is_a_doubt(tmp_path: Path) -> None:
    project = "version: 1\nproject: p\nexternal: [connector/far, {address: connector/later, optional: true}]\n"
    assert len(warnings(tmp_path, {"a.yaml": yaml.safe_dump(WORLD), "reconciler.yaml": project})) == 1


def test_what_counts_in_one_environment_is_no_error_in_another(tmp_path: Path) -> None:
    """A rule of the project's file is about all environments: it has to be of use in one."""
    folder = tmp_path / "p"
    rule = "{address: acme/limit/LATE, field: requests, reason: x}"
    project = f"version: 1\nproject: p\nignore: [{rule}]\nenvironments: {{dev: {{}}, prod: {{overlays: [prod]}}}}\n"
    files = {
        "reconciler.yaml": project.replace("LATE", "late"),
        "a.yaml": yaml.safe_dump(WORLD),
        "prod/b.yaml": "version: 1\ntenant: acme\nlimits: {late: {target: tenant, per: day, requests: 1}}\n",
    }
    write(folder, files)
    assert "Warning" not in reconciler("validate", cwd=folder).ok().text
    write(folder, {"reconciler.yaml": project.replace("LATE", "lat")})
    assert "[matches-nothing]" in reconciler("validate", cwd=folder).ok(3).err
    assert "Warning" in reconciler("validate", "--env", "prod", cwd=folder).ok().text


def test_warnings_are_no_errors(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": text(DOUBTS[0])})
    done = reconciler("validate", ".", cwd=tmp_path).ok()
    assert ("Warning: this selects nothing" in done.out, "Success!" in done.out) == (True, True)
    report = reconciler("validate", ".", "--format", "json", cwd=tmp_path).ok().json
    (one,) = report["warnings"]
    assert (report["valid"], one["severity"], one["code"], one["file"]) == (
        True,
        "warning",
        "matches-nothing",
        "a.yaml",
    )
    assert "::warning" in reconciler("validate", ".", "--format", "github", cwd=tmp_path).ok().out


@pytest.mark.parametrize(
    ("asked", "code"),
    [(("--target", "acme/conector/warehouse"), "unknown-target"), (("--tenant", "acmme"), "unknown-tenant")],
)
def test_what_validate_is_asked_for_is_known(tmp_path: Path, asked: tuple[str, ...], code: str) -> None:
    write(tmp_path, {"a.yaml": yaml.safe_dump(WORLD)})
    assert f"[{code}]" in reconciler("validate", ".", *asked, cwd=tmp_path).ok(64).err
    reconciler("validate", ".", "--target", "acme/connector/warehouse", "--tenant", "acme", cwd=tmp_path).ok()


def test_one_document_for_many_tenants_is_told_of_once(tmp_path: Path) -> None:
    many = {**WORLD, "tenants": ["acme", "globex"], "policies": {"p": {**DENY, **DOUBTS[0]}}}
    del many["tenant"]
    assert len(warnings(tmp_path, {"a.yaml": yaml.safe_dump(many)})) == 1


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def typos(word: str, dice: random.Random, letters: str = LETTERS) -> Iterator[str]:
    """Texts that are one letter away."""
    at = dice.randrange(len(word))
    yield word[:at] + dice.choice(letters) + word[at + 1 :]
    yield word[:at] + dice.choice(letters) + word[at:]
    if len(word) > 1:
        yield word[:at] + word[at + 1 :]


def random_world(dice: random.Random) -> dict[str, Any]:
    def name() -> str:
        return "".join(dice.choice("abcdefghij") for _ in range(dice.randint(3, 7)))

    def some(words: list[str]) -> list[str]:
        return dice.sample(words, dice.randint(1, len(words)))

    roles, templates, callers = ([*{name() for _ in range(4)}] for _ in range(3))
    world = {
        **WORLD,
        "templates": {one: {**WORLD["templates"]["top"], "labels": {name(): name()}} for one in templates},
        "callers": {
            one: {"roles": some(roles), "labels": {name(): name()}, "auth": {"api_key": {}}} for one in callers
        },
    }
    held = sorted({role for one in world["callers"].values() for role in one["roles"]})
    world["datasources"] = {"sales": {**WORLD["datasources"]["sales"], "access_roles": some(held)}}
    caller, template = dice.choice(callers), dice.choice(templates)
    world["policies"] = {
        "a": {**DENY, "subjects": {"callers": some(callers), "labels": world["callers"][caller]["labels"]}},
        "b": {**DENY, "subjects": {"roles": some(held)}},
        "c": {
            **DENY,
            "targets": {
                "names": [f"template/{one}" for one in some(templates)],
                "labels": world["templates"][template]["labels"],
            },
        },
    }
    return world


def misspelt(world: dict[str, Any], dice: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """For every literal selector the same world with one letter of it changed."""
    policies = world["policies"]
    for policy, key, field in (("a", "subjects", "callers"), ("b", "subjects", "roles"), ("c", "targets", "names")):
        for position, literal in enumerate(policies[policy][key][field]):
            kind, slash, name = literal.rpartition("/")
            for typo in typos(name, dice):
                items = [*policies[policy][key][field]]
                items[position] = f"{kind}{slash}{typo}"
                part = {**policies[policy][key], field: items}
                yield items[position], {**world, "policies": {**policies, policy: {**policies[policy], key: part}}}
    for policy, key in (("a", "subjects"), ("c", "targets")):
        ((name, value),) = policies[policy][key]["labels"].items()
        for typo in typos(value, dice, LETTERS[:26]):  # another number is another value
            part = {**policies[policy][key], "labels": {name: typo}}
            yield f"{name}={typo}", {**world, "policies": {**policies, policy: {**policies[policy], key: part}}}
    source = world["datasources"]["sales"]
    for position, role in enumerate(source["access_roles"]):
        for typo in typos(role, dice):
            items = [*source["access_roles"]]
            items[position] = typo
            yield typo, {**world, "datasources": {"sales": {**source, "access_roles": items}}}


def words(world: dict[str, Any]) -> set[str]:
    """Every literal that selects something."""
    bodies = [*world["callers"].values(), *world["templates"].values()]
    found = {f"{key}={value}" for body in bodies for key, value in body["labels"].items()}
    found |= {*world["callers"], *(f"template/{name}" for name in world["templates"])}
    return found | {role for body in world["callers"].values() for role in body["roles"]}


@pytest.mark.parametrize("seed", range(6))
def test_every_typing_error_of_a_random_project_is_reported(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    world = random_world(dice)
    assert warnings(tmp_path / "right", {"a.yaml": yaml.safe_dump(world)}) == []
    known, folder = words(world), tmp_path / "wrong"
    for text_, wrong in misspelt(world, dice):
        if text_ in known:
            continue
        write(folder, {"a.yaml": yaml.safe_dump(wrong)})
        found = errors(folder, {})
        assert {problem.code for problem in found} <= {"matches-nothing", "duplicate-item"}, (text_, found)
        assert found, text_


PROJECT = "version: 1\nproject: p\nenvironments: {dev: {}, prod: {overlays: [prod]}, stage: {overlays: [stage]}}\n"
OF_PROD = {
    "version": 1,
    "tenant": "acme",
    "templates": {"late": {**WORLD["templates"]["top"], "labels": {"team": "rod"}}},
    "callers": {"late-bot": {"roles": ["nurse"], "labels": {"team": "bleu"}, "auth": {"api_key": {}}}},
}
LATE: list[dict[str, Any]] = [
    {"subjects": {"callers": ["late-bot"]}},
    {"subjects": {"roles": ["nurse"]}},
    {"subjects": {"labels": {"team": "bleu"}}},
    {"targets": {"names": ["template/late"]}},
    {"targets": {"labels": {"team": "rod"}}},
]


def environments(policy: dict[str, Any], of_prod: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    """A base with a policy, which three environments share; prod declares more."""
    return {
        "reconciler.yaml": PROJECT,
        "a.yaml": text(policy, **more),
        "prod/b.yaml": yaml.safe_dump(OF_PROD if of_prod is None else of_prod),
        "stage/b.yaml": "version: 1\ntenant: acme\nlimits: {l: {target: tenant, per: day, requests: 1}}\n",
    }


@pytest.mark.parametrize("policy", LATE, ids=str)
def test_what_another_environment_has_is_a_warning_that_names_it(tmp_path: Path, policy: dict[str, Any]) -> None:
    files = environments(policy)
    assert loaded(tmp_path, files, "prod").judgement.warnings == ()
    for environment in ("dev", "stage"):
        (found,) = loaded(tmp_path, files, environment).judgement.warnings
        assert found.message.endswith("; it does in the environment prod")
    report = reconciler("validate", "--format", "json", cwd=tmp_path).ok().json
    assert [one["message"].rpartition(" (")[2] for one in report["warnings"]] == ["in dev, stage)"]
    assert "1 selector selects nothing" in reconciler("plan", "--env", "dev", cwd=tmp_path).ok().out


@pytest.mark.parametrize("policy", LATE, ids=str)
def test_what_no_environment_has_is_an_error_in_each(tmp_path: Path, policy: dict[str, Any]) -> None:
    write(tmp_path, environments(policy, {"version": 1, "tenant": "acme", "limits": {}}))
    for environment in ("dev", "prod", "stage"):
        assert "[matches-nothing]" in reconciler("validate", "--env", environment, cwd=tmp_path).ok(3).err
    assert reconciler("validate", cwd=tmp_path).ok(3).err.count("[matches-nothing]") == 1


def test_an_environment_that_is_invalid_still_has_its_names(tmp_path: Path) -> None:
    broken = {**OF_PROD, "connectors": {"bad": {"type": "sql"}}}
    files = environments(LATE[0], broken)
    (found,) = loaded(tmp_path, files, "dev").judgement.warnings
    assert found.message.endswith("; it does in the environment prod")


def test_what_a_tenant_of_another_environment_has(tmp_path: Path) -> None:
    """One document, for the tenants that each environment's variable lists."""
    shared = {"version": 1, "tenants": "${var.tenants}", "policies": {"p": {**DENY, **LATE[0]}}}
    project = "{dev: {variables: {tenants: [acme]}}, prod: {variables: {tenants: [acme, globex]}, overlays: [prod]}}"
    files = {
        "reconciler.yaml": f"version: 1\nproject: p\nenvironments: {project}\n",
        "a.yaml": yaml.safe_dump(shared),
        "prod/b.yaml": yaml.safe_dump({"version": 1, "tenant": "globex", "callers": OF_PROD["callers"]}),
    }
    assert len(loaded(tmp_path, files, "prod").judgement.warnings) == 1
    assert len(loaded(tmp_path, files, "dev").judgement.warnings) == 1


def test_other_environments_are_read_for_an_unmatched_literal_only(tmp_path: Path) -> None:
    """And each of them once, however many literals ask for it."""
    write(tmp_path, environments(GOOD[0]))
    project = open_project(tmp_path)
    load(project, "dev")
    assert project.worlds == {}
    write(tmp_path, environments({"subjects": {"callers": ["late-bot"], "roles": ["nurse"]}}))
    load(project, "dev")
    assert [*project.worlds] == ["prod"]


def test_warnings_are_shown_beside_errors(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": text(DOUBTS[0], limits={"l": {"target": "tenant"}})})
    done = reconciler("validate", ".", cwd=tmp_path).ok(3)
    assert ("[matches-nothing]" in done.err, done.err.count("Error: "), done.err.count("Warning: ")) == (True, 1, 1)
    report = reconciler("validate", ".", "--format", "json", cwd=tmp_path).ok(3).json
    assert (len(report["errors"]), [one["code"] for one in report["warnings"]]) == (1, ["matches-nothing"])
    assert "::warning" in reconciler("validate", ".", "--format", "github", cwd=tmp_path).ok(3).out
    for command in (("plan", "."), ("lint", ".")):
        assert reconciler(*command, cwd=tmp_path).ok(3).err.count("Warning: ") == 1


def test_doubts_about_the_project_file_are_shown_beside_errors(tmp_path: Path) -> None:
    files = environments({}, limits={"l": {"target": "tenant"}})
    rule = "ignore: [{address: acme/limit/nobody, field: requests, reason: x}]\n"
    write(tmp_path, {**files, "reconciler.yaml": PROJECT + rule})
    codes = [one["code"] for one in reconciler("validate", "--format", "json", cwd=tmp_path).ok(3).json["errors"]]
    assert "matches-nothing" in codes
    assert len(codes) == 2
