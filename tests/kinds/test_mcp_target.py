"""A tool as a target: named, narrowed, decided about, and told to agents."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.access.decide import Ask, decide, subject_of, tools_of
from reconciler.access.effects import effects_of
from reconciler.access.judge import Caller, judge
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.access.target import Target
from reconciler.kinds.connector.mcp_definition import digest_of
from reconciler.kinds.connector.mcp_tool import shown_name
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical, put
from reconciler.model.known import Known, Text
from reconciler.model.plan import Action, Change
from reconciler.model.spec import Spec
from reconciler.model.target import Bound, Identity, NoClaim
from reconciler.runtime.limits import levels_of

from .support import found

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "owner": {"type": "string"},
        "user": {"type": "string", "x-mcp-header": "User"},
        "path": {"type": "string"},
        "depth": {"type": "integer", "minimum": 0},
    },
    "required": ["owner", "path"],
    "additionalProperties": False,
}
DEFINITION: dict[str, Any] = {
    "description": "Lists\u200b files.",
    "input": SCHEMA,
    "annotations": {"readOnlyHint": True},
}
ARGUMENTS: dict[str, Any] = {
    "owner": {"const": "acme"},
    "user": {"from": "claims.email"},
    "path": {"pattern": "/srv/[a-z]+"},
    "depth": {"max": 3},
}


def pinned(name: str, **more: Any) -> dict[str, Any]:
    return {"pin": digest_of(name, DEFINITION), "definition": DEFINITION, **more}


def connector(**more: Any) -> dict[str, Any]:
    tools = {"list.files": pinned("list.files", arguments=ARGUMENTS), "wipe": pinned("wipe", read_only=False)}
    return {
        "type": "mcp",
        "transport": "streamable_http",
        "url": "https://mcp.example.com",
        "classification": "internal",
        "tools": {**tools, "unpinned": {}},
        **more,
    }


def policy(effect: str = "allow", **targets: Any) -> dict[str, Any]:
    return {"effect": effect, "subjects": {"callers": ["bot"]}, "actions": ["invoke"], "targets": targets}


def known(kind: str, name: str, raw: Any) -> Known:
    spec = parse(KINDS[kind], raw, Address("acme", kind, name))
    assert isinstance(spec, Spec), spec
    text = Text(canonical(spec.normalised()), KINDS[kind].spec_version)
    return Known(Address("acme", kind, name), f"uid-{name}", text, "p1", True)


def world(served: bool = True, connectors: dict[str, Any] | None = None, **more: Any) -> list[Known]:
    resources = [known("caller", "bot", {"auth": {"api_key": {}}})]
    resources += [known("connector", name, raw) for name, raw in (connectors or {"files": connector()}).items()]
    return resources + [known(key.partition("_")[0], key.replace("_", "-"), raw) for key, raw in more.items()]


def tenant(*resources: Known) -> Tenant:
    return snapshot_of(resources).tenant("acme")


def decided(of: Tenant, target: str) -> str:
    subject = subject_of(of, "bot")
    assert not isinstance(subject, str)
    return decide(of, subject, Ask(target)).reason


def test_its_action_is_invoke_and_it_may_write_unless_somebody_says_not() -> None:
    of = tenant(*world())
    reads, writes = (of.target(f"tool/files/{name}") for name in ("list.files", "wipe"))
    assert isinstance(reads, Target)
    assert isinstance(writes, Target)
    assert (reads.action, reads.writes, writes.action, writes.writes) == ("invoke", False, "invoke", True)
    assert (reads.tool, writes.tool) == ("files__list_files", "files__wipe")
    assert reads.description == "Lists files."  # without what a person doesn't see
    assert reads.classification == "internal"


@pytest.mark.parametrize(
    ("names", "reasons"),
    [
        (["tool/files/*"], ("allowed", "allowed")),
        (["tool/files/list.files"], ("allowed", "no-policy")),
        (["tool/*/wipe"], ("no-policy", "allowed")),
        (["*/*"], ("allowed", "allowed")),
        (["connector/files"], ("no-policy", "no-policy")),  # an allow is judged by what is named
        (["tool/other/*"], ("no-policy", "no-policy")),
    ],
    ids=str,
)
def test_an_allow_names_tools(names: list[str], reasons: tuple[str, str]) -> None:
    of = tenant(*world(policy_a=policy(names=names)))
    assert (decided(of, "tool/files/list.files"), decided(of, "tool/files/wipe")) == reasons


@pytest.mark.parametrize("targets", [{"names": ["connector/files"]}, {"names": ["tool/files/wipe"]}], ids=str)
def test_a_deny_reaches_the_tool_and_what_it_is_a_part_of(targets: dict[str, Any]) -> None:
    of = tenant(*world(policy_a=policy(names=["*/*"]), policy_b=policy("deny", **targets)))
    assert decided(of, "tool/files/wipe") == "denied"


def test_a_tool_may_be_more_sensitive_than_its_connector() -> None:
    tools = {"wipe": pinned("wipe", classification="restricted"), "look": pinned("look")}
    allow = policy(names=["*/*"]), policy("deny", classification=["restricted"])
    of = tenant(*world(connectors={"files": connector(tools=tools)}, policy_a=allow[0], policy_b=allow[1]))
    assert (decided(of, "tool/files/wipe"), decided(of, "tool/files/look")) == ("denied", "allowed")
    less = connector(classification="restricted", tools={"wipe": pinned("wipe", classification="public")})
    assert found("connector", less) == {("conflicting-fields", ("tools", "wipe", "classification"))}


def test_what_is_not_pinned_is_not_called() -> None:
    of = tenant(*world(policy_a=policy(names=["*/*"])))
    assert decided(of, "tool/files/unpinned") == "not-pinned"
    subject = subject_of(of, "bot")
    assert not isinstance(subject, str)
    assert [*tools_of(of, subject)] == ["files__list_files", "files__wipe"]


def test_a_definition_that_is_not_the_pinned_one() -> None:
    tools = {"wipe": {**pinned("wipe"), "definition": {**DEFINITION, "description": "another"}}}
    assert found("connector", connector(tools=tools)) == {("lock-edited", ("tools", "wipe", "definition"))}


def test_fixed_and_derived_arguments_are_hidden_and_sent() -> None:
    of = tenant(*world()).target("tool/files/list.files")
    assert isinstance(of, Target)
    shown = of.input_schema
    assert {*shown["properties"]} == {"path", "depth"}
    assert shown["properties"]["path"]["pattern"] == "^(?:/srv/[a-z]+)$"
    assert shown["required"] == ["depth", "path"]  # what is narrowed has to be given
    who = Identity("bot", {"email": "ada@example.com"})
    bound = of.inputs.bind({"path": "/srv/a", "depth": 2}, who)
    assert bound == Bound({"path": "/srv/a", "depth": 2, "owner": "acme", "user": "ada@example.com"})
    with pytest.raises(NoClaim):
        of.inputs.bind({"path": "/srv/a", "depth": 2}, Identity("bot", {}))


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"depth": 2}, "path"),
        ({"path": "/etc/passwd", "depth": 2}, "path"),
        ({"path": "/srv/a", "depth": 4}, "depth"),
        ({"path": "/srv/a", "depth": -1}, "depth"),
        ({"path": "/srv/a", "depth": "2"}, "depth"),
        ({"path": "/srv/a", "depth": 2, "owner": "globex"}, "owner"),
        ({"path": "/srv/a", "depth": 2, "user": "eve@example.com"}, "user"),
        ({"path": "/srv/a", "depth": 2, "more": 1}, "arguments"),
    ],
    ids=str,
)
def test_values_that_are_refused(given: dict[str, Any], about: str) -> None:
    of = tenant(*world()).target("tool/files/list.files")
    assert isinstance(of, Target)
    wrong = of.inputs.bind(given, Identity("bot", {"email": "ada@example.com"}))
    assert not isinstance(wrong, Bound)
    assert [one.parameter for one in wrong] == [about]


@pytest.mark.parametrize(
    ("arguments", "path", "code"),
    [
        ({"ownr": {"const": "acme"}}, ("ownr",), "undeclared-parameter"),
        ({"owner": {"const": 5}}, ("owner", "const"), "parameter-mismatch"),
        ({"owner": {}}, ("owner",), "missing-field"),
        ({"owner": {"const": "a", "from": "caller.name"}}, ("owner", "const"), "conflicting-fields"),
        ({"depth": {"min": 3, "max": 2}}, ("depth", "min"), "out-of-range"),
    ],
    ids=str,
)
def test_arguments_that_the_tool_does_not_have(arguments: Any, path: Any, code: str) -> None:
    raw = connector(tools={"wipe": pinned("wipe", arguments=arguments)})
    assert found("connector", raw) == {(code, ("tools", "wipe", "arguments", *path))}


def test_shown_names_are_what_every_client_takes() -> None:
    assert shown_name("git-hub", "a/b.c", None) == "git-hub__a_b_c"
    assert shown_name("git", "x", "my_tool") == "my_tool"
    long = [shown_name("c", "x" * 70 + end, None) for end in "ab"]
    assert {len(one) for one in long} == {64}
    assert long[0] != long[1]
    twice = connector(tools={"a.b": pinned("a.b"), "a_b": pinned("a_b")})
    assert found("connector", twice) == {("duplicate-value", ("tools", "a_b"))}


def test_a_limit_on_a_tool_counts_for_it_alone() -> None:
    limit = {"target": "tool/files/wipe", "per": "day", "requests": 5}
    of = tenant(*world(limit_a=limit))
    counted = {}
    for name in ("list.files", "wipe"):
        target = of.target(f"tool/files/{name}")
        assert isinstance(target, Target)
        counted[name] = [(one.target, one.counter) for one in levels_of(of, "bot", target) if one.per == "day"]
    assert counted == {"list.files": [], "wipe": [("tool/files/wipe", "uid-files/wipe")]}


LOOK = pinned("look")


@pytest.mark.parametrize(
    ("change", "widened", "narrowed"),
    [
        ((("tools", "new"), LOOK | {"pin": digest_of("new", DEFINITION)}), ["tool/files/new"], []),
        ((("tools",), {"list.files": connector()["tools"]["list.files"]}), [], ["tool/files/wipe"]),
        ((("tools", "wipe", "classification"), "restricted"), [], ["tool/files/wipe"]),
        ((("tools", "unpinned"), pinned("unpinned")), ["tool/files/unpinned"], []),
    ],
    ids=lambda one: str(one)[:40],
)
def test_what_a_changed_connector_does_to_access(change: Any, widened: list[str], narrowed: list[str]) -> None:
    """The connector is the cause, though it stands behind every one of its tools."""
    allow = policy(names=["tool/files/*"], classification=["internal"])
    before, after = (known("connector", "files", raw) for raw in (connector(), put(connector(), *change)))
    assert before.live is not None
    assert after.live is not None
    update = Change(before.address, Action.UPDATE, before.live.json, after.live.json, uid=before.uid)
    result = effects_of(world(policy_a=allow), [update], "p1")
    found = {sign: [] for sign in (True, False)}  # type: dict[bool, list[str]]
    for one in result.effects.listed:
        found[one.widened] += [reach.target for reach in one.reaches]
    assert (found[True], found[False]) == (widened, narrowed)
    assert {*result.risks} == {before.address}


def test_a_token_of_the_caller_s_own_takes_one_to_exchange() -> None:
    oauth = {"type": "oauth2", "grant": "token_exchange", "client_id": "bot", "client_secret": "vault://kv/acme/x#y"}
    raw = connector(auth={**oauth, "token_url": "https://login.example.com/token"}, tools={"look": pinned("look")})
    of = tenant(*world(connectors={"files": raw}, policy_a=policy(names=["*/*"])))
    ask = Ask("tool/files/look")
    assert judge(of, None, Caller("acme", "bot"), ask).reason == "claim-missing"
    assert judge(of, None, Caller("acme", "bot", claims={"sub": "ada"}), ask).allowed
    unknown = judge(of, None, Caller("acme", "bot", claims=None), ask)
    assert unknown.allowed
