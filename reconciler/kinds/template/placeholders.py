"""Lex SQL as each dialect reads it, and find `:name`: not inside strings, comments, quoted names, casts and slices.

This is the only lexer of SQL here; sqlglot parses what it leaves.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct, field

from reconciler.codes import Code

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# letters, digits, _ and whatever is not ASCII, said by what it is not: ranges of Unicode take 5 ms to compile
_DOLLAR = re.compile(r"\$(?:[^\x00-@\[-\^`{-\x7f][^\x00-/:-@\[-\^`{-\x7f]*)?\$")
_RUN = re.compile(r"(?:[A-Za-z0-9_]+(?![A-Za-z0-9_&'\"])|[ \n.,=<>+*%|!])+")
"""What means nothing to any dialect but Oracle: words that are no prefix of a quote, spaces, most operators."""
_FOREIGN = re.compile(r"[$#%]?\{\{?\s*[A-Za-z_][A-Za-z0-9_.]*\s*\}|\{%|%\([A-Za-z_][A-Za-z0-9_]*\)[sdf]")
_OPERATOR = frozenset("+-*/<>=~!@#%^&|`?")
"""Characters that PostgreSQL joins to one operator where they stand together."""
_UNICODE = re.compile(r"[uU]&[\"']")
_ORACLE_QUOTE = re.compile(r"[nN]?[qQ]'(.)", re.DOTALL)
_ORACLE_CLOSE = {"[": "]", "{": "}", "(": ")", "<": ">"}


class Placeholder(NamedTuple):
    """A parameter's name, and where its colon stands."""

    name: str
    offset: int


class Flaw(NamedTuple):
    """A place that cannot be read for certain."""

    code: Code
    message: str
    offset: int


class Lexed(Struct, frozen=True):
    """What the lexer found in one text."""

    placeholders: tuple[Placeholder, ...]
    flaws: tuple[Flaw, ...]
    literals: tuple[tuple[int, int], ...] = ()
    """Where string literals begin and end, their quotes included."""
    names: tuple[tuple[int, int], ...] = ()
    """Where names in double quotes begin and end, their quotes included."""
    absolutes: tuple[int, ...] = ()
    """Where PostgreSQL's operator for the absolute value stands, `@ total`: other readers take it for a variable."""
    opaque: tuple[tuple[int, int], ...] = ()
    """Where strings, quoted names and comments begin and end."""


class _Traits(Struct, frozen=True):
    backslash: bool = False  # a backslash escapes inside '...' and, where they are strings, "..."
    double_is_text: bool = False  # "..." is a string, not a name
    backtick: bool = False
    bracket: bool = False  # [...] is a quoted name
    hash_comment: bool = False
    slash_comment: bool = False
    dollar: bool = False  # $tag$...$tag$
    escape_prefix: bool = False  # E'...'
    nested: bool = False  # comments nest
    slices: bool = False  # a[1:2]
    path: bool = False  # column:field
    triple: bool = False  # '''...''' and r'...'
    spaced_dashes: bool = False  # -- begins a comment only before a space
    absolute: bool = False  # @ is an operator, and begins no variable
    unicode_prefix: bool = False  # U&"..." is another spelling of a name
    oracle_quote: bool = False  # q'[...]'
    hints: bool = False  # /*+ ... */ sets variables, the longest time of a statement among them


_TRAITS = {
    "postgresql": _Traits(
        dollar=True, escape_prefix=True, nested=True, slices=True, unicode_prefix=True, absolute=True
    ),
    "redshift": _Traits(backslash=True, dollar=True, slices=True, unicode_prefix=True),
    "duckdb": _Traits(dollar=True, escape_prefix=True, slices=True),
    "mysql": _Traits(
        backslash=True, double_is_text=True, backtick=True, hash_comment=True, spaced_dashes=True, hints=True
    ),
    "sqlite": _Traits(backtick=True, bracket=True),
    "mssql": _Traits(bracket=True, nested=True),
    "oracle": _Traits(oracle_quote=True),
    "db2": _Traits(nested=True),
    "snowflake": _Traits(backslash=True, dollar=True, slash_comment=True, path=True),
    "bigquery": _Traits(backslash=True, double_is_text=True, backtick=True, hash_comment=True, triple=True),
    "clickhouse": _Traits(backslash=True, backtick=True, dollar=True, hash_comment=True),
    "databricks": _Traits(backslash=True, double_is_text=True, backtick=True, path=True, triple=True),
    "trino": _Traits(unicode_prefix=True),
}
DIALECTS = (*_TRAITS,)


