"""``env://``, and which references a tenant may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.errors import CredentialUnresolved, Problems
from reconciler.load.project import FILE_NAME, read_project
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Outside
from reconciler.secrets.policy import OURS, Permitted, Policy, hint_for, refusal
from reconciler.secrets.resolve import Resolver, Wanted, require_permitted
from reconciler.secrets.schemes import env
from tests.conftest import Run
from tests.secrets.stores import refused

NAMES = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)


def allowed(policy: Policy, tenant: str, text: str) -> bool:
    return refusal(policy, tenant, SecretRef.parse(text)) is None


def test_a_variable_of_the_process() -> None:
    fetch = env.connect(Outside({"OPENAI": "sk-of-env", "EMPTY": "", "ODD": "\udcff"}))
    found = fetch("acme", SecretRef.parse("env://OPENAI"))
    assert (found.secret.reveal(), found.version, found.seconds) == ("sk-of-env", None, None)
    for name, words in (("NOTHING", "no variable NOTHING"), ("EMPTY", "or it is empty"), ("ODD", "not UTF-8")):
        refused(
            lambda name=name: fetch("acme", SecretRef.parse(f"env://{name}")),  # type: ignore[misc]
            CredentialUnresolved,
            f"env://{name}",
            words,
        )


@pytest.mark.parametrize("text", ["env://path", "env://A-B", "env://A=B", "env://", "env://Ä", "env://A\n", "env://1A"])
def test_a_name_that_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        SecretRef.parse(text)


@pytest.mark.parametrize("prefix", OURS)
def test_our_own_variables_are_for_no_tenant_unless_named(prefix: str) -> None:
    name = f"env://{prefix}" if not prefix.endswith("_") else f"env://{prefix}TOKEN"
    assert not allowed(Policy(), "acme", name)
    assert allowed(Policy(prefixes={"env": (f"{prefix[:-1]}",)}), "acme", name)
    assert allowed(Policy(), "acme", "env://OPENAI_API_KEY")
    resolver = Resolver(Policy(), Outside({name.removeprefix("env://"): "of-ours"}))
    refused(lambda: resolver.resolve("acme", name), CredentialUnresolved, code="reference-forbidden")


CLOSED = [
    "prod",
    "production",
    "live",
    "prod-eu",
    "staging",
    "preprod",
    "canary",
    "qa-1",
    "developers",
    "contest",
    "dev-prod",
]


@pytest.mark.parametrize("environment", CLOSED)
def test_no_variable_is_allowed_unasked(environment: str) -> None:
    policy = Policy(environment=environment)
    assert not allowed(policy, "acme", "env://KEY")
    assert allowed(policy, "acme", "vault://kv/acme/a#b")
    assert str(refusal(policy, "acme", SecretRef.parse("env://KEY"))) == (
        f"env:// is off in {environment}: no variable is allowed there"
    )
    assert "{env: {allow: [KEY]}}" in hint_for(SecretRef.parse("env://KEY"))
    for said in (Policy({"env": True}), Policy(variables=("K_EY",)), Policy(prefixes={"env": ("K_",)})):
        assert allowed(replace(said, environment=environment), "acme", "env://K_EY")


@pytest.mark.parametrize(
    ("environment", "project"),
    [("prd", "dev"), ("preprod", "local"), ("production2", "dev"), ("livesite", "test"), ("staging", "dev-portal"), ("main", "test-suite")],
)  # fmt: skip
def test_no_name_of_a_project_opens_production(environment: str, project: str) -> None:
    """A part of a project's name says nothing of where it runs."""
    assert not allowed(Policy(environment=environment, project=project), "acme", "env://KEY")


@pytest.mark.parametrize(
    ("environment", "project"),
    [
        (None, "shop"),
        ("local", None),
        ("dev", None),
        ("dev-eu", None),
        ("test", "shop"),
        ("staging", "dev"),
        ("eu", "local"),
    ],
)
def test_where_any_variable_is_allowed(environment: str | None, project: str | None) -> None:
    policy = Policy(environment=environment, project=project)
    assert allowed(policy, "acme", "env://KEY")
    for own in (
        "VAULT_TOKEN",
        "GH_ENTERPRISE_TOKEN",
        "BUILDKITE_AGENT_ACCESS_TOKEN",
        "CIRCLE_OIDC_TOKEN_V2",
        "PGSERVICEFILE",
    ):
        assert not allowed(policy, "acme", f"env://{own}")
    assert not allowed(replace(policy, variables=()), "acme", "env://KEY")


