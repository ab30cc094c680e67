"""What is said to be risky of a change, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.access.planned import deciding
from reconciler.kinds.connector.mcp_definition import digest_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, get, put
from reconciler.model.plan import Action, Change, Touch
from reconciler.model.risk import RISKS
from reconciler.model.spec import Spec
from reconciler.planner.risks import risks_of
from tests.kinds.full import FULL, bodies

SQL = {"type": "sql", "dialect": "postgresql", "dsn": "env://DSN"}
HTTP = {"type": "http", "base_url": "https://api.example.com/v1"}
MCP = {"type": "mcp", "transport": "streamable_http", "url": "https://mcp.example.com"}
STDIO = {"type": "mcp", "transport": "stdio", "command": "server", "env": {"NODE_OPTIONS": {"plain": ""}}}
SNOW = {"type": "sql", "dialect": "snowflake", "host": "a.example", "database": "d", "options": {"role": "READER"}}
PINECONE = {"type": "vector", "engine": "pinecone", "api_key": "env://K", "index": "articles"}
GCS = {"type": "file", "provider": "gcs", "bucket": "b", "project": "p"}
OWN = {"type": "custom", "config": {"host": "ldap.internal"}}
KAFKA = {"type": "stream", "provider": "kafka", "brokers": ["k:9092"]}
KEY = {"type": "api_key", "key": "env://K"}
OAUTH = {"type": "oauth2", "token_url": "https://login.example", "client_id": "c", "client_secret": "env://S"}
NETWORK = [{"cidr": "10.0.0.0/8", "port": 1}]
PIN = "sha256:" + "a" * 64
TOOLS = {"a": {"requires_approval": True, "risk": "high", "pin": PIN}}
OPENAI = {"provider": "openai", "credential": "env://KEY", "models": ["m"]}
DATA = {"type": "database", "connector": "c", "tables": ["a.b"], "classification": "restricted", "access_roles": ["x"]}
MONTH = {"target": "tenant", "per": "month", "requests": 100}
FAST = {"models": ["fast"], "deployments": [{"integration": "i", "model": "m"}]}
NO_CARDS = {
    "targets": {"names": ["route/*"]},
    "phases": ["input", "output"],
    "check": {"type": "pattern", "builtin": ["credit_card"]},
    "action": "block",
}
QUERY = {"type": "sql", "datasource": "d", "sql": "SELECT 1", "max_rows": 10}
ASKS = {"type": "sql", "datasource": "d", "sql": "SELECT :n", "parameters": {"n": {"type": "integer", "max": 5}}}


def body(kind: str, raw: Body) -> Body:
    spec = parse(KINDS[kind], raw, Address("acme", kind, "x"))
    assert isinstance(spec, Spec), spec
    return spec.normalised()


def change(kind: str, before: Body | None, after: Body | None, action: Action = Action.UPDATE, **more: Any) -> Change:
    old, new = (None if raw is None else body(kind, raw) for raw in (before, after))
    return Change(Address("acme", kind, "x"), action, old, new, **more)


def pinned(description: str, more: Body | None = None) -> Body:
    """A connector with one tool, that was pinned as this description says."""
    definition = {"description": description, "input": {"type": "object", "properties": {"p": more or {}}}}
    return MCP | {"tools": {"a": {"pin": digest_of("a", definition), "definition": definition}}}


CASES: list[tuple[str, Body, Body, set[str]]] = [
    ("route", FAST, FAST | {"deployments": [{"integration": "i", "model": "other"}]}, {"route-changed"}),
    ("guardrail", NO_CARDS, NO_CARDS | {"phases": ["input"]}, {"guardrail-removed"}),
    ("guardrail", NO_CARDS | {"phases": ["input"]}, NO_CARDS, set()),
    ("connector", SQL, SQL | {"description": "x", "labels": {"a": "b"}}, set()),
    ("connector", SQL, SQL | {"dsn": "env://OTHER"}, {"credential-changed"}),
    ("connector", SQL, SQL | {"read_only": False}, {"read-only-removed"}),
    ("connector", SQL | {"read_only": False}, SQL, set()),
    ("connector", SQL, SQL | {"max_rows": 2000}, {"limit-raised"}),
    ("connector", SQL, SQL | {"max_rows": 20}, {"limit-lowered"}),
    ("connector", SQL | {"ssl": "verify-full"}, SQL | {"ssl": "require"}, {"encryption-weakened"}),
    ("connector", SQL | {"ssl": "require"}, SQL | {"ssl": "verify-full"}, set()),
    ("connector", SQL | {"protected": True}, SQL, {"protection-removed"}),
    ("connector", SQL, SQL | {"network_exceptions": [{"cidr": "10.0.0.0/8", "port": 1}]}, {"access-widened"}),
    ("connector", HTTP, HTTP | {"base_url": "https://api.example.com/v2"}, set()),
    ("connector", HTTP, HTTP | {"base_url": "https://api.example.com/v1/"}, set()),
    ("connector", HTTP, HTTP | {"base_url": "https://api.example.com/v1/admin"}, {"endpoint-path-changed"}),
    ("connector", HTTP, HTTP | {"base_url": "https://api.example.com"}, {"endpoint-path-changed"}),
    ("connector", HTTP, HTTP | {"base_url": "https://evil.example/v1"}, {"endpoint-host-changed"}),
    ("connector", HTTP, HTTP | {"base_url": "http://api.example.com/v1"}, {"endpoint-host-changed"}),
    ("connector", HTTP, HTTP | {"base_url": "https://api.example.com:8443/v1"}, {"endpoint-host-changed"}),
    ("connector", HTTP, HTTP | {"allowed_methods": ["GET", "HEAD", "POST"]}, {"access-widened"}),
    ("connector", HTTP, HTTP | {"allowed_methods": ["GET"]}, set()),
    ("connector", HTTP, HTTP | {"auth": {"type": "bearer", "token": "env://T"}}, {"credential-changed"}),
    ("connector", HTTP | {"headers": {"Authorization": "env://A"}}, HTTP, {"credential-changed"}),
    ("connector", MCP, MCP | {"tools": TOOLS}, {"access-widened"}),
    ("connector", STDIO, STDIO | {"env": {"NODE_OPTIONS": {"plain": "--require /tmp/evil.js"}}}, {"command-changed"}),
    ("connector", STDIO, STDIO | {"env": {}}, {"command-changed"}),
    ("connector", STDIO, STDIO | {"env": {"A": "env://A"}}, {"command-changed", "credential-changed"}),
    ("connector", SNOW, SNOW | {"options": {"role": "ACCOUNTADMIN"}}, {"access-widened", "credential-changed"}),
    (
        "connector",
        SNOW,
        SNOW | {"options": {"role": "READER", "account": "evil"}},
        {"access-widened", "credential-changed", "endpoint-host-changed"},
    ),
    (
        "connector",
        SNOW,
        SNOW | {"options": {"role": "READER", "connect": [{"sslMode": "disable"}]}},
        {"access-widened", "credential-changed", "encryption-weakened"},
    ),
    ("connector", SNOW, SNOW | {"port": 4443}, {"endpoint-host-changed"}),
    ("connector", PINECONE, PINECONE | {"index": "salaries"}, {"access-widened"}),
    ("connector", GCS, GCS | {"project": "evil"}, {"access-widened"}),
    ("connector", OWN, OWN | {"config": {"host": "evil.example"}}, {"endpoint-host-changed", "access-widened"}),
    (
        "connector",
        OWN,
        OWN | {"config": {"host": "ldap.internal", "api_key": "env://A"}},
        {"endpoint-host-changed", "access-widened", "credential-changed"},
    ),
    (
        "connector",
        OWN | {"config": {"a": [1, {"b": 0}]}},
        OWN | {"config": {"a": [1, {"b": False}]}},
        {"endpoint-host-changed", "access-widened"},
    ),
    ("connector", KAFKA, KAFKA | {"security": "plaintext"}, {"encryption-weakened"}),
    ("connector", KAFKA | {"security": "tls"}, KAFKA, set()),
    ("connector", HTTP | {"headers": {"X-A": "1"}}, HTTP | {"headers": {"X-A": "2"}}, {"credential-changed"}),
    ("connector", HTTP | {"auth": KEY}, HTTP | {"auth": KEY | {"in": "query"}}, {"credential-changed"}),
    ("connector", HTTP | {"auth": OAUTH}, HTTP | {"auth": OAUTH | {"scopes": ["a"]}}, {"access-widened"}),
    ("connector", HTTP | {"auth": OAUTH}, HTTP | {"auth": OAUTH | {"scopes": ["a", "b"]}}, {"access-widened"}),
    ("connector", HTTP | {"auth": OAUTH | {"scopes": ["a"]}}, HTTP | {"auth": OAUTH}, {"access-widened"}),
    ("connector", MCP | {"tools": TOOLS}, MCP, set()),
    ("connector", MCP | {"tools": TOOLS}, MCP | {"tools": {"a": {"risk": "high", "pin": PIN}}}, {"approval-removed"}),
    ("connector", MCP | {"tools": TOOLS}, MCP | {"tools": {"a": TOOLS["a"] | {"risk": "low"}}}, {"access-widened"}),
    (
        "connector",
        MCP | {"tools": TOOLS},
        MCP | {"tools": {"a": {"requires_approval": True, "risk": "high"}}},
        {"pin-changed"},
    ),
    ("connector", pinned("a"), pinned("b"), {"pin-changed", "tool-changed"}),
    ("connector", pinned("a"), pinned("a\u200b"), {"pin-changed", "tool-changed", "hidden-text"}),
    ("connector", pinned("a"), pinned("a", {"x-mcp-header": "P"}), {"pin-changed", "tool-changed", "value-in-header"}),
    ("integration", OPENAI, OPENAI | {"models": ["m", "n"]}, {"access-widened"}),
    ("integration", OPENAI, OPENAI | {"models": []}, {"access-widened"}),
    ("integration", OPENAI | {"models": []}, OPENAI, set()),
    ("integration", OPENAI | {"enabled": False}, OPENAI, {"access-widened"}),
    ("integration", OPENAI, OPENAI | {"enabled": False}, set()),
    ("integration", OPENAI, OPENAI | {"base_url": "https://proxy.example"}, {"endpoint-host-changed"}),
    ("datasource", DATA, DATA | {"tables": ["a.b", "a.c"]}, {"access-widened"}),
    ("datasource", DATA, DATA | {"tables": ["a.c"]}, {"access-widened"}),
    ("datasource", DATA, DATA | {"functions": ["public.f"]}, {"access-widened"}),
    ("datasource", DATA | {"functions": ["public.f"]}, DATA, set()),
    ("datasource", DATA, DATA | {"access_roles": []}, set()),
    ("datasource", DATA | {"access_roles": []}, DATA, set()),
    ("datasource", DATA, DATA | {"classification": "internal"}, {"classification-lowered"}),
    ("datasource", DATA | {"lifecycle": "inactive"}, DATA, set()),
    ("datasource", DATA | {"lifecycle": "deprecated"}, DATA, set()),
    ("datasource", DATA | {"lifecycle": "inactive"}, DATA | {"lifecycle": "deprecated"}, set()),
    ("template", QUERY, QUERY | {"sql": "SELECT 2"}, {"statement-changed"}),
    ("template", QUERY, QUERY | {"tool_name": "get_it"}, {"statement-changed"}),
    (
        "template",
        ASKS,
        ASKS | {"parameters": {"n": {"type": "integer", "max": 5, "nullable": True}}},
        {"access-widened"},
    ),
    ("template", QUERY, QUERY | {"max_rows": 11}, {"limit-raised"}),
    ("template", QUERY, {k: v for k, v in QUERY.items() if k != "max_rows"}, {"limit-raised"}),
    ("template", ASKS, ASKS | {"parameters": {"n": {"type": "integer", "max": 6}}}, {"access-widened"}),
    ("template", ASKS, ASKS | {"parameters": {"n": {"type": "integer"}}}, {"access-widened"}),
    ("template", ASKS, ASKS | {"parameters": {"n": {"type": "integer", "max": 4, "min": 0}}}, set()),
    ("limit", MONTH, MONTH | {"requests": 101}, {"limit-raised"}),
    ("limit", MONTH, MONTH | {"requests": 99}, {"limit-lowered"}),
    ("limit", MONTH, MONTH | {"per": "day"}, {"limit-raised"}),
    ("limit", MONTH, MONTH | {"per": "day", "requests": 3}, {"limit-lowered"}),
    ("limit", MONTH, MONTH | {"tokens": 5}, {"limit-lowered"}),
    ("limit", MONTH, {"target": "tenant", "per": "month", "tokens": 5}, {"limit-raised", "limit-lowered"}),
    ("limit", MONTH, MONTH | {"on_exceed": "warn"}, {"limit-raised"}),
    ("limit", MONTH | {"on_exceed": "warn"}, MONTH, {"limit-lowered"}),
    ("limit", MONTH, MONTH | {"target": "connector/a"}, {"limit-raised", "limit-lowered"}),
    ("limit", {"target": "tenant", "concurrent": 3}, {"target": "tenant", "concurrent": 4}, {"limit-raised"}),
]


@pytest.mark.parametrize(("kind", "before", "after", "risks"), CASES)
def test_what_a_field_risks(kind: str, before: Body, after: Body, risks: set[str]) -> None:
    assert set(risks_of(change(kind, before, after))) == risks


def test_what_an_action_risks() -> None:
    touch = Touch("eve", "now")
    assert risks_of(change("limit", None, MONTH, Action.CREATE)) == ()
    assert risks_of(change("limit", MONTH, None, Action.DELETE)) == ("deletes", "limit-raised")
    assert risks_of(change("connector", None, SQL, Action.CREATE)) == ()
    assert risks_of(change("connector", SQL, None, Action.DELETE, outside=touch)) == ("deletes", "overwrites-outside")
    assert risks_of(change("connector", SQL, HTTP, Action.REPLACE)) == (
        "replaces",
        "credential-changed",
    )
    assert risks_of(change("connector", SQL, SQL, Action.FORGET)) == ("lets-go",)
    assert risks_of(change("connector", SQL, SQL, Action.FORGET, reason="deleted-outside")) == ()
    assert risks_of(change("connector", SQL, SQL, Action.ADOPT, adopted_from="other")) == ("takes-over",)
    assert risks_of(change("connector", SQL, SQL, Action.ADOPT, adopted_from="")) == ()
    assert risks_of(change("connector", SQL, SQL, Action.MOVE, outside=touch)) == ()


def test_a_replacement_by_another_of_the_same_type_is_judged_as_a_change() -> None:
    bare = {"type": "mcp", "transport": "stdio", "command": "server"}
    taken = change("connector", bare, bare | {"args": ["-x"]}, Action.REPLACE)
    assert risks_of(taken) == ("replaces", "command-changed")
    assert risks_of(change("connector", SNOW, SNOW | {"port": 4443}, Action.REPLACE)) == (
        "replaces",
        "endpoint-host-changed",
    )


def test_another_way_to_authenticate_is_judged_by_its_fields() -> None:
    basic = {"type": "basic", "username": "u", "password": "env://P"}
    to_oauth = change("connector", HTTP | {"auth": basic}, HTTP | {"auth": OAUTH})
    assert risks_of(to_oauth) == ("credential-changed", "endpoint-host-changed")
    to_basic = change("connector", HTTP | {"auth": OAUTH}, HTTP | {"auth": basic})
    assert risks_of(to_basic) == ("credential-changed", "endpoint-host-changed")


def test_a_replacement_is_judged_by_what_both_types_have() -> None:
    before, after = HTTP | {"auth": KEY}, MCP | {"auth": KEY | {"in": "query"}, "network_exceptions": NETWORK}
    assert risks_of(change("connector", before, after, Action.REPLACE)) == (
        "replaces",
        "credential-changed",
        "endpoint-host-changed",
        "access-widened",
        "limit-lowered",
    )
    assert risks_of(change("connector", SNOW | {"username": "u"}, OWN, Action.REPLACE)) == ("replaces",)


OPENAI = {"provider": "openai", "credential": "env://K"}
STOLEN = {"provider": "custom", "credential": "env://K", "base_url": "https://evil.example/v1"}
STARTS = {"type": "mcp", "transport": "stdio", "command": "evil"}


def test_a_replacement_that_sends_the_same_secret_elsewhere_or_starts_a_program() -> None:
    assert "endpoint-host-changed" in risks_of(change("integration", OPENAI, STOLEN, Action.REPLACE))
    another = STOLEN | {"credential": "env://OTHER"}
    assert "endpoint-host-changed" not in risks_of(change("integration", OPENAI, another, Action.REPLACE))
    assert "command-changed" in risks_of(change("connector", HTTP, STARTS, Action.REPLACE))
    assert "command-changed" not in risks_of(change("connector", SQL, HTTP, Action.REPLACE))


@pytest.mark.parametrize(
    ("bounds", "widens"),
    [({"enum": ["eu"]}, True), ({"from": "claims.org"}, True), ({"max_length": 2}, True), ({}, False)],
)
def test_a_bound_does_not_go_with_the_name_of_a_parameter(bounds: Body, widens: bool) -> None:
    def template(name: str, parameter: Body) -> Body:
        sql = f"SELECT a FROM t WHERE region = :{name}"
        return {"type": "sql", "datasource": "d", "sql": sql, "parameters": {name: {"type": "string", **parameter}}}

    found = risks_of(change("template", template("region", bounds), template("area", {})))
    assert ("access-widened" in found) is widens


def test_another_path_of_a_token_url_or_of_a_server_is_a_risk() -> None:
    moved = HTTP | {"auth": OAUTH | {"token_url": "https://login.example/other"}}
    assert risks_of(change("connector", HTTP | {"auth": OAUTH}, moved)) == ("credential-changed",)
    server = {"type": "mcp", "transport": "streamable_http", "url": "https://host.example/acme"}
    other = server | {"url": "https://host.example/mallory"}
    assert risks_of(change("connector", server, other)) == ("access-widened",)


@pytest.mark.parametrize(("kind", "variant"), FULL)
def test_a_reference_that_follows_its_target_to_a_new_name_has_no_risk(kind: str, variant: str) -> None:
    for raw in bodies(kind, variant):
        before = body(kind, raw)
        after = before
        moves: dict[Address, Address] = {}
        for path, target in KINDS[kind].references_of("acme", before):
            new = moves[target] = target._replace(name=f"{target.name}-2")
            after = put(after, path, f"{new.kind}/{new.name}" if "/" in get(before, path) else new.name)
        after = body(kind, after)
        renamed = Change(Address("acme", kind, "x"), Action.UPDATE, before, after)
        assert risks_of(renamed, moves) == ()
        # what a call goes through is judged by comparing access, and not by its name in a field; a route says more of its own
        assert bool(risks_of(renamed)) == bool(moves and (kind not in deciding() or kind == "route"))


def test_every_risk_can_be_found() -> None:
    found = {risk for *_, risks in CASES for risk in risks}
    by_action = {"deletes", "replaces", "overwrites-outside", "takes-over", "lets-go"}
    stdio = {"type": "mcp", "transport": "stdio", "command": "server"}
    found |= set(risks_of(change("connector", stdio, stdio | {"args": ["-x"]})))
    found |= set(risks_of(change("connector", None, stdio, Action.CREATE)))
    # access-narrowed comes from comparing what access allows, not from one field
    assert found | by_action == set(RISKS) - {"access-narrowed"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["x", [1], {"a": "b"}, -1, True, None, {"a": {"requires_approval": 7}}])
def test_whatever_somebody_wrote_into_a_row_is_judged(kind: str, value: Any) -> None:
    wanted = {
        "connector": SQL,
        "integration": OPENAI,
        "datasource": DATA,
        "template": ASKS,
        "limit": MONTH,
        "caller": {"roles": ["a"], "auth": {"jwt": {"issuer": "corp", "claims": {"azp": "bot"}}}},
        "policy": {
            "effect": "allow",
            "subjects": {"roles": ["a"]},
            "actions": ["query"],
            "targets": {"names": ["*/x"]},
        },
        "plane": {"datasources": ["d"], "actions": {"query": "template/t"}},
        "route": FAST,
        "guardrail": NO_CARDS,
    }[kind]
    good = body(kind, wanted)
    for field in (*good, "tools", "base_url", "network_exceptions", "allowed_methods", "auth", "parameters"):
        for broken in ({**good, field: value}, {field: value}):
            assert set(risks_of(Change(Address("acme", kind, "x"), Action.UPDATE, broken, good))) <= set(RISKS)