def _foreign(sql: str, opaque: list[tuple[int, int]]) -> list[Flaw]:
    """Return what other tools would fill in; sqlglot reads braces around a name as a struct."""
    if "{" not in sql and "%(" not in sql:
        return []
    found = [match for match in _FOREIGN.finditer(sql) if not any(a <= match.start() < b for a, b in opaque)]
    what = "write parameters as :name; placeholders of other tools, such as {{ name }} or %(name)s, are refused"
    return [Flaw("invalid-placeholder", what, match.start()) for match in found[:1]]


@lru_cache(maxsize=1024)
def placeholders(sql: str, dialect: str) -> Lexed:
    """All placeholders in order, and what is wrong with the text; never raises."""
    lexer = _Lexer(sql, _TRAITS[dialect])
    lexer.run()
    lexer.flaws += _foreign(sql, lexer.opaque)
    return Lexed(
        tuple(lexer.found),
        tuple(lexer.flaws),
        tuple(lexer.literals),
        tuple(lexer.names),
        tuple(lexer.absolutes),
        tuple(lexer.opaque),
    )


def with_texts(sql: str, found: Iterable[Placeholder], text_of: Callable[[str], str]) -> str:
    """Return the statement with a text in place of each of its placeholders, by the parameter's name."""
    pieces, end = [], 0
    for name, offset in found:
        pieces += [sql[end:offset], text_of(name)]
        end = offset + 1 + len(name)
    return "".join((*pieces, sql[end:]))