@pytest.mark.parametrize(
    ("pattern", "tenant", "name", "good"),
    [
        ("KEY", "acme", "KEY", True),
        ("KEY", "acme", "KEY_2", False),
        ("AGENTS_*", "acme", "AGENTS_KEY", True),
        ("AGENTS_*", "acme", "AGENTSKEY", False),
        ("AGENTS_*", "acme", "AGENTS_", False),
        ("AGENTS_*", "acme", "MY_AGENTS_KEY", False),
        ("${TENANT}__*", "acme", "ACME__KEY", True),
        ("${tenant}__*", "acme", "ACME__KEY", True),
        ("${TENANT}__*", "acme", "GLOBEX__KEY", False),
        ("${TENANT}__*", "acme", "ACME_EU__KEY", False),
        ("${TENANT}__*", "acme-eu", "ACME_EU__KEY", True),
        ("${TENANT}__*", "acme--eu", "ACME__EU__KEY", False),
        ("KEY__${TENANT}", "acme", "KEY__ACME", True),
        ("KEY__${TENANT}", "acme", "KEY__ACME_EU", False),
    ],
)
def test_the_allow_list(pattern: str, tenant: str, name: str, good: bool) -> None:
    assert allowed(Policy(variables=(pattern,)), tenant, f"env://{name}") is good
    served = Policy(permitted=Permitted((), {tenant: (pattern,)}))
    wanted = Wanted(tenant, SecretRef.parse(f"env://{name}"))
    if good:
        require_permitted(served, wanted)
        wanted = wanted._replace(tenant="initech")
    refused(lambda: require_permitted(served, wanted), CredentialUnresolved, "permits", code="credential-unresolved")


@pytest.mark.parametrize(
    "pattern",
    ["*", "KEY*", "key", "${TENANT}_*", "${TENANT}KEY", "KEY_${TENANT}", "${name}_*", "${TENANT}__${TENANT}", "A-B"],
)
def test_a_pattern_that_is_none_is_an_error_of_the_project(tmp_path: Path, pattern: str) -> None:
    (tmp_path / FILE_NAME).write_text(f"version: 1\nsecrets: {{schemes: {{env: {{allow: ['{pattern}']}}}}}}\n")
    problems = Problems()
    read_project(tmp_path / FILE_NAME, problems)
    assert len(problems.found) == 1


def test_only_env_has_an_allow_list(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("version: 1\nsecrets: {schemes: {vault: {allow: [KEY]}}}\n")
    problems = Problems()
    read_project(tmp_path / FILE_NAME, problems)
    (problem,) = problems.found
    assert "vault takes `prefixes`" in problem.message


PROJECT = """
version: 1
project: shop
environments:
  dev: {}
  staging: {}
  listed: {schemes: {env: {allow: [OPENAI_KEY]}}}
"""
MANIFEST = """
version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: "env://OPENAI_KEY"}
"""


def test_validate_says_what_to_write(run: Run, folder: Path) -> None:
    (folder / FILE_NAME).write_text(PROJECT)
    (folder / "acme.yaml").write_text(MANIFEST)
    run("validate", "--env", "dev").ok()
    run("validate", "--env", "listed").ok()
    told = run("validate").ok(3)
    assert told.err.count("[reference-forbidden]") == 1
    assert "acme.yaml:5:42" in told.err
    assert "env:// is off in staging: no variable is allowed there" in told.err
    assert "{env: {allow: [OPENAI_KEY]}}" in told.err


@pytest.mark.parametrize("text", ["env://KEY", "vault://kv/acme/a#b", "aws-sm://acme/a", "encrypted://a"])
def test_a_scheme_that_is_off(text: str) -> None:
    scheme = text.partition(":")[0]
    assert allowed(Policy(), "acme", text)
    assert not allowed(Policy({scheme: False}), "acme", text)
    assert not allowed(Policy({scheme: False}, {scheme: ("",)}), "acme", text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("vault://kv/acme/a#b", True),
        ("vault://other/acme/a/b#c", True),
        ("vault://kv/globex/a#b", False),
        ("vault://kv/acme#b", False),
        ("vault://kv/acme-eu/a#b", False),
        ("vault://kv/shared/acme/a#b", False),
        ("vault://acme/globex/a#b", False),
        ("aws-sm://acme/a", True),
        ("aws-sm://acme/a#b", True),
        ("aws-sm://acme", False),
        ("aws-sm://globex/acme/a", False),
        ("aws-sm://acme-eu/a", False),
        ("encrypted://anything", True),
        ("env://ANYTHING", True),
    ],
)
def test_a_tenant_sees_its_own_part_of_a_store(text: str, good: bool) -> None:
    assert allowed(Policy(), "acme", text) is good


