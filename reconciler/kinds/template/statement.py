"""What one SQL statement is and which tables it reads; a first filter, since the server has the last word."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, Self, TypeAlias

from msgspec import Struct

from reconciler.kinds.template.forbidden import Finding, is_statement, refused, writes
from reconciler.kinds.template.names import Part, fold
from reconciler.kinds.template.placeholders import placeholders

_SQLGLOT = {"postgresql": "postgres", "mssql": "tsql"}
MAX_DEPTH = "this statement is nested too deeply to be checked; write it flatter"


class Statement(Struct, frozen=True):
    """``refused`` always counts; ``writes`` says why the statement does not only read."""

    tables: tuple[tuple[Part, ...], ...] = ()
    refused: tuple[Finding, ...] = ()
    writes: tuple[str, ...] = ()


_QUOTED = re.compile(r"""['"`\[\]#$@\\{}]|--|/\*|//""")
_COMPARED = re.compile(r"(?<=[=<>])(\s*)[0-9]+(?![\w.])")
"""An integer behind a comparison: no dialect takes it for a name."""


@lru_cache(maxsize=2048)
def inspect(sql: str, dialect: str) -> Statement:
    """Reads one statement; whatever sqlglot raises becomes a finding.

    Statements that differ only in the integers that they compare with are read once: `WHERE customer = 17` says the same
    of itself as `WHERE customer = 18`. Where anything is found, the very text is read, since a finding says where.
    """
    text = _without_placeholders(sql, dialect)
    alike = text if _QUOTED.search(text) else _COMPARED.sub(r"\g<1>1", text)
    found = _read(alike, dialect)
    return _read(text, dialect) if found.refused or found.writes else found


@lru_cache(maxsize=2048)
def _read(sql: str, dialect: str) -> Statement:
    """Of a text without placeholders."""
    try:
        return _inspect(sql, dialect)
    except RecursionError:
        return Statement(refused=(Finding("invalid-sql", MAX_DEPTH),))
    except Exception:
        # a parser that others write may raise anything; a statement that it cannot read is not let through
        return Statement(refused=(Finding("invalid-sql", "this statement cannot be read"),))


def position(sql: str, offset: int) -> str:
    """An offset as people count: ``line 2, column 7``."""
    line = sql.count("\n", 0, offset) + 1
    return f"line {line}, column {offset - (sql.rfind(chr(10), 0, offset) + 1) + 1}"


def _inspect(sql: str, dialect: str) -> Statement:
    import sqlglot  # it costs 80 ms: only who has templates pays
    from sqlglot.errors import ParseError, TokenError

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)
    try:
        parsed = sqlglot.parse(sql, read=_SQLGLOT.get(dialect, dialect))
    except ParseError as error:
        return Statement(refused=(Finding("invalid-sql", _syntax(error.errors)),))
    except TokenError:
        return Statement(
            refused=(Finding("invalid-sql", "a quote or a comment does not end, or a character is unknown"),)
        )
    roots = [root for root in parsed if root is not None and type(root).__name__ != "Semicolon"]
    if not roots:
        return Statement(refused=(Finding("invalid-sql", "there is no statement in this text"),))
    if len(parsed) > 1:
        found = len(roots) if len(roots) > 1 else "one and a semicolon with something behind it"
        return Statement(refused=(Finding("multiple-statements", f"expected one statement, found {found}"),))
    root = roots[0]
    reasons = filter(None, (writes(node) for node in root.walk()))
    return Statement(
        tables=tuple(dict.fromkeys(_tables(root, dialect))),
        refused=tuple(dict.fromkeys(_refused(root, dialect))),
        writes=tuple(dict.fromkeys(reasons)),
    )


def _without_placeholders(sql: str, dialect: str) -> str:
    """A number of the same length for each parameter: every dialect reads one, none takes it for a name."""
    pieces, end = [], 0
    lexed = placeholders(sql, dialect)
    for at in lexed.absolutes:  # a sign that every parser knows
        pieces += [sql[end:at], "+"]
        end = at + 1
    sql, pieces, end = "".join((*pieces, sql[end:])), [], 0
    for name, offset in lexed.placeholders:
        pieces += [sql[end:offset], "1" + "0" * len(name)]
        end = offset + 1 + len(name)
    return "".join((*pieces, sql[end:]))


def _syntax(errors: list[dict[str, Any]]) -> str:
    first = errors[0] if errors else {}
    what = str(first.get("description") or "it cannot be read").split(" but got ")[0].split(" / ")[0].rstrip(".")
    return f"syntax error in line {first.get('line', 1)}, column {first.get('col', 1)} of the statement: {what}"


def _refused(root: Any, dialect: str) -> Iterator[Finding]:
    if not is_statement(root):
        yield Finding("not-a-query", "expected a query: SELECT, VALUES, or WITH ... SELECT")
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
