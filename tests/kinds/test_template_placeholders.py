"""The lexer of placeholders, dialect by dialect."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kinds.connector.sql import Dialect
from reconciler.kinds.template.placeholders import placeholders, with_texts

ALL = list(get_args(Dialect))


def _names(sql: str, dialect: str) -> list[str]:
    lexed = placeholders(sql, dialect)
    assert lexed.flaws == (), lexed.flaws
    assert all(sql.startswith(":" + name, offset) for name, offset in lexed.placeholders)
    return [name for name, _ in lexed.placeholders]


def _flaws(sql: str, dialect: str) -> list[str]:
    return [flaw.code for flaw in placeholders(sql, dialect).flaws]


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 1", []),
        ("", []),
        ("SELECT :a", ["a"]),
        ("SELECT :a, :b_2, :_c, :a", ["a", "b_2", "_c", "a"]),
        ("SELECT (:a)", ["a"]),
        ("x=:a AND y>:b", ["a", "b"]),
        ("LIMIT :n", ["n"]),
        ("SELECT ':a' || :b", ["b"]),
        ("SELECT 'it''s :a' || :b", ["b"]),
        ("SELECT '' || :b", ["b"]),
        ("SELECT 1 -- :a\n, :b", ["b"]),
        ("SELECT 1 -- ' :a\n, :b", ["b"]),
        ("SELECT 1 -- :a", []),
        ("SELECT /* :a ' */ :b", ["b"]),
        ("SELECT /* :a -- */ :b", ["b"]),
        ("SELECT /**/:b", ["b"]),
        ('SELECT ":a", :b', ["b"]),
        ("SELECT :Name", ["Name"]),
        ("SELECT : a, 5 :9", []),
        ("SELECT x := 1", []),
    ],
)
def test_every_dialect(dialect: str, sql: str, names: list[str]) -> None:
    assert _names(sql, dialect) == names


@pytest.mark.parametrize(
    ("dialect", "sql", "names"),
    [
        ("postgresql", "SELECT x::int, :a::text", ["a"]),
        ("postgresql", "SELECT ':a'::text, :b", ["b"]),
        ("postgresql", r"SELECT E'\':a' , :b", ["b"]),
        ("postgresql", r"SELECT e'\\', :b", ["b"]),
        ("postgresql", r"SELECT 'a\', :b", ["b"]),
        ("postgresql", r"SELECT type'a\', :b", ["b"]),
        ("postgresql", "SELECT $$ :a ' $$, :b", ["b"]),
        ("postgresql", "SELECT $t$ :a $$ $t$, :b", ["b"]),
        ("postgresql", "SELECT a$$, :b, c$$", ["b"]),
        ("postgresql", "SELECT /* /* :a */ :b */ :c", ["c"]),
        ("postgresql", "SELECT a[1:2], a[x:y], a[1:], b[:2], :n", ["n"]),
        ("postgresql", "SELECT a[(:i)], a[(:i):(:j)], a[1:(:j)]", ["i", "i", "j", "j"]),
        ("postgresql", "SELECT ARRAY[1, :b], x[1 + :i]", ["b", "i"]),
        ("postgresql", 'SELECT "a"":b", :c', ["c"]),
        ("postgresql", "SELECT j #> :path, j ? 'x', `:a`", ["path", "a"]),
        ("mysql", r"SELECT 'a\':b', :c", ["c"]),
        ("mysql", r'SELECT "a\":b", :c', ["c"]),
        ("mysql", "SELECT `:a`, :c", ["c"]),
        ("mysql", "SELECT 1 # :a '\n, :c", ["c"]),
        ("mysql", "SELECT 1 -- :a\n, :c", ["c"]),
        ("sqlite", "SELECT [:a], `:b`, :c", ["c"]),
        ("sqlite", r"SELECT 'a\', :c", ["c"]),
        ("mssql", "SELECT [:a]]:b], :c", ["c"]),
        ("mssql", "SELECT /* /* */ :a */ :c", ["c"]),
        ("oracle", "SELECT q'[it's :a]', q'{:a}', nq'!:a'!', :c FROM dual", ["c"]),
        ("oracle", "SELECT seq'x', :c FROM dual", ["c"]),
        ("snowflake", "SELECT v:field.sub, v[0]:x, :c", ["c"]),
        ("snowflake", "SELECT $$ :a $$, :c // :d\n, :e", ["c", "e"]),
        ("snowflake", r"SELECT 'a\':b', :c", ["c"]),
        ("databricks", "SELECT v:field, `:a`, ':a', :c", ["c"]),
        ("databricks", r"SELECT r'\', :c", ["c"]),
        ("bigquery", r"SELECT '''it's :a''', r'\', :c", ["c"]),
        ("bigquery", 'SELECT """a " :b""", "x\\":y", :c', ["c"]),
        ("bigquery", "SELECT `p.:d.t`, [:a, :b], # :x\n :c", ["a", "b", "c"]),
        ("clickhouse", r"SELECT 'a\':b', `:x`, {a:UInt8}, :c", ["c"]),
        ("duckdb", "SELECT l[1:2], {'k': :v}, {'k':w}, $$ :a $$, :c", ["v", "c"]),
        ("redshift", r"SELECT 'a\':b', x::int, :c", ["c"]),
        ("trino", "SELECT a[1], :c", ["c"]),
    ],
)
def test_each_dialect(dialect: str, sql: str, names: list[str]) -> None:
    if dialect == "clickhouse":
        assert [p.name for p in placeholders(sql.replace("{a:UInt8}, ", ""), dialect).placeholders] == names
    else:
        assert _names(sql, dialect) == names


