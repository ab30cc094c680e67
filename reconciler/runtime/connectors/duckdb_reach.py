"""What a statement reaches in DuckDB, as DuckDB's own parser and lexer read it; no parser of ours stands in between.

``json_serialize_sql`` writes the parse tree of a query (https://duckdb.org/docs/current/data/json/sql_to_and_from_json). Of a
statement that writes there is none: there the lexer finds what stands before a parenthesis and is the name of a function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE_INTO"})
_NODES = """
    SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE BASE_TABLE SUBQUERY JOIN TABLE_FUNCTION EMPTY EXPRESSION_LIST
    ORDER_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER DISTINCT_MODIFIER ORDER_DEFAULT ASCENDING DESCENDING
"""
_KNOWN = frozenset(_NODES.split())
"""Nodes that are no expressions; a statement with another one is refused: SHOW_REF reads the catalogs."""
_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree"})
"""Functions that are read like tables, and hold nothing but their arguments."""
_WORD = re.compile(r"[a-z_]", re.IGNORECASE)

Names: TypeAlias = frozenset[str]


class Reach(NamedTuple):
    """``kind`` is the type of the statement, ``functions`` those that nobody reviewed, ``form`` a node that nobody did."""

    kind: str
    tables: list[list[str]]
    functions: list[str]
    form: str = ""
    returns: bool = True


def reach_of(duckdb: Any, connection: Any, sql: str) -> Reach:
    """Return what one statement reaches; of several, or of what can't be read, a form that is refused."""
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        return Reach("", [], [], "several statements")
    kind = statements[0].type.name
    if kind in WRITES:
        return _of_words(duckdb, connection, sql, kind)
    if kind != "SELECT":
        return Reach(kind, [], [], kind)
    (text,) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchone()
    found = json.loads(text)
    if found["error"] or len(found["statements"]) != 1:
        return Reach(kind, [], [], "a query that can't be read")
    return _of_tree(found["statements"][0], kind)


def _of_tree(root: Any, kind: str) -> Reach:
    tables: list[list[str]] = []
    functions: list[str] = []
    for node, visible, is_table in _walk(root):
        what = node.get("type")
        if "class" not in node and isinstance(what, str) and what not in _KNOWN and _is_node(node):
            return Reach(kind, [], [], what)
        if what == "BASE_TABLE":
            path = list(node["qualified_name"]["path"])
            if len(path) > 1 or path[0].lower() not in visible:
                tables.append(path)
        name = node.get("function_name")
        if name and not _is_reviewed(str(name), _TABLE_FUNCTIONS if is_table else _reviewed()):
            functions.append(str(name))
    return Reach(kind, tables, functions)


def _is_node(node: dict[str, Any]) -> bool:
    return not {"id", "kind"} & node.keys()  # types and literals


def _walk(root: Any) -> Iterator[tuple[dict[str, Any], Names, bool]]:
    """Yield each object of the tree, the names that a WITH gives there, and whether it is a function in place of a table."""
    stack: list[tuple[Any, Names, bool]] = [(root, frozenset(), False)]
    while stack:
        node, visible, is_table = stack.pop()
        if isinstance(node, list):
            stack += [(one, visible, False) for one in node]
        if not isinstance(node, dict):
            continue
        yield node, visible, is_table
        names = visible
        if node.get("type") == "RECURSIVE_CTE_NODE":
            names |= {str(node["cte_name"]).lower()}
        for clause in (node.get("cte_map") or {}).get("map", ()):
            stack.append((clause["value"], names, False))
            names |= {str(clause["key"]).lower()}
        for key, value in node.items():
            if key != "cte_map":
                stack.append((value, names, node.get("type") == "TABLE_FUNCTION" and key == "function"))


def _of_words(duckdb: Any, connection: Any, sql: str, kind: str) -> Reach:
    data = sql.encode()
    found = [(at, what.name) for at, what in duckdb.tokenize(sql) if what.name != "comment"]
    ends = [at for at, _ in found[1:]] + [len(data)]
    words = [(data[at:end].decode().strip(), what) for (at, what), end in zip(found, ends, strict=True)]
    if words[0][0].lower() == "truncate":  # which DuckDB takes for a DELETE
        return Reach(kind, [], [], "TRUNCATE")
    named = [
        word.strip('"').lower()
        for (word, what), (after, _) in pairwise(words)
        if what in {"identifier", "keyword"} and after.startswith("(")
    ]
    known = {
        str(name).lower()
        for (name,) in connection.execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
    }
    functions = [one for one in named if one in known and not _is_reviewed(one, _reviewed())]
    returns = any(word.lower() == "returning" for word, what in words if what == "keyword")
    return Reach(kind, [], functions, returns=returns)


def _is_reviewed(name: str, reviewed: Names) -> bool:
    return name.lower() in reviewed or not _WORD.match(name)  # operators are the grammar's


@cache
def _reviewed() -> Names:
    text = files(__package__).joinpath("duckdb_functions.txt").read_text(encoding="utf-8")
    found = (word for line in text.splitlines() if not line.startswith("#") for word in line.split())
    return _TABLE_FUNCTIONS.union(found)
