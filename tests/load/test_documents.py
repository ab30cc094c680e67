"""What a file means, and what is refused: values, keys, merges, budgets, and the place of every problem."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import Place, Problem
from reconciler.load import documents
from reconciler.load.documents import Document, read_documents


def read(text: str | bytes) -> tuple[list[Document], list[Problem]]:
    return read_documents(text.encode() if isinstance(text, str) else text, "f.yaml")


def value(text: str) -> Any:
    found, problems = read(text)
    assert problems == []
    assert len(found) == 1
    return found[0].value


def refused(text: str | bytes) -> list[tuple[str, int | None, int | None]]:
    _, problems = read(text)
    assert all(p.place is not None and p.place.file == "f.yaml" and p.message for p in problems)
    return [(p.code, p.place.line, p.place.column) for p in problems if p.place]


# -- keys


def test_a_key_is_its_text() -> None:
    text = "123: a\nno: b\nnull: c\n~: d\n1.50: e\n2024-01-01: f\n'q': g\n\"d\": h\n!!int 12: i\n.inf: j\n? \n: k\n"
    assert list(value(text)) == ["123", "no", "null", "~", "1.50", "2024-01-01", "q", "d", "12", ".inf", ""]


def test_a_key_may_be_an_alias_of_a_scalar() -> None:
    assert value("a: &n 010\n*n : 1\n") == {"a": 10, "010": 1}
    assert value("&n a: 1\nb: {*n : 2}\n") == {"a": 1, "b": {"a": 2}}


def test_duplicate_keys_name_the_first_one() -> None:
    _, problems = read("a: 1\nb:\n  cc: 1\n  d: 2\n  cc: 3\n  cc: 4\n'a': 2\n")
    assert [(p.code, str(p.place), p.width, p.related) for p in problems] == [
        ("duplicate-key", "f.yaml:5:3", 2, (("first one", Place("f.yaml", 3, 3)),)),
        ("duplicate-key", "f.yaml:6:3", 2, (("first one", Place("f.yaml", 3, 3)),)),
        ("duplicate-key", "f.yaml:7:1", 3, (("first one", Place("f.yaml", 1, 1)),)),
    ]
    assert "'cc'" in problems[0].message
    assert "line 3" in problems[0].message


def test_duplicate_keys_of_other_kinds() -> None:
    assert refused("x: &x {a: 1}\nb:\n  <<: *x\n  <<: *x\n") == [("duplicate-key", 4, 3)]
    assert refused("1: a\n'1': b\n") == [("duplicate-key", 2, 1)]
    assert refused("&n a: 1\n*n : 2\n") == [("duplicate-key", 2, 1)]
    assert refused("? [a]\n: 1\nb: 1\nb: 2\n") == [("complex-key", 1, 3), ("duplicate-key", 4, 1)]


def test_a_key_in_a_message_cannot_attack_a_terminal() -> None:
    _, problems = read('"\\e[31mx": 1\n"\\e[31mx": 2\n')
    assert "\x1b" not in problems[0].message


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("? [a, b]\n: 1\nc: 2\n", [("complex-key", 1, 3)]),
        ("{[a]: 1, {b: 2}: 3}\n", [("complex-key", 1, 2), ("complex-key", 1, 10)]),
        ("a: &a {b: 1}\n*a : 2\n", [("complex-key", 2, 1)]),
        ("? {x: {y: z}}\n: {x: 1}\n? [[q]]\n: [1]\nc: .nan\n", [("complex-key", 1, 3), ("complex-key", 3, 3), ("not-a-number", 5, 4)]),
    ],
)  # fmt: skip
def test_keys_must_be_texts(text: str, places: Any) -> None:
    assert refused(text) == places
    found, _ = read(text)
    assert all("\ud800" not in key for key in found[0].value)
    assert all("\ud800" not in key for pair in found[0].key_places for key in pair)


# -- merges, anchors, aliases


def test_merges() -> None:
    base = "x: &x {k: 1, j: 2}\ny: &y {k: 8, i: 9}\n"
    assert value(base + "a: {<<: *x, k: 3}")["a"] == {"k": 3, "j": 2}
    assert value(base + "a: {k: 3, <<: *x}")["a"] == {"k": 3, "j": 2}
    assert value(base + "a: {<<: [*x, *y]}")["a"] == {"k": 1, "j": 2, "i": 9}
    assert value(base + "a: {<<: [*y, *x, {z: 0}]}")["a"] == {"k": 8, "j": 2, "i": 9, "z": 0}
    assert value(base + "a: {<<: {z: 0}}")["a"] == {"z": 0}
    assert value(base + "b: &b [*x, *y]\na: {<<: *b}")["a"] == {"k": 1, "j": 2, "i": 9}
    assert value(base + "b: &b {<<: *x, l: 0}\na: {<<: *b}")["a"] == {"k": 1, "j": 2, "l": 0}
    assert value(base + "a: {<<: []}")["a"] == {}
    assert value(base)["x"] == {"k": 1, "j": 2}, "a merge does not change its source"


def test_a_quoted_merge_key_is_an_ordinary_key() -> None:
    assert value("x: &x {k: 1}\na: {'<<': *x, \"<<\": 1}"[:26] + "}") == {"x": {"k": 1}, "a": {"<<": {"k": 1}}}
    assert value("a: {!!str <<: 1}") == {"a": {"<<": 1}}
    assert value("- <<") == ["<<"]


@pytest.mark.parametrize("source", ["1", "text", "null", "[1]", "[{a: 1}, x]", "[[{a: 1}]]", ""])
def test_a_merge_wants_mappings(source: str) -> None:
    assert refused(f"a:\n  b: 1\n  <<: {source}\n") == [("invalid-merge", 3, 3)]


def test_aliases_share_objects_and_end_with_the_document() -> None:
    found = value("a: &a {x: [1]}\nb: *a\n")
    assert found["a"] is found["b"]
    assert value("a: &a 1\nb: &a 2\nc: *a\n")["c"] == 2
    assert value("a: &a [&a 1, *a]\nb: *a\n") == {"a": [1, 1], "b": 1}, "the anchor that starts last counts"
    assert refused("a: &a 1\n---\nb: *a\n") == [("undefined-alias", 3, 4)]


def test_aliases_that_mean_nothing() -> None:
    assert refused("a:\n  - *nope\nb: *a\n") == [("undefined-alias", 2, 5), ("undefined-alias", 3, 4)]
    assert refused("a: &a [1, *a]\nb: &b {c: *b}\n") == [("recursive-alias", 1, 11), ("recursive-alias", 2, 11)]
    assert refused("a: &a {<<: *a}\n") == [("recursive-alias", 1, 12)]
    assert refused("a: {<<: *nope}\nb: {<<: [*nope]}\n") == [("undefined-alias", 1, 9), ("undefined-alias", 2, 10)]
    assert refused("{*nope : 1}") == [("undefined-alias", 1, 2), ("complex-key", 1, 2)][:1]


def test_unknown_tags() -> None:
    text = "a: !vault x\nb: !!binary eA==\nc: !!set {a}\nd: !Ref [1]\ne: {!k x: 1}\nf: !!map [1]\ng: !!python/object:os.x y\n"
    _, problems = read(text)
    assert [(p.code, str(p.place)) for p in problems] == [
        ("unknown-tag", f"f.yaml:{line}:{column}") for line, column in enumerate((4, 4, 4, 4, 5, 4, 4), 1)
    ]
    assert ["!vault" in problems[0].message, "!!binary" in problems[1].message] == [True, True]


def test_messages_hold_no_values() -> None:
    canary = "hunter2canary"
    for text in (
        f"a: !{canary}\n", f"a: !x9{canary} y\n", f"a: *{canary}\n", f"a: !!int {canary}\n", f"a: '{canary}\n", f"a: [{canary}\n",
        f"a: {canary}: x\n", f"a: @{canary}\n", f'a: "\\q{canary}"\n', f"{canary}\nb: 1\n", f"a: !{canary}!x y\n", f"a: &{canary}\n  *{canary}\n",
        f"a: !x {canary}\n", f"? [{canary}]\n: 1\n", f"<<: {canary}\n", f"a: %{canary}\n", f"a: |{canary}\n", f"a: {canary}\x00\n",
    ):  # fmt: skip
        _, problems = read(text)
        assert canary not in repr(problems), text


# -- documents


def test_documents_of_a_file() -> None:
    found, problems = read("--- \n--- a\n---\n...\n---\nb: 1\n---\n")
    assert problems == []
    assert [(d.file, d.index, d.value) for d in found] == [
        ("f.yaml", 0, None), ("f.yaml", 1, "a"), ("f.yaml", 2, None), ("f.yaml", 3, {"b": 1}), ("f.yaml", 4, None),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "  # nothing", "\ufeff"])
def test_a_file_without_documents(text: str) -> None:
    assert read(text) == ([], [])


def test_the_documents_before_a_syntax_error_are_kept() -> None:
    found, problems = read("a: 1\n--- \nb: [\n")
    assert [d.value for d in found] == [{"a": 1}]
    assert [p.code for p in problems] == ["yaml-syntax"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: ${x}", [True]), ("a: $x", [False]), ("a: $${x}", [True]), ("${x}: a", [True]), ("a: x", [False]),
        ('"\\x24{x}"', [True]), ('"$\\x7b"', [True]), ("a: x # ${y}", [False]), ("a: 1\n--- ['${']\n--- b", [False, True, False]),
    ],
)  # fmt: skip
def test_whether_a_document_has_variables(text: str, expected: list[bool]) -> None:
    assert [d.has_variables for d in read(text)[0]] == expected


def test_places_of_names() -> None:
    text = "\ufeffversion: 1\nintegrations:\n  a: {x: {y: 1}}\n  'b c': 2\nconnectors: {é: 1, f: 2}\nlist: [{a: 1}]\n"
    found, _ = read(text)
    assert found[0].key_places == {
        ("integrations", "a"): (3, 3), ("integrations", "b c"): (4, 3), ("connectors", "é"): (5, 14), ("connectors", "f"): (5, 20),
    }  # fmt: skip
    assert read("- a: 1\n- b: {c: 1}\n")[0][0].key_places == {}


def test_places_of_names_that_come_by_alias_or_merge() -> None:
    text = "a: &a {x: 1}\nb: *a\nc:\n  y: 1\n  <<: *a\n<<:\n  d: {z: 1}\n"
    found, _ = read(text)
    assert found[0].key_places == {
        ("a", "x"): (1, 8), ("b", "x"): (2, 1), ("c", "y"): (4, 3), ("c", "x"): (5, 3), ("d", "z"): (6, 1),
    }  # fmt: skip


def test_whatever_the_parser_raises_becomes_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (
        ValueError,
        KeyError,
        IndexError,
        RecursionError,
        MemoryError,
        UnicodeDecodeError("x", b"", 0, 1, ""),
    ):

        def broken(_: Any, error: Any = error) -> Any:
            raise error

        monkeypatch.setattr(documents, "CParser", broken)
        assert refused("a: 1") == [("yaml-syntax", None, None)]


def test_at_most_200_problems_and_how_many_more() -> None:
    _, problems = read("a: .nan\n" + "a: 1\n" * 300)
    assert len(problems) == 201
    assert (problems[-1].code, problems[-1].place) == ("more-problems", Place("f.yaml", 201, 1))
    assert "101 more" in problems[-1].message


def test_too_large_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 10)
    assert refused("a: 12345678") == [("file-too-large", None, None)]
    assert refused("a: 1234567") == []
