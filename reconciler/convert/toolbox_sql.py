"""Turn a statement of MCP Toolbox into one with `:name` parameters; the values stay values, never parts of SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.convert.toolbox_parameter import NotCarried
from reconciler.kinds.template.names import Part
from reconciler.kinds.template.placeholders import Lexed, placeholders
from reconciler.kinds.template.statement import inspect

_ACTION = re.compile(r"\{\{-?\s*\.([A-Za-z_]\w*)\s*-?\}\}")
_CONDITION = re.compile(r"\{\{-?\s*(?:if|range|with|end|else|define|template|block)\b")
_MARK = re.compile(r"\$(?P<number>[0-9]{1,3})|\?|[@:](?P<name>[A-Za-z_]\w*)|:(?P<digits>[0-9]{1,3})")
_NUMERIC = frozenset({"integer", "number", "boolean"})


def with_names(sql: str, dialect: str, values: Sequence[str], pasted: Mapping[str, str]) -> str:
    """``values`` are the names of bound parameters in their order; ``pasted`` maps those of ``{{.name}}`` to types.

    Raises NotCarried.
    """
    if _CONDITION.search(sql):
        raise NotCarried("the statement is put together from pieces (`{{if …}}`), and a template has one statement")
    unquoted = _unquoted(sql, pasted)
    sql = _ACTION.sub(lambda found: _pasted(unquoted, found, pasted), unquoted)
    if "{{" in sql or "${" in sql:
        raise NotCarried("the statement holds something that Toolbox replaces before it runs")
    lexed = placeholders(sql, dialect)
    if any(flaw.code == "invalid-sql" for flaw in lexed.flaws):
        raise NotCarried("its placeholders can't be read for certain")
    pieces: list[str] = []
    found_names: list[str] = []
    end = asked = 0
    before = {name for name, _offset in lexed.placeholders}
    for found in _marks(sql, lexed):
        name = _name(found, values, asked, sql)
        if name is None:
            continue
        asked += found[0] == "?"
        pieces += [sql[end : found.start()], f":{name}"]
        found_names.append(name)
        end = found.end()
    result = "".join((*pieces, sql[end:]))
    read = [name for name, _offset in placeholders(result, dialect).placeholders]
    if sorted(set(read)) != sorted({*found_names, *(before & {*pasted, *values})}):
        raise NotCarried("its placeholders can't be read for certain")
    return result


def _marks(sql: str, lexed: Lexed) -> Iterator[re.Match[str]]:
    """Yield what may be placeholders of Toolbox, outside of strings, quoted names and comments."""
    end = 0
    for start, after in (*lexed.opaque, (len(sql), len(sql))):
        yield from _MARK.finditer(sql, end, start)
        end = after


def _name(found: re.Match[str], values: Sequence[str], asked: int, sql: str) -> str | None:
    """Return the parameter that a placeholder stands for; None for what is no placeholder."""
    number = found["number"] or found["digits"]
    mark = found[0]
    if mark == "?" or number:
        index = asked if mark == "?" else int(number) - 1
        if not 0 <= index < len(values):
            raise NotCarried("it has more placeholders than parameters")
        return values[index]
    name = found["name"]
    if mark.startswith(":") and sql[found.start() - 1 : found.start()] != ":" and name != name.lower():
        return next((value for value in values if value == name.lower()), None)
    if mark.startswith("@") and sql[found.start() - 1 : found.start()] != "@":
        return next((value for value in values if value == name.lower()), None)
    return None


def _unquoted(sql: str, pasted: Mapping[str, str]) -> str:
    """`'{{.name}}'`, a whole string, is a value: its quotes go."""
    return re.sub(
        r"'\{\{-?\s*\.([A-Za-z_]\w*)\s*-?\}\}'",
        lambda found: f":{found[1].lower()}" if pasted.get(found[1].lower()) else found[0],
        sql,
    )


def _pasted(sql: str, found: re.Match[str], pasted: Mapping[str, str]) -> str:
    name = found[1].lower()
    beside = sql[max(0, found.start() - 1) : found.start()] + sql[found.end() : found.end() + 1]
    if pasted.get(name) in _NUMERIC and not re.search(r"[\w.'\"`\[\]%]", beside):
        return f":{name}"
    raise NotCarried(f"`{{{{.{name}}}}}` is pasted into the statement as SQL, and a parameter stands for a value only")


def tables_of(sql: str, dialect: str) -> list[str]:
    """Return the tables that a statement reads, as a datasource lists them."""
    return [".".join(_written(part, dialect) for part in parts if part.text) for parts in inspect(sql, dialect).tables]


def _written(part: Part, dialect: str) -> str:
    if not part.quoted and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$-]*", part.text):
        return part.text
    if dialect in {"mysql", "bigquery", "clickhouse", "databricks"}:
        return f"`{part.text}`"
    return f"[{part.text}]" if dialect == "mssql" else f'"{part.text}"'