class _Lexer(Struct):
    sql: str
    traits: _Traits
    at: int = 0
    found: list[Placeholder] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    literals: list[tuple[int, int]] = field(default_factory=list)
    names: list[tuple[int, int]] = field(default_factory=list)
    absolutes: list[int] = field(default_factory=list)
    opaque: list[tuple[int, int]] = field(default_factory=list)
    nesting: list[str] = field(default_factory=list)  # open ( and [
    before: int = -1  # the last character that is neither space nor comment

    def run(self) -> None:
        sql = self.sql
        while self.at < len(sql):
            start = self.at
            if not self.traits.oracle_quote and (run := _RUN.match(sql, start)):
                self.at = run.end()
                last = len(run[0].rstrip())
                self.before = start + last - 1 if last else self.before
                continue
            if sql[start].isspace():
                self.at = start + 1
                continue
            if self._comment():
                self.opaque.append((start, self.at))
                continue
            if self._quoted():
                self.opaque.append((start, self.at))
            else:
                self._plain(sql[start])
            self.before = self.at - 1

    def _comment(self) -> bool:
        sql, at, traits = self.sql, self.at, self.traits
        two = sql[at : at + 2]
        if two == "/*":
            self._block()
            return True
        line = two == "--" or (two == "//" and traits.slash_comment) or (sql[at] == "#" and traits.hash_comment)
        if two == "--" and traits.spaced_dashes and not (at + 2 == len(sql) or sql[at + 2].isspace()):
            self._flaw("ambiguous-comment", "write a space after `--` for a comment, or between the signs", at)
        if line:
            end = sql.find("\n", at)
            self.at = len(sql) if end < 0 else end
        return line

    def _block(self) -> None:
        sql, start, depth = self.sql, self.at, 1
        if sql[start + 2 : start + 3] == "!" or sql[start + 2 : start + 4] == "M!":
            self._flaw("executable-comment", "a comment of the form `/*! ... */` is run by MySQL; leave it out", start)
        if self.traits.hints and sql[start + 2 : start + 3] == "+":
            self._flaw("executable-comment", "a hint of the form `/*+ ... */` changes limits; leave it out", start)
        self.at += 2
        for match in re.compile(r"/\*|\*/").finditer(sql, self.at):
            if match.start() < self.at:
                continue
            self.at = match.end()
            if match[0] == "*/":
                depth -= 1
            elif self.traits.nested:
                depth += 1
            else:
                self._flaw(
                    "ambiguous-comment", "a comment inside a comment is read differently; leave it out", match.start()
                )
            if depth == 0:
                return
        self._open("comment", start)

    def _quoted(self) -> bool:
        sql, at, traits = self.sql, self.at, self.traits
        char = sql[at]
        if char in "'\"":
            text = char == "'" or traits.double_is_text
            prefix = sql[at - 1 : at] if at and not _is_word(sql[at - 2 : at - 1]) else ""
            if traits.triple and sql.startswith(char * 3, at):
                self._until(char * 3, escape=prefix not in "rR" or not prefix)
            elif traits.triple and prefix in ("r", "R"):
                self._until(char, escape=False)
            else:
                escape = text and (traits.backslash or (traits.escape_prefix and prefix in ("e", "E")))
                self._until(char, escape=escape, doubled=True)
            (self.literals if text else self.names).append((at, self.at))
            return True
        if char == "`" and traits.backtick:
            self._until("`", escape=traits.triple and traits.hash_comment, doubled=True)
            return True
        if char == "[" and traits.bracket:
            self._until("]", escape=False, doubled=True)
            return True
        if char == "$" and traits.dollar and not _is_word(sql[at - 1 : at]):
            match = _DOLLAR.match(sql, at)
            if match:
                self._until(match[0], escape=False)
                self.literals.append((at, self.at))
            return match is not None
        return False

    def _until(self, close: str, *, escape: bool, doubled: bool = False) -> None:
        """Move behind the closing mark; a doubled mark or, with ``escape``, one after a backslash does not close."""
        sql, start, at = self.sql, self.at, self.at + len(close)
        if close == "]":
            at = start + 1
        while at < len(sql):
            if escape and sql[at] == "\\":
                at += 2
            elif not sql.startswith(close, at):
                at += 1
            elif doubled and sql.startswith(close, at + len(close)):
                at += 2 * len(close)
            else:
                self.at = at + len(close)
                return
        self.at = len(sql)
        self._open("quote", start)

    def _plain(self, char: str) -> None:
        sql, at = self.sql, self.at
        if char == ":":
            self._colon()
            return
        if _is_word(char):
            end = at + 1
            while end < len(sql) and _is_word(sql[end]):
                end += 1
            if self.traits.unicode_prefix and _UNICODE.match(sql, at):
                self._flaw(
                    "unicode-escape", 'names and strings of the form U&"..." hide what they say; write them out', at
                )
            if self.traits.oracle_quote and self._oracle(at):
                return
            self.at = end
            return
        if (
            char == "@"
            and self.traits.absolute
            and not _OPERATOR.intersection(sql[max(at - 1, 0) : at] + sql[at + 1 : at + 2])
        ):
            self.absolutes.append(at)
        if char in "([":
            self.nesting.append(char)
        elif char in ")]" and self.nesting:
            self.nesting.pop()
        self.at = at + 1

    def _oracle(self, at: int) -> bool:
        match = _ORACLE_QUOTE.match(self.sql, at)
        if match is None:
            return False
        close = _ORACLE_CLOSE.get(match[1], match[1]) + "'"
        end = self.sql.find(close, match.end())
        self.at = len(self.sql) if end < 0 else end + 2
        if end < 0:
            self._open("quote", at)
        self.literals.append((at, self.at))
        self.opaque.append((at, self.at))
        return True

    def _colon(self) -> None:
        sql, at = self.sql, self.at
        if sql.startswith("::", at):
            self.at = at + 2
            return
        match = _NAME.match(sql, at + 1)
        self.at = match.end() if match else at + 1
        if match is None:
            return
        if self.at < len(sql) and _is_word(sql[self.at]):
            self._flaw("invalid-placeholder", "a parameter's name has letters, digits and underscores only", at)
            return
        behind = sql[self.before] if self.before >= 0 else ""
        quotes = "'\"`" if self.traits.backtick else "'\""
        operand = _is_word(behind) or (behind != "" and behind in ")]}" + quotes)
        adjacent = operand and self.before == at - 1
        in_slice = self.traits.slices and bool(self.nesting) and self.nesting[-1] == "["
        if in_slice and (behind == "[" or (operand and not adjacent)):
            self._flaw(
                "ambiguous-placeholder",
                f"this may be a slice or a parameter; write (:{match[0]}) for the parameter",
                at,
            )
        elif adjacent and (in_slice or self.traits.path or behind in quotes):
            return
        elif adjacent and _is_word(behind):
            self._flaw("ambiguous-placeholder", f"write a space before :{match[0]} if it is a parameter", at)
        else:
            self.found.append(Placeholder(match[0], at))

    def _flaw(self, code: Code, message: str, at: int) -> None:
        self.flaws.append(Flaw(code, message, at))

    def _open(self, what: str, start: int) -> None:
        self.at = len(self.sql)
        self._flaw("invalid-sql", f"a {what} begins here and does not end", start)


def _is_word(char: str) -> bool:
    return char.isalnum() or char in ("_", "$")