@given(NAMES, NAMES)
def test_no_tenant_sees_another_ones_part(one: str, other: str) -> None:
    for text in (f"vault://kv/{other}/a#b", f"aws-sm://{other}/a"):
        assert allowed(Policy(), one, text) is (one == other)
    narrow = Policy(prefixes={"vault": ("ns/kv/teams/${tenant}/",)})
    assert allowed(narrow, one, f"vault://ns/kv/teams/{other}/a#b") is (one == other)
    assert not allowed(narrow, one, f"vault://kv/{one}/a#b")


@given(
    st.from_regex(r"[a-z](?:[a-z-]{0,6}[a-z])?", fullmatch=True),
    st.from_regex(r"[a-z](?:[a-z-]{0,6}[a-z])?", fullmatch=True),
)
def test_no_tenant_sees_another_ones_variables(one: str, other: str) -> None:
    policy = Policy(prefixes={"env": ("${TENANT}__",)})
    name = f"env://{other.upper().replace('-', '_')}__KEY"
    if one != other and "--" not in other:
        assert not allowed(policy, one, name)
    if "--" not in one:
        assert allowed(policy, one, f"env://{one.upper().replace('-', '_')}__KEY")


def test_names_that_would_share_a_prefix_have_none() -> None:
    policy = Policy(prefixes={"env": ("${TENANT}__",)})
    assert allowed(policy, "a-b", "env://A_B__KEY")
    assert not allowed(policy, "a--b", "env://A__B__KEY")
    assert not allowed(policy, "a--b", "env://A_B__KEY")
    assert not allowed(policy, "a-b", "env://A__B__KEY")
    assert not allowed(policy, "a", "env://A_B__KEY")
    assert not allowed(policy, "a", "env://A__")


def test_an_empty_list_of_prefixes_is_none_at_all() -> None:
    for text in ("env://KEY", "vault://kv/acme/a#b", "aws-sm://acme/a", "encrypted://a"):
        assert not allowed(Policy(prefixes={text.partition(":")[0]: ()}), "acme", text)


def test_nobody_is_asked_for_what_is_forbidden() -> None:
    resolver = Resolver(Policy({"vault": False}), Outside({}))  # without VAULT_ADDR: asking would say so
    text = refused(
        lambda: resolver.resolve("acme", "vault://kv/acme/a#b"),
        CredentialUnresolved,
        "vault://kv/acme/a#b is not for acme: vault:// is switched off here",
        code="reference-forbidden",
    )
    assert "secrets.schemes" in text


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("kv/${tenant}", "ends in `/` or `_`"),
        ("${TENANT}_", "ends in `__`"),
        ("kv/${name}/", "no other variable"),
        ("kv/*/${tenant}/", "only as its first part"),
        ("**/", "only as its first part"),
    ],
)
def test_a_prefix_that_is_none_is_an_error_of_the_project(tmp_path: Path, prefix: str, words: str) -> None:
    (tmp_path / FILE_NAME).write_text(
        f"version: 1\nproject: shop\nsecrets:\n  schemes:\n    vault: {{prefixes: ['{prefix}']}}\n"
    )
    problems = Problems()
    read_project(tmp_path / FILE_NAME, problems)
    (problem,) = problems.found
    assert words in problem.message
    assert problem.place is not None
    assert problem.place.line == 5
