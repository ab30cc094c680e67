"""Every word of a condition, on what it holds for and what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.lint.condition import WORDS, Condition
from reconciler.lint.evaluate import World, holds, of_resource
from reconciler.model.address import Address
from tests.lint.support import is_so, manifest
from tests.load.support import loaded

BODY = {
    "text": "abc",
    "empty": "",
    "no": False,
    "zero": 0,
    "money": "2500.5",
    "huge": "1e999999999",
    "nan": "NaN",
    "list": ["a", "b"],
    "map": {"x": {"n": 1}, "y": {"n": 2}},
    "nothing": {},
}

HOLDS: list[Any] = [
    {"path": "text", "set": True},
    {"path": "empty", "set": False},
    {"path": "nothing", "set": False},
    {"path": "missing", "set": False},
    {"path": "map.x.n.deeper", "set": False},
    {"path": "no", "set": True},
    {"path": "zero", "set": True},
    {"path": "text", "equals": "abc"},
    {"path": "no", "equals": False},
    {"path": "zero", "equals": 0},
    {"path": "money", "equals": 2500.5},
    {"path": "money", "equals": "2500.5"},
    {"path": "text", "one_of": ["x", "abc"]},
    {"path": "text", "like": "a*c"},
    {"path": "text", "like": ["x", "a?c"]},
    {"path": "text", "matches": "[a-c]+"},
    {"path": "money", "at_least": 2500.5},
    {"path": "money", "at_most": 2501},
    {"path": "zero", "at_most": 0},
    {"path": "list", "size": {"equals": 2}},
    {"path": "text", "size": {"at_most": 3}},
    {"path": "missing", "size": {"equals": 0}},
    {"path": "list", "some": {"equals": "b"}},
    {"path": "map", "some": {"path": "n", "equals": 2}},
    {"path": "map", "every": {"path": "n", "at_least": 1}},
    {"path": "missing", "every": {"equals": 1}},
    {"path": "map", "every": {"key": {"matches": "[xy]"}}},
    {"path": ["map", "x", "n"], "equals": 1},
    {"not": {"path": "text", "equals": "x"}},
    {"any_of": [{"path": "text", "equals": "x"}, {"path": "zero", "equals": 0}]},
    {"all_of": [{"path": "text", "equals": "abc"}, {"path": "zero", "equals": 0}]},
    {"path": "map.x", "all_of": [{"path": "n", "equals": 1}]},
]

HOLDS_NOT: list[Any] = [
    {"path": "text", "set": False},
    {"path": "missing", "set": True},
    {"path": "no", "equals": 0},
    {"path": "zero", "equals": False},
    {"path": "zero", "equals": "0"},
    {"path": "text", "equals": 1},
    {"path": "missing", "equals": "abc"},
    {"path": "missing", "one_of": ["abc"]},
    {"path": "text", "like": "a"},
    {"path": "list", "like": "*"},
    {"path": "text", "matches": "b"},
    {"path": "missing", "matches": ".*"},
    {"path": "text", "at_least": 0},
    {"path": "no", "at_least": 0},
    {"path": "huge", "at_least": 0},
    {"path": "nan", "at_most": 0},
    {"path": "nan", "equals": 0},
    {"path": "missing", "at_most": 5},
    {"path": "list", "size": {"at_least": 3}},
    {"path": "missing", "some": {"set": False}},
    {"path": "map", "every": {"path": "n", "at_most": 1}},
    {"path": "text", "equals": "abc", "like": "x"},
    {"any_of": [{"path": "text", "equals": "x"}]},
    {"all_of": [{"path": "text", "equals": "abc"}, {"path": "zero", "equals": 1}]},
    {"key": {"set": True}},
    {"address": {"set": True}},
]


@pytest.mark.parametrize("condition", HOLDS, ids=str)
def test_it_holds(condition: Any) -> None:
    assert is_so(condition, BODY)
    assert not is_so({"not": condition}, BODY)


@pytest.mark.parametrize("condition", HOLDS_NOT, ids=str)
def test_it_does_not_hold(condition: Any) -> None:
    assert not is_so(condition, BODY)
    assert is_so({"not": condition}, BODY)


def test_explicit_is_what_somebody_wrote() -> None:
    body = {"a": {"b": 1, "c": 2}, "list": [1], "d": 3}
    written: Any = [("a", "b"), ("list",)]
    assert is_so({"path": "a.b", "explicit": True}, body, written)
    assert is_so({"path": "a", "explicit": True}, body, written)
    assert is_so({"path": "a.c", "explicit": False}, body, written)
    assert is_so({"path": "d", "explicit": False}, body, written)
    assert is_so({"path": "list", "every": {"explicit": True}}, body, written)


RELATED = """
connectors:
  db: {type: sql, dialect: postgresql, dsn: vault://kv/acme/db#dsn}
  other: {type: sql, dialect: sqlite, database: x.db}
datasources:
  sales: {type: database, connector: db, classification: restricted}
templates:
  top: {type: sql, datasource: sales, sql: SELECT 1}
limits:
  month: {target: datasource/sales, per: month, requests: 5}
"""
ABOUT = [
    ("connector/db", {"referred_by": {}}, True),
    ("connector/other", {"referred_by": {}}, False),
    ("connector/db", {"referred_by": {"kind": "limit"}}, False),
    ("connector/db", {"referred_by": {"kind": ["limit", "datasource"]}}, True),
    ("datasource/sales", {"referred_by": {"field": "target"}}, True),
    ("datasource/sales", {"referred_by": {"kind": "template", "field": "connector"}}, False),
    ("connector/db", {"referred_by": {"with": {"path": "classification", "equals": "public"}}}, False),
    ("connector/db", {"referred_by": {"kind": "datasource", "with": {"referred_by": {"kind": "template"}}}}, True),
    ("template/top", {"refers_to": {"with": {"path": "classification", "equals": "restricted"}}}, True),
    ("template/top", {"refers_to": {"kind": "connector"}}, False),
    ("template/top", {"refers_to": {"with": {"refers_to": {"with": {"path": "dialect", "equals": "postgresql"}}}}}, True),
    ("connector/other", {"refers_to": {}}, False),
    ("connector/other", {"in_tenant": {"kind": "limit", "with": {"path": "requests", "at_most": 5}}}, True),
    ("connector/other", {"in_tenant": {"kind": "integration"}}, False),
    ("connector/db", {"address": {"like": "acme/connector/*"}}, True),
    ("connector/db", {"address": {"matches": "[a-z]+/connector/other"}}, False),
]  # fmt: skip


@pytest.mark.parametrize(("who", "condition", "expected"), ABOUT, ids=str)
def test_words_about_other_resources(tmp_path: Path, who: str, condition: Any, expected: bool) -> None:
    other = "---\nversion: 1\ntenant: globex\nintegrations: {i: {provider: bedrock, config: {region: eu-central-1}}}\n"
    resources = loaded(tmp_path, manifest(f"{RELATED}{other}")).configuration.resources
    subject = of_resource(resources[Address("acme", *who.split("/"))])
    assert holds(Condition.model_validate(condition), subject, World(resources)) is expected


def test_what_is_external_is_no_resource_here(tmp_path: Path) -> None:
    text = "external: [connector/far]\ndatasources: {d: {type: database, connector: far}}\n"
    resources = loaded(tmp_path, manifest(text)).configuration.resources
    subject = of_resource(resources[Address("acme", "datasource", "d")])
    assert not holds(Condition.model_validate({"refers_to": {}}), subject, World(resources))


def test_every_word_is_tried_here() -> None:
    tried = str([*HOLDS, *HOLDS_NOT, *(condition for _, condition, _ in ABOUT)])
    missing = [word for word in WORDS if f"'{word.rstrip('_')}'" not in tried]
    assert missing == ["explicit"], "it has a test of its own"


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"path": "a"},
        {"set": None},
        {"any_of": []},
        {"like": ""},
        {"matches": "("},
        {"matches": "(a)\\1"},
        {"matches": "(?=a)"},
        {"matches": "((a{1000}){1000}){1000}"},
        {"equal": 1},
        {"path": "a..b", "set": True},
    ],
)
def test_what_is_no_condition(condition: Any) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(condition)


def test_hostile_patterns_take_no_time() -> None:
    """With Python's own `re` each of these runs for years."""
    assert not is_so({"matches": "(a+)+b"}, "a" * 5000)
    assert not is_so({"like": "*a" * 60 + "b"}, "a" * 5000)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "2", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
simple = st.sampled_from(
    [{"set": True}, {"equals": "a"}, {"equals": 2}, {"at_least": 1}, {"like": "a*"}, {"size": {"at_least": 1}}]
)
conditions = st.recursive(
    simple,
    lambda inner: (
        inner.map(lambda one: {"not": one})
        | inner.map(lambda one: {"some": one})
        | inner.map(lambda one: {"every": one})
        | inner.map(lambda one: {"path": "x", "all_of": [one]})
        | st.lists(inner, min_size=1, max_size=3).map(lambda many: {"any_of": many})
    ),
    max_leaves=5,
)


@given(values, conditions, conditions)
def test_laws(value: Any, one: Any, other: Any) -> None:
    def so(condition: Any) -> bool:
        return is_so(condition, value)

    def negated(condition: Any) -> Any:
        return {"not": condition}

    assert so(negated(one)) is not so(one)
    assert so({"any_of": [one, other]}) is so(negated({"all_of": [negated(one), negated(other)]}))
    assert so({"every": one}) is so(negated({"some": negated(one)}))
    assert so({"path": "x", "set": True}) is (isinstance(value, dict) and is_so({"set": True}, value.get("x")))
