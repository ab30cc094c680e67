"""What of a line is shown, and that nothing else ever is."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Path
from reconciler.load.documents import read_documents
from reconciler.load.excerpt import MASK, excerpt, masked_line, printable
from reconciler.load.positions import read_positions

CANARY = "c4n4rY"


def shown(text: str, *public: str) -> list[str]:
    """Every line of a document, where the fields of these names are public."""
    at = read_positions(text.encode(), 0)
    return [
        excerpt(line, at.scalars_on(number), lambda path: bool(path) and path[-1] in public)
        for number, line in enumerate(text.split("\n"), 1)
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("password: hunter2 # x", "password: ***"),
        ("  hunter2", "  ***"),
        ("- hunter2", "- ***"),
        ("{a: hunter2}", "***"),
        ("a:", "a:"),
        ("  a:  ", "  a:"),
        ("a: # hunter2", "a:"),
        ("a: &hunter2", "a: ***"),
        ("- - a: b: c", "- - a: ***"),
        ("- name: hunter2\r\n", "- name: ***"),
        ("a:hunter2", "***"),
        ("'k': hunter2", "***"),
        ("pass word: hunter2", "***"),
        ("# hunter2: x", "***"),
        ("? hunter2", "***"),
        ("-hunter2", "***"),
        ("9a: hunter2", "***"),
        ("\tpassword: hunter2", " password: ***"),
        ("a" * 63 + ": hunter2", "a" * 63 + ": ***"),
        ("a" * 64 + ": hunter2", "***"),
        ("_a.b-c: hunter2", "_a.b-c: ***"),
        ("é: hunter2", "***"),
        ("", ""),
        ("   ", ""),
        ("-", "***"),
        ("- ", "-"),
    ],
)
def test_masked_line(line: str, expected: str) -> None:
    assert masked_line(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("public: value", "public: value"),
        ("secret: value", "secret: ***"),
        ("public: value # comment", "public: value"),
        ("secret: value # comment", "secret: ***"),
        ("public: 'it''s # no comment' # comment", "public: 'it''s # no comment'"),
        ("secret: 'it''s # no comment' # comment", "secret: ***"),
        ("secret: # comment", "secret:"),
        ("a: {public: 1, secret: 2, list: [3, 4], public2: 5}", "a: {public: 1, secret: ***, list: [***, ***], public2: 5}"),
        ("- - public: 1", "- - public: 1"),
        ("- value", "- ***"),
        ("secret: *alias", "secret: ***"),
        ("secret: &anchor", "secret: ***"),
        ("secret: &anchor value", "secret: ***"),
        ("secret: !tag value", "secret: ***"),
        ("secret: !tag", "secret: ***"),
        ("secret: !!map {secret: x}", "secret: *** {secret: ***}"),
        ("secret: &a !tag [x]", "secret: *** [***]"),
        ("'quoted key': value", "'quoted key': ***"),
        ('{"secret":"value"}', '{"secret":***}'),
        ("secret: ''", "secret: ***"),
        ("public: ''", "public: ''"),
        ("secret:", "secret:"),
        ("? secret", "? secret"),
        ("--- value", "--- ***"),
        ("# only a comment", "***"),
        ("secret: x#y", "secret: ***"),
        ("secret: 'x'#value", "secret: ***"),
        ("<<: {secret: value, public: 1}", "<<: {secret: ***, public: 1}"),
        ("\tvalue", " ***"),
    ],
)  # fmt: skip
def test_excerpt(line: str, expected: str) -> None:
    assert shown(line, "public", "public2") == [expected]


def test_texts_of_several_lines() -> None:
    text = (
        "public: |  # comment\n  a # b\n  | c |\nsecret: >-\n  a: b\n\n    c\npublic: 'a\n  # b' # c\nsecret: \"a\n  b: c\" # d\n"
        "public: a\n  b # c\nsecret: a\n  b"
    )
    assert shown(text, "public") == [
        "public: |", "  a # b", "  | c |", "secret: ***", "  ***", "", "    ***", "public: 'a", "  # b'", "secret: ***",
        "  ***", "public: a", "  b", "secret: ***", "  ***",
    ]  # fmt: skip


def test_a_mask_has_one_length() -> None:
    lines = {shown(f"a: {{secret: {'x' * length}}}")[0] for length in (1, 3, 10, 1000)}
    assert {line.removesuffix("}").removesuffix("…") for line in lines} == {"a: {secret: ***"}
    assert len({masked_line("secret: " + "x y " * length) for length in (1, 10, 1000)} - {f"secret: {MASK}"}) == 0


def test_columns_before_a_masked_value_are_true() -> None:
    line = 'é: {"public" : \t"1\t2", public: 3, secret: xyz}'
    [result] = shown(line, "public")
    before = line.index("xyz")
    assert result[:before] == line[:before].replace("\t", " ")
    assert result[before:] == "***}"


@pytest.mark.parametrize(
    "bad", ["\x1b[31m", "\u202e", "\u2066", "\x07", "\x9b", "\u200b", "\ufeff", "\ud800", "\r", "\u2028"]
)
def test_nothing_controls_the_terminal(bad: str) -> None:
    for result in (
        printable(f"a{bad}b"),
        masked_line(f"{bad}key: x"),
        masked_line(f"key{bad}: x"),
        excerpt(
            f"'k{bad}': v{bad}", [(("k",), True, 0, 3 + len(bad)), (("k",), False, 5 + len(bad), 99)], lambda _: True
        ),
    ):
        assert result.isprintable()
        assert bad not in result


def test_long_lines_are_cut_at_the_end() -> None:
    [result] = shown("public: " + "x" * 300, "public")
    assert len(result) == 200
    assert result == "public: " + "x" * 191 + "…"
    [result] = shown("a: [" + "x," * 300 + "]")
    assert len(result) == 200
    assert result.startswith("a: [***,***,")
    assert result.endswith("…")
    assert masked_line("a: " + "x" * 300) == "a: ***"
    [result] = shown("public: " + "x" * 192, "public")
    assert result == "public: " + "x" * 192
    assert len(masked_line(" " * 500 + "a: b")) <= 200


def test_a_line_without_a_tree_is_masked() -> None:
    assert excerpt("secret: hunter2", [], lambda _: True) == "secret: ***"
    assert (
        shown("a: {b: 1\nc: hunter2\n", "a", "b", "c")[1] == "c: ***"
        or "hunter2" not in shown("a: {b: 1\nc: hunter2\n")[1]
    )


@pytest.mark.parametrize(
    "text",
    [
        f"a: {CANARY}", f"a: '{CANARY}'", f"a: [{CANARY}, {{b: {CANARY}}}]", f"a: |\n  {CANARY}\n  {CANARY}\n", f"a: >\n  x\n\n  {CANARY}\n\n\nb: 1",
        f'a: "x\n  {CANARY}\n  {CANARY}" # {CANARY}', f"a: x\n  {CANARY}\n", f"# {CANARY}\na: 1 # {CANARY}\n", f"a: !{CANARY}\n", f"a: !{CANARY} x\n",
        f"a: !{CANARY} [x]", f"a: &{CANARY}\n", f"a: &{CANARY} x\n", f"a: *{CANARY}\n", f"- {CANARY}", f"- - {CANARY}", f"--- {CANARY}\n", f"--- # {CANARY}\na: 1",
        f"a: {{b: 1}} # {CANARY}", f"a:\n  # {CANARY}\n  b: 1\n", f"? [{CANARY}]\n: {CANARY}\n", f"? {{b: {CANARY}}}\n: 1\n", f"<<: {{a: {CANARY}}}",
        f"x: &x {CANARY}\n<<: *x\n", f"a: '1' {CANARY}", f"a: '{CANARY}", f"a: [{CANARY}", f"a: @{CANARY}", f"a: {CANARY}: {CANARY}",
        f"a: - {CANARY}", f"%{CANARY}\n--- a", f"--- a\n... {CANARY}", f"a:{CANARY}", f"a: |{CANARY}\n  x", f"a: 1\n{CANARY}\nb: 2", f"a: 'x'#{CANARY}",
        f"a: {CANARY}\x00", f"a:\n\t{CANARY}", f"!{CANARY}", f"&{CANARY}", f"*{CANARY}", f"[{CANARY}", f"a: [1 {CANARY}, '2' {CANARY}]", f"a: ${{{CANARY}}}",
    ],
)  # fmt: skip
def test_canaries_never_show(text: str) -> None:
    for line in shown(text) + [masked_line(line) for line in text.split("\n")]:
        assert CANARY not in line
    assert CANARY not in repr(read_documents(text.encode(), "f")[1])


SECRETS = st.text(string.printable, min_size=1, max_size=20).map(lambda text: CANARY + text)
KEYS = st.sampled_from(["a", "b", "c d", "é"])
TREES = st.recursive(
    SECRETS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=10
)


@given(TREES, st.sampled_from([None, 1, 4]), st.data())
def test_no_document_leaks(tree: object, indent: int | None, data: st.DataObject) -> None:
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    for line in shown(text):
        assert CANARY not in line
    # Where a file is broken a value may turn into a key, and keys are shown; messages still hold no value.
    cut = data.draw(st.integers(0, len(text)))
    for source in (text[:cut], text[cut:], text[:cut] + "\n" + text[cut:]):
        _, problems = read_documents(source.encode(), "f")
        assert not [p for p in problems if p.code != "duplicate-key" and CANARY in repr(p)]


@given(
    st.text(string.printable), st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 30)), max_size=4)
)
def test_any_line_with_any_columns(line: str, columns: list[tuple[bool, int, int]]) -> None:
    scalars: list[tuple[Path, bool, int, int]] = [(("x",), is_key, start, end) for is_key, start, end in columns]
    assert excerpt(line, scalars, lambda _: False).isprintable()
    assert masked_line(line).isprintable()
