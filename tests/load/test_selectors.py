"""What selects nothing is found: a literal is an error with a suggestion, a pattern a warning, ``optional`` says it is meant."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import reconciler
from tests.load.selecting import DENY, WORLD, errors, text, warnings
from tests.load.support import loaded, write

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


UNCALLED: list[dict[str, Any]] = [
    {"names": ["datasource/sales"]},
    {"names": ["template/top", "connector/warehouse"]},
    {"names": ["datasource/*"]},
    {"names": ["*/sales"]},
    {"labels": {"team": "red"}},
]


@pytest.mark.parametrize("targets", UNCALLED, ids=str)
def test_an_allow_of_what_nobody_can_call_is_a_doubt(tmp_path: Path, targets: dict[str, Any]) -> None:
    """An allow is judged by what the caller names; a deny by everything behind it too."""
    more = {"integrations": {"gpt": {"provider": "openai", "credential": "env://KEY"}}}
    (found,) = warnings(tmp_path / "allow", {"a.yaml": text({"effect": "allow", "targets": targets}, **more)})
    assert found.startswith("this allows nothing: an allow is judged by what a caller names")
    assert warnings(tmp_path / "deny", {"a.yaml": text({"targets": targets}, **more)}) == []
    meant = {"effect": "allow", "targets": {**targets, "optional": True}}
    assert warnings(tmp_path / "meant", {"a.yaml": text(meant, **more)}) == []


CALLED: list[dict[str, Any]] = [
    {"names": ["template/top"]},
    {"names": ["template/*", "*/top"]},
    {"names": ["*/t*"]},
    {"labels": {"team": "rod"}},
]


@pytest.mark.parametrize("targets", CALLED, ids=str)
def test_an_allow_of_what_can_be_called_is_silent(tmp_path: Path, targets: dict[str, Any]) -> None:
    more = {"templates": {"top": {**WORLD["templates"]["top"], "labels": {"team": "rod"}}}}
    assert warnings(tmp_path, {"a.yaml": text({"effect": "allow", "targets": targets}, **more)}) == []


def test_a_typing_error_in_an_allow_is_an_error(tmp_path: Path) -> None:
    for name, meant in (("template/topp", "template/top"), ("datasource/salez", "datasource/sales")):
        (found,) = errors(tmp_path, {"a.yaml": text({"effect": "allow", "targets": {"names": [name]}})})
        assert f"did you mean `{meant}`?" in (found.hint or "")


def test_lint_counts_what_an_allow_reaches(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": text({"effect": "allow", "targets": {"names": ["*/*"]}})})
    done = reconciler("lint", ".", "--format", "json", cwd=tmp_path)
    assert [one["targets"] for one in done.json["selectors"]] == [1]
