"""What one SQL statement is and which tables it reads; a first filter, since the server has the last word."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple, Self, TypeAlias

from msgspec import Struct

from reconciler.kinds.template.forbidden import SqlFault, is_special, is_statement, refused, writes
from reconciler.kinds.template.names import Part, fold
from reconciler.kinds.template.placeholders import placeholders, with_texts

_SQLGLOT = {"postgresql": "postgres", "mssql": "tsql", "db2": "oracle"}
MAX_DEPTH = "this statement is nested too deeply to be checked; write it flatter"


class Statement(Struct, frozen=True):
    """``refused`` always counts; ``writes`` says why the statement does not only read."""

    tables: tuple[tuple[Part, ...], ...] = ()
    refused: tuple[SqlFault, ...] = ()
    writes: tuple[str, ...] = ()


_QUOTED = re.compile(r"""['"`\[\]#$@\\{}]|--|/\*|//""")
_COMPARED = re.compile(r"(?<=[=<>])(\s*)[0-9]+(?![\w.])")
"""An integer behind a comparison: no dialect takes it for a name."""
_QUALIFIED = re.compile(r"(?<![\w.:])([A-Za-z_]\w*\.)([a-z]\w*)(?![\w.(:]|\s+\()")
"""A name of two parts that is no call; the second part is a name in every dialect, unless it is a word of its own."""
_STAND_IN = "zq"
_NUMBERED = re.compile(rf"{_STAND_IN}([0-9]+)")


@lru_cache(maxsize=2048)
def inspect(sql: str, dialect: str) -> Statement:
    """Read one statement; whatever sqlglot raises becomes a finding.

    Statements of one form are read once: those that differ only in the integers that they compare with, and in the
    names behind a qualifier. Where anything is found, the very text is read, since a finding says where.
    """
    text = _without_placeholders(sql, dialect)
    is_plain = not _QUOTED.search(text)
    found = _of_form(_COMPARED.sub(r"\g<1>1", text) if is_plain else text, is_plain, dialect)
    return _read(text, dialect) if found.refused or found.writes else found


@lru_cache(maxsize=2048)
def _of_form(text: str, is_plain: bool, dialect: str) -> Statement:
    """Read the form of a text with stand-ins for its integers; ``is_plain`` if nothing in it is quoted."""
    form, names = _form(text, dialect) if is_plain else (text, [])
    found = _read(form, dialect)
    if not names or found.refused or found.writes:
        return found
    tables = (tuple(part._replace(text=_named(part.text, names)) for part in parts) for parts in found.tables)
    return Statement(tuple(dict.fromkeys(tables)))


def _form(text: str, dialect: str) -> tuple[str, list[str]]:
    """Return the text with stand-ins for its qualified names, and those names by the numbers of their stand-ins."""
    names: list[str] = []
    if not text.isascii() or _STAND_IN in text or "." not in text:
        return text, names
    kept = _kept(dialect)

    def stand_in(found: re.Match[str]) -> str:
        if found[2] in kept or is_special(found[2], dialect):
            return found[0]
        names.append(found[2])
        return f"{found[1]}{_STAND_IN}{len(names) - 1}"

    return _QUALIFIED.sub(stand_in, text), names


@cache
def _kept(dialect: str) -> frozenset[str]:
    """Words that sqlglot may read as more than a name, in lower case."""
    from sqlglot.dialects.dialect import Dialect

    found = Dialect.get_or_raise(_SQLGLOT.get(dialect, dialect))
    parser = found.parser_class
    words = (
        found.tokenizer_class.KEYWORDS,
        parser.FUNCTIONS,
        parser.FUNCTION_PARSERS,
        parser.NO_PAREN_FUNCTION_PARSERS,
    )
    return frozenset(str(word).lower() for some in words for word in some)


def _named(text: str, names: list[str]) -> str:
    return _NUMBERED.sub(lambda found: names[int(found[1])], text)


@lru_cache(maxsize=2048)
def _read(sql: str, dialect: str) -> Statement:
    """Of a text without placeholders."""
    try:
        return _inspect(sql, dialect)
    except RecursionError:
        return Statement(refused=(SqlFault("invalid-sql", MAX_DEPTH),))
    except Exception:
        # a parser that others write may raise anything; a statement that it cannot read is not let through
        return Statement(refused=(SqlFault("invalid-sql", "this statement cannot be read"),))


def position(sql: str, offset: int) -> str:
    """Return an offset as people count: ``line 2, column 7``."""
    line = sql.count("\n", 0, offset) + 1
    return f"line {line}, column {offset - (sql.rfind(chr(10), 0, offset) + 1) + 1}"


def _inspect(sql: str, dialect: str) -> Statement:
    import sqlglot  # it costs 80 ms: only who has templates pays
    from sqlglot.errors import ParseError, TokenError

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)
    try:
        parsed = sqlglot.parse(sql, read=_SQLGLOT.get(dialect, dialect))
    except ParseError as error:
        return Statement(refused=(SqlFault("invalid-sql", _syntax(error.errors)),))
    except TokenError:
        return Statement(
            refused=(SqlFault("invalid-sql", "a quote or a comment does not end, or a character is unknown"),)
        )
    roots = [root for root in parsed if root is not None and type(root).__name__ != "Semicolon"]
    if not roots:
        return Statement(refused=(SqlFault("invalid-sql", "there is no statement in this text"),))
    if len(parsed) > 1:
        found = len(roots) if len(roots) > 1 else "one and a semicolon with something behind it"
        return Statement(refused=(SqlFault("multiple-statements", f"expected one statement, found {found}"),))
    root = roots[0]
    reasons = filter(None, (writes(node) for node in root.walk()))
    return Statement(
        tables=tuple(dict.fromkeys(_tables(root, dialect))),
        refused=tuple(dict.fromkeys(_refused(root, dialect))),
        writes=tuple(dict.fromkeys(reasons)),
    )


