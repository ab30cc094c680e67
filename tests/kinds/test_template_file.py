"""Templates of type file: paths and what values make of them, content, the datasource's extent and its connector."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import Problem
from reconciler.kinds.template.action import action_of, reads_only
from reconciler.kinds.template.file import fits
from reconciler.kinds.template.file_path import MOST_BYTES, covers, folder_of, is_segment, unfit

from .support import body, checked, found, minimal

TEXT = {"type": "string", "max_length": 100}
READ = {"operation": "read", "path": "a.csv"}


def _found(**fields: Any) -> Any:
    return found("template", minimal("template", "file", **fields))


def _check(connector: Any = None, datasource: Any = None, **fields: Any) -> list[Problem]:
    return checked(
        "template",
        "t",
        template_t=minimal("template", "file", **fields),
        datasource_reports=datasource or minimal("datasource", "file"),
        connector_bucket=connector or minimal("connector", "file"),
    )


@pytest.mark.parametrize(
    "path", ["a", "a/b.csv", "{year}/{name}.csv", "{a}-{b}", "-x", "a b", "ä/日本.txt", ".hidden", "x..y", "...", "~a"]
)
def test_paths(path: str) -> None:
    assert _found(operation="read", path=path) == set()


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/..", "a/.", "a\\b", "a\nb", "a\x00", "a\u202eb", "a\u200bb",
     "a\u2028b", "x" * 256, "{a", "a}", "{}", "{a-b}", "{{a}}", ".{a}", "{a}.", "{a}..{b}", "{a}/../b", "{a}/", "{a}\\b",
     ".reconciler-x"],
)  # fmt: skip
def test_paths_that_lead_elsewhere(path: str) -> None:
    assert {code for code, _ in _found(operation="read", path=path)} & {
        "invalid-path", "invalid-placeholder", "too-short", "control-character",
    } or _found(operation="read", path=path)  # fmt: skip


HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/",
    "/etc",
    "a\\b",
    "\\",
    "a\x00",
    "a\n",
    "\u202e",
    "x" * 300,
    "%2e%2e/",
    "a/",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_makes_one_name_or_is_refused(value: str) -> None:
    made = body("template", minimal("template", "file", operation="read", path="{n}", parameters={"n": TEXT}))
    assert bool([*unfit(made, {}, {"n": value})])
    mixed = body(
        "template", minimal("template", "file", operation="read", path="{n}{m}", parameters={"n": TEXT, "m": TEXT})
    )
    assert [*unfit(mixed, {}, {"n": ".", "m": "."})]


def test_a_value_alone_is_judged_where_its_segment_is_known() -> None:
    made = body("template", minimal("template", "file", operation="read", path="{y}/{a}-{b}.csv"))
    assert [one.parameter for one in unfit(made, {}, {"y": ".."})] == ["y"]
    assert not [*unfit(made, {}, {"a": "x"})]
    assert [one.parameter for one in unfit(made, {}, {"y": 2025, "a": None, "b": "x"})] == ["a", "b"]
    long = body("template", minimal("template", "file", operation="read", path="{a}/{b}/{c}/{d}/{e}"))
    assert MOST_BYTES < 5 * 250
    assert {one.parameter for one in unfit(long, {}, dict.fromkeys("abcde", "x" * 250))} == {*"abcde"}


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"operation": "read"}, ("path",), "missing-field"),
        ({"operation": "write", "path": "a"}, ("content",), "missing-field"),
        ({**READ, "content": "{a}"}, ("content",), "conflicting-fields"),
        ({**READ, "if_exists": "replace"}, ("if_exists",), "conflicting-fields"),
        ({**READ, "max_results": 5}, ("max_results",), "conflicting-fields"),
        ({"operation": "list", "too_large": "cut"}, ("too_large",), "conflicting-fields"),
        ({"operation": "delete", "path": "a", "media_type": "text/csv"}, ("media_type",), "conflicting-fields"),
        ({"operation": "delete", "path": "a", "action": "list"}, ("action",), "conflicting-fields"),
        ({"operation": "write", "path": "a", "content": "x {a}"}, ("content",), "invalid-placeholder"),
        (
            {"operation": "write", "path": "a", "content": "{a}", "parameters": {"a": {"type": "integer"}}},
            ("content",),
            "parameter-mismatch",
        ),
        (
            {"operation": "write", "path": "{a}", "body": {}, "parameters": {"a": {"type": "array", "items": "string"}}},
            ("path",),
            "parameter-mismatch",
        ),
        ({"operation": "write", "path": "a", "body": {}, "parameters": {"body": TEXT}}, ("parameters", "body"), "conflicting-fields"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(fields: dict[str, Any], path: tuple[str, ...], code: str) -> None:
    assert (code, path) in _found(**fields)


def test_a_template_uses_what_it_declares() -> None:
    problems = _check(operation="read", path="{a}", parameters={"b": TEXT})
    assert {(one.code, one.path) for one in problems} == {
        ("undeclared-parameter", ("path",)),
        ("unused-parameter", ("parameters", "b")),
    }


@pytest.mark.parametrize("operation", ["write", "delete"])
def test_a_read_only_connector_refuses_what_changes(operation: str) -> None:
    more = {"content": "{t}", "parameters": {"t": TEXT}} if operation == "write" else {}
    fields = {"operation": operation, "path": "a", **more}
    (problem,) = _check(**fields)
    assert (problem.code, problem.path) == ("connector-read-only", ("operation",))
    assert _check(minimal("connector", "file", read_only=False), **fields) == []
    made, source = (
        body("template", minimal("template", "file", **fields)),
        body("datasource", minimal("datasource", "file")),
    )
    assert not fits(made, source, body("connector", minimal("connector", "file")))
    assert fits(made, source, body("connector", minimal("connector", "file", read_only=False)))
    assert not reads_only(made)
    assert action_of(made) == "write"


def test_what_an_operation_does() -> None:
    assert action_of(body("template", minimal("template", "file"))) == "list"
    assert action_of(body("template", minimal("template", "file", **READ))) == "retrieve"


def test_connector_datasource_and_caps() -> None:
    (problem,) = _check(minimal("connector", "http"), **READ)
    assert (problem.code, problem.expected) == ("connector-mismatch", "file")
    (problem,) = _check(datasource={"type": "custom", "connector": "bucket"}, **READ)
    assert (problem.code, problem.path) == ("connector-mismatch", ("datasource",))
    (problem,) = _check(max_bytes=10**8, **READ)
    assert (problem.code, problem.path) == ("cap-exceeds-connector", ("max_bytes",))
    (problem,) = _check(datasource=minimal("datasource", "file", prefix="a/../b"), **READ)
    assert problem.code == "invalid-path"
    (problem,) = _check(datasource=minimal("datasource", "file", paths=["*.txt"]), **READ)
    assert (problem.code, problem.path) == ("path-not-in-datasource", ("path",))
    assert (
        _check(
            datasource={"type": "document", "connector": "bucket", "collections": ["c"]}, operation="read", path="c/a"
        )
        == []
    )


def test_declared_values_make_names() -> None:
    (problem,) = _check(operation="read", path="{a}", parameters={"a": {"type": "string", "enum": ["x", "../y"]}})
    assert (problem.code, problem.path) == ("parameter-mismatch", ("parameters", "a", "enum"))


@pytest.mark.parametrize(
    ("listed", "path", "is_covered"),
    [
        ((), "a/b", True),
        (("*.csv",), "a.csv", True),
        (("*.csv",), "x/a.csv", False),
        (("**/*.csv",), "x/y/a.csv", True),
        (("**/*.csv",), "a.csv", True),
        (("2025/*",), "2025/a", True),
        (("2025/*",), "2025/x/a", False),
        (("2025/**",), "2025/x/a", True),
        (("2025/**",), "20250/a", False),
        (("/a/",), "a", True),
        (("a/**/b/**/c",), "a/x/b/y/z/c", True),
        (("a/**/b/**/c",), "a/x/b/y/z/d", False),
        (("*",), "a/b", False),
    ],
)
def test_patterns(listed: tuple[str, ...], path: str, is_covered: bool) -> None:
    assert covers(listed, tuple(path.split("/"))) is is_covered


def test_folders() -> None:
    assert folder_of(None) == folder_of("/") == ()
    assert folder_of("a/b/") == folder_of("/a/b") == ("a", "b")
    assert folder_of("a/../b") is folder_of("a//b") is folder_of("..") is None
    assert not is_segment("a" * 256)