@pytest.mark.parametrize(
    ("dialect", "sql", "code"),
    [
        ("postgresql", "SELECT a[:b]", "ambiguous-placeholder"),
        ("postgresql", "SELECT a[1 :b]", "ambiguous-placeholder"),
        ("postgresql", "SELECT ARRAY[:b]", "ambiguous-placeholder"),
        ("duckdb", "SELECT l[:b]", "ambiguous-placeholder"),
        ("postgresql", "SELECT a:b", "ambiguous-placeholder"),
        ("clickhouse", "SELECT {a:UInt8}", "ambiguous-placeholder"),
        ("mysql", "SELECT 5--:n", "ambiguous-comment"),
        ("mysql", "SELECT /*! :a */ 1", "executable-comment"),
        ("mysql", "SELECT /*!50000 1 */ 1", "executable-comment"),
        ("mysql", "SELECT /* /* */ 1", "ambiguous-comment"),
        ("sqlite", "SELECT /* /* */ */ 1", "ambiguous-comment"),
        ("postgresql", 'SELECT U&"pg\\005fsleep"(1)', "unicode-escape"),
        ("postgresql", "SELECT u&'\\0041'", "unicode-escape"),
        ("trino", "SELECT U&'\\0041'", "unicode-escape"),
        ("postgresql", "SELECT :é", None),
        ("postgresql", "SELECT :aé", "invalid-placeholder"),
        ("postgresql", "SELECT :a$b", "invalid-placeholder"),
    ],
)
def test_what_cannot_be_read_for_certain(dialect: str, sql: str, code: str | None) -> None:
    assert _flaws(sql, dialect) == ([code] if code else [])


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("sql", ["SELECT 'a :b", "SELECT /* :b", 'SELECT "a :b', "SELECT 'a''"])
def test_what_does_not_end(dialect: str, sql: str) -> None:
    lexed = placeholders(sql, dialect)
    assert ([flaw.code for flaw in lexed.flaws], lexed.placeholders) == (["invalid-sql"], ())


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("postgresql", "SELECT $$ :a"),
        ("postgresql", "SELECT $t$ :a $$"),
        ("postgresql", r"SELECT E'\' :a"),
        ("postgresql", "SELECT /* /* */ :a"),
        ("mysql", r"SELECT '\' :a"),
        ("mysql", "SELECT `a :b"),
        ("mssql", "SELECT [a :b"),
        ("oracle", "SELECT q'[a :b]"),
        ("bigquery", "SELECT '''a :b''"),
    ],
)
def test_what_does_not_end_in_a_dialect(dialect: str, sql: str) -> None:
    assert _flaws(sql, dialect) == ["invalid-sql"]


def test_the_hint_for_a_slice_names_the_parameter() -> None:
    (flaw,) = placeholders("SELECT a[:low]", "postgresql").flaws
    assert "(:low)" in flaw.message
    assert flaw.offset == 9


PIECES = [
    "'",
    '"',
    "`",
    "[",
    "]",
    "(",
    ")",
    ":",
    "::",
    "a",
    "E'",
    "$$",
    "$t$",
    "--",
    "#",
    "/*",
    "*/",
    "\\",
    "\n",
    " ",
    "q'[",
    ":b",
    "r'",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25), st.sampled_from(ALL))
def test_the_lexer_never_raises_and_offsets_are_right(pieces: list[str], dialect: str) -> None:
    sql = "".join(pieces)
    lexed = placeholders(sql, dialect)
    assert all(sql.startswith(":" + name, offset) for name, offset in lexed.placeholders)
    assert list(lexed.placeholders) == sorted(lexed.placeholders, key=lambda one: one.offset)


def test_a_long_text_takes_no_time() -> None:
    for sql in ("(" * 60_000, ":a " * 20_000, "'" * 60_001, "/*" * 30_000, "[" * 60_000, "$" * 60_000, "\\" * 60_000):
        for dialect in ALL:
            placeholders(sql, dialect)


@pytest.mark.parametrize(
    ("dialect", "sql", "expected"),
    [
        ("postgresql", "a 'b' \"c\" $$d$$ -- e\n/* f /* g */ */ h", ["'b'", '"c"', "$$d$$", "-- e", "/* f /* g */ */"]),
        ("mysql", "a 'b\\'' `c` # d\n-- e", ["'b\\''", "`c`", "# d", "-- e"]),
        ("sqlite", "a [b] `c` \"d\" 'e''f'", ["[b]", "`c`", '"d"', "'e''f'"]),
        ("oracle", "a q'[b']' c", ["q'[b']'"]),
        ("bigquery", "a '''b'c''' d", ["'''b'c'''"]),
    ],
)
def test_what_is_opaque(dialect: str, sql: str, expected: list[str]) -> None:
    assert [sql[start:end] for start, end in placeholders(sql, dialect).opaque] == expected


def test_texts_stand_in_place_of_placeholders() -> None:
    sql = "SELECT :a, ':b', :bc::int WHERE x = :a"
    found = placeholders(sql, "postgresql").placeholders
    assert with_texts(sql, found, str.upper) == "SELECT A, ':b', BC::int WHERE x = A"