def _without_placeholders(sql: str, dialect: str) -> str:
    """Return the statement with a number of the same length for each parameter: no dialect takes one for a name."""
    lexed = placeholders(sql, dialect)
    pieces, end = [], 0
    for at in lexed.absolutes:  # a sign that every parser knows
        pieces += [sql[end:at], "+"]
        end = at + 1
    plain = "".join((*pieces, sql[end:]))
    return with_texts(plain, lexed.placeholders, lambda name: "1" + "0" * len(name))


def _syntax(errors: list[dict[str, Any]]) -> str:
    first = errors[0] if errors else {}
    what = str(first.get("description") or "it cannot be read").split(" but got ")[0].split(" / ")[0].rstrip(".")
    if "<class " in what or "sqlglot" in what:
        what = "something is missing here"
    return f"syntax error in line {first.get('line', 1)}, column {first.get('col', 1)} of the statement: {what}"


def _refused(root: Any, dialect: str) -> Iterator[SqlFault]:
    if not is_statement(root):
        yield SqlFault("not-a-query", "expected a query: SELECT, VALUES, or WITH ... SELECT")
        return
    for node in root.walk():
        refusal = refused(node, dialect)
        if refusal:
            yield refusal


def _tables(root: Any, dialect: str) -> Iterator[tuple[Part, ...]]:
    from sqlglot import exp

    clauses: _Clauses = {}
    for table in root.find_all(exp.Table):
        # a function in place of a table has no name of its own; functions are judged apart
        if isinstance(table.this, exp.Func) or not table.name:
            continue
        parts = tuple(Part(part.name, bool(part.args.get("quoted"))) for part in table.parts)
        if table.args.get("catalog") and not table.args.get("db"):
            parts = (parts[0], Part(""), *parts[1:])  # SQL Server's database..table
        if len(parts) > 1 or not _is_cte(table, fold(parts[0], dialect), dialect, clauses):
            yield parts
    for test in root.find_all(exp.In):
        field = test.args.get("field")
        if isinstance(field, exp.Column):  # `x IN customers` reads a table without FROM
            parts = tuple(Part(part.name, bool(part.args.get("quoted"))) for part in field.parts)
            if len(parts) > 1 or not _is_cte(test, fold(parts[0], dialect), dialect, clauses):
                yield parts


def _is_cte(table: Any, name: str, dialect: str, clauses: _Clauses) -> bool:
    """Whether a WITH that is visible from here defines the name; a WITH elsewhere must not hide a real table."""
    from sqlglot import exp

    inside: Any = table
    within: Any = None
    outer = table.parent
    while outer is not None:
        clause = outer.args.get("with_") or outer.args.get("with")
        if isinstance(clause, exp.With):
            if id(clause) not in clauses:
                clauses[id(clause)] = _Clause.of(clause, dialect)
            known = clauses[id(clause)]
            first = known.first.get(name)
            # inside a CTE: those before it, and with RECURSIVE itself
            end = known.own[id(within)] + bool(clause.args.get("recursive")) if inside is clause else len(known.own)
            if first is not None and first < end:
                return True
        within, inside, outer = inside, outer, outer.parent
    return False


class _Clause(NamedTuple):
    """The names that a WITH defines, by where they first stand, and where each of its parts stands."""

    first: dict[str, int]
    own: dict[int, int]

    @classmethod
    def of(cls, clause: Any, dialect: str) -> Self:
        names = [_alias(cte, dialect) for cte in clause.expressions]
        backwards = reversed([*enumerate(names)])
        return cls({name: at for at, name in backwards}, {id(cte): at for at, cte in enumerate(clause.expressions)})


_Clauses: TypeAlias = dict[int, _Clause]


def _alias(cte: Any, dialect: str) -> str:
    alias = cte.args["alias"].this
    return fold(Part(alias.name, bool(alias.args.get("quoted"))), dialect)
