"""Parsing bodies: codes, paths, hints, upgrades."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import Problem, Refused
from reconciler.kinds.parse import parse, upgrade
from reconciler.kinds.table import KINDS

from .support import REF, address, body, found, minimal, one, problems

OPENAI: dict[str, Any] = minimal("integration", "openai")


def _one(field: str, value: Any, kind: str = "integration", variant: str = "openai") -> Problem:
    return one(kind, minimal(kind, variant, **{field: value}))


@pytest.mark.parametrize("raw", [None, 5, "text", [], [{}], True, Decimal("1.5")])
def test_a_body_is_a_map(raw: Any) -> None:
    assert found("limit", raw) == {("wrong-type", ())}
    assert found("connector", raw) == {("wrong-type", ())}


def test_problems_carry_the_address() -> None:
    assert one("limit", None).address == "acme/limit/it"
    assert {problem.address for problem in problems("limit", {"requests": "x"})} == {"acme/limit/it"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({}, "missing-field"),
        ({"type": None}, "missing-field"),
        ({"type": 5}, "wrong-type"),
        ({"type": "htpp"}, "unknown-type"),
    ],
)
def test_the_type_chooses_the_variant(raw: Any, code: str) -> None:
    problem = problems("connector", raw)[0]
    assert (problem.code, problem.path) == (code, ("type",))
    assert problem.expected is not None
    assert problem.expected.startswith("http, sql, mcp")


@pytest.mark.parametrize(
    ("kind", "raw", "hint"),
    [
        ("connector", {"type": "htpp"}, "did you mean `http`?"),
        ("integration", {"provider": "OpenAI"}, "did you mean `openai`?"),
        ("integration", {"provider": "azure-openai"}, "did you mean `azure_openai`?"),
        ("integration", {"provider": "google"}, "did you mean `gemini`?"),
        ("datasource", {"type": "databse"}, "did you mean `database`?"),
        ("connector", {"type": "zzzzzz"}, None),
        ("connector", {"type": "x" * 100_000}, None),
    ],
)
def test_an_unknown_type_has_a_near_name(kind: str, raw: Any, hint: str | None) -> None:
    problem = problems(kind, raw)[0]
    assert (problem.code, problem.hint) == ("unknown-type", hint)


def test_a_mistyped_type_does_not_hide_the_other_problems() -> None:
    raw = {"type": "htpp", "base_url": "https://x.example", "timeout_seconds": 0}
    assert found("connector", raw) == {("unknown-type", ("type",)), ("out-of-range", ("timeout_seconds",))}


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("modles", "did you mean `models`?"),
        ("defaultModel", "did you mean `default_model`?"),
        ("api_key", "did you mean `credential`?"),
        ("api_base", "did you mean `base_url`?"),
        ("timeout", "did you mean `timeout_seconds`?"),
        ("name", "the name of a resource is its key in the map, not a field"),
        ("zzzz", None),
    ],
)
def test_unknown_fields_have_near_names(field: str, hint: str | None) -> None:
    problem = _one(field, "whatever")
    assert (problem.code, problem.path, problem.on_key) == ("unknown-field", (field,), True)
    assert problem.hint == hint
    assert problem.expected is not None
    assert "default_model" in problem.expected


def test_a_misspelt_field_does_not_hide_the_rules_about_several_fields() -> None:
    raw = {**OPENAI, "modles": [], "models": ["a"], "default_model": "b"}
    assert found("integration", raw) == {("unknown-field", ("modles",)), ("default-not-in-models", ("default_model",))}


def test_all_problems_are_reported_at_once() -> None:
    raw = {
        "provider": "openai",
        "credential": "sk",
        "enabled": "no",
        "timeout_seconds": 0,
        "config": {"organisation": "x"},
    }
    assert found("integration", raw) == {
        ("plaintext-secret", ("credential",)),
        ("wrong-type", ("enabled",)),
        ("out-of-range", ("timeout_seconds",)),
        ("unknown-field", ("config", "organisation")),
    }


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("50_000", "write 50000"),
        ("50,000", "write 50000"),
        ("1:30", "YAML 1.2 reads `1:30` as text; write 90"),
        ("30", "remove the quotes"),
        ("30s", "write the plain number; the unit is in the field's name or description"),
        ("5 MiB", "write the plain number; the unit is in the field's name or description"),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),
        ([30], None),
    ],
)
def test_hints_where_a_number_is_wanted(value: Any, hint: str | None) -> None:
    problem = _one("timeout_seconds", value)
    assert (problem.code, problem.expected, problem.hint) == ("wrong-type", "an integer", hint)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x", "expected an integer, found text"),
        ("", "expected an integer, found empty text"),
        (None, "expected an integer, found nothing (null)"),
        (Decimal("1.5"), "expected an integer, found a number"),
        (1.5, "expected an integer, found a number"),
        (True, "expected an integer, found a boolean"),
        ([], "expected an integer, found a list"),
        ({}, "expected an integer, found a map"),
    ],
)
def test_messages_name_the_type_that_was_found(value: Any, message: str) -> None:
    assert _one("timeout_seconds", value).message == message


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("no", "YAML 1.2 reads `no` as text; write false"),
        ("Off", "YAML 1.2 reads `off` as text; write false"),
        ("yes", "YAML 1.2 reads `yes` as text; write true"),
        ("on", "YAML 1.2 reads `on` as text; write true"),
        ("true", "remove the quotes"),
        ("maybe", None),
        (1, None),
    ],
)
def test_hints_where_a_boolean_is_wanted(value: Any, hint: str | None) -> None:
    problem = _one("enabled", value)
    assert (problem.code, problem.hint) == ("wrong-type", hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (5, "put it in quotes"),
        (Decimal("1.10"), "put it in quotes"),
        (1.5, "put it in quotes"),
        (False, 'put it in quotes: "false"'),
        (None, 'give text, or "" for empty text'),
        ([], None),
        ({}, None),
    ],
)
def test_hints_where_text_is_wanted(value: Any, hint: str | None) -> None:
    problem = _one("description", value)
    assert (problem.code, problem.expected, problem.hint) == ("wrong-type", "text", hint)


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("models", "gpt-5", "write [gpt-5]"),
        ("models", "gpt-5, gpt-5-mini", "put it in square brackets"),
        ("models", "x" * 100, "put it in square brackets"),
        ("models", {"a": 1}, None),
    ],
)
def test_hints_where_a_list_is_wanted(field: str, value: Any, hint: str | None) -> None:
    problem = _one(field, value)
    assert (problem.code, problem.expected, problem.hint) == ("wrong-type", "a list", hint)


def test_a_private_scalar_is_not_repeated_where_a_list_is_wanted() -> None:
    problem = _one("args", "secret-thing", "connector", "mcp")
    assert problem.hint == "put it in square brackets"


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (
            [{"name": "search"}, {"name": "list"}],
            "write a map by name, `first: {...}`, in place of a list of items with `name`",
        ),
        (["search"], None),
        ([], None),
        ("search", None),
    ],
)
def test_hints_where_a_map_is_wanted(value: Any, hint: str | None) -> None:
    problem = _one("tools", value, "connector", "mcp")
    assert (problem.code, problem.expected, problem.hint) == ("wrong-type", "a map", hint)


def test_a_choice_names_the_choices() -> None:
    problem = one("limit", {"target": "tenant", "per": "mounth", "requests": 1})
    assert (problem.code, problem.path) == ("invalid-choice", ("per",))
    assert problem.expected == "second, minute, hour, day, month"
    assert problem.hint == "did you mean `month`?"
    assert "mounth" not in problem.message


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"type": "bearer"}, {("missing-field", ("auth", "token"))}),
        ({"type": "bearer", "token": REF, "bearer": 1}, {("unknown-field", ("auth", "bearer"))}),
        ({"type": "bearr"}, {("unknown-type", ("auth", "type"))}),
        ({"type": ["bearer"]}, {("unknown-type", ("auth", "type"))}),
        ({}, {("missing-field", ("auth", "type"))}),
        ("bearer", {("wrong-type", ("auth",))}),
        ({"type": "api_key", "key": REF, "in": "body"}, {("invalid-choice", ("auth", "in"))}),
        ({"type": "api_key", "key": REF, "in_": "query"}, {("unknown-field", ("auth", "in_"))}),
        (
            {"type": "basic", "username": "", "password": "x"},
            {("too-short", ("auth", "username")), ("plaintext-secret", ("auth", "password"))},
        ),
    ],
)
def test_paths_into_unions_have_no_tags(auth: Any, expected: Any) -> None:
    assert found("connector", minimal("connector", "http", auth=auth)) == expected


def test_an_unknown_type_in_a_union_has_a_near_name() -> None:
    problem = one("connector", minimal("connector", "http", auth={"type": "bearr"}))
    assert problem.hint == "did you mean `bearer`?"


def test_paths_into_maps_and_lists() -> None:
    assert found("integration", {**OPENAI, "models": ["a", 5]}) == {("wrong-type", ("models", 1))}
    assert found("integration", {**OPENAI, "labels": {"a b": "x"}}) == {("invalid-format", ("labels", "a b"))}
    problem = one("integration", {**OPENAI, "labels": {"a b": "x"}})
    assert problem.on_key


def test_problems_inside_a_free_map_have_their_path() -> None:
    config = {"nested": [{"api_key": "sk-1", "fine": 1}], "url": "https://bob:pw@x.example"}
    assert found("connector", {"type": "custom", "config": config}) == {
        ("plaintext-secret", ("config", "nested", 0, "api_key")),
        ("url-with-credentials", ("config", "url")),
    }


@pytest.mark.parametrize(
    "config",
    [{"password": 12345}, {"apiKey": "x"}, {"credentials": ["x", "y"]}, {"token": Decimal("1.5")}],
)
def test_secrets_in_a_free_map_need_references_whatever_their_type(config: Any) -> None:
    (problem,) = problems("connector", {"type": "custom", "config": config})
    assert problem.code == "plaintext-secret"


@pytest.mark.parametrize(
    "config",
    [{"password": REF}, {"max_tokens": 5}, {"token": ""}, {"token": None}, {"auth": {"user": "bob"}}, {"pass": True}],
)
def test_free_maps_take_what_is_no_secret(config: Any) -> None:
    assert body("connector", {"type": "custom", "config": config})["config"] == config


def test_keys_that_are_no_text_are_problems() -> None:
    assert found("limit", minimal("limit", "") | {5: "x"}) == {("wrong-type", (5,))}


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        float("nan"),
        float("inf"),
        10**30,
        -(10**400),
        Decimal("1e400"),
    ],
)
def test_numbers_that_no_json_has_are_problems(value: Any) -> None:
    assert problems("connector", {"type": "custom", "config": {"a": value}})
    assert problems("limit", minimal("limit", "", cost_usd=value))
    assert problems("limit", minimal("limit", "", tokens=value))


def test_deep_nesting_is_a_problem() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for raw in (
        {"type": "custom", "config": {"a": deep}},
        {"type": "custom", "config": deep},
        {"type": "custom", "labels": deep},
    ):
        assert problems("connector", raw)
    assert problems("template", minimal("template", "http", method="POST", body=deep))


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "\ud800", "a\x7f"])
def test_control_characters_are_problems(text: str) -> None:
    assert problems("integration", {**OPENAI, "description": text})
    assert problems("connector", {"type": "custom", "config": {"a": text}})
    assert problems("connector", {"type": "custom", "config": {text: 1}})


def test_keys_in_messages_are_cut_and_printable() -> None:
    problem = one("integration", {**OPENAI, "\x1b[31m" + "x" * 5000: 1})
    assert "\x1b" not in problem.message
    assert len(problem.message) < 100


def test_parsing_a_small_body_is_fast() -> None:
    raw = {**OPENAI, "models": ["gpt-5", "gpt-5-mini"], "default_model": "gpt-5", "labels": {"team": "payments"}}
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(500):
            parse(KINDS["integration"], raw, address("integration"))
        best = min(best, (time.perf_counter() - start) / 500)
    assert best < 200e-6


def test_a_thousand_unknown_fields_are_bounded_in_time() -> None:
    start = time.perf_counter()
    assert len(problems("integration", {**OPENAI, **{f"field{i}": i for i in range(1000)}})) == 1000
    assert time.perf_counter() - start < 3


KIND = replace(
    KINDS["limit"],
    spec_version=3,
    upgrades={1: lambda b: {**b, "one": True}, 2: lambda b: {**b, "two": "one" in b}},
)


def test_upgrades_run_step_by_step() -> None:
    assert upgrade(KIND, {}, 1) == {"one": True, "two": True}
    assert upgrade(KIND, {}, 2) == {"two": False}
    assert upgrade(KIND, {"a": 1}, 3) == {"a": 1}


def test_a_newer_body_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        upgrade(KIND, {}, 4)
    assert caught.value.problems[0].code == "newer-spec-version"
    assert "newer reconciler" in str(caught.value)
