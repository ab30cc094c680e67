"""What a prepared statement reaches, as the server resolved it: functions, operators and relations by oid.

``debug_print_parse`` makes the server report its own parse tree: names are resolved there, views are not opened yet. No
parser of ours stands between the text and the judgement (docs/decisions/0022).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from reconciler.kinds.template.names import Part
from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.sql_common import Scope, refuse
from reconciler.runtime.threads import in_thread

REPORT = "SET LOCAL client_min_messages = log; SET LOCAL debug_pretty_print = off; SET LOCAL debug_print_parse = on"
SILENCE = "SET LOCAL debug_print_parse = off; SET LOCAL client_min_messages = warning"
_FUNCTIONS = re.compile(
    r":(?:funcid|opfuncid|hashfuncid|negfuncid|aggfnoid|winfnoid|tsmhandler|startInRangeFunc|endInRangeFunc) ([0-9]+)"
)
_OPERATORS = re.compile(r":(?:opno|cycle_mark_neop) ([0-9]+)|:opnos \(o([0-9 ]+)\)")
_RELATIONS = re.compile(r":relid ([0-9]+)")
_TYPES = re.compile(r":(?!vartype )\w*(?:type|typid|typeid|typeId) ([0-9]+)|:\w*[cC]ol[tT]ypes \(o([0-9 ]+)\)")
"""But for those of columns: what a listed table holds may be read."""
_RESULTS = re.compile(r":funcresulttype [0-9]+")
_NODE = re.compile(r"(?<!\\)\{([A-Z_]+)")
_KNOWN_NODES = """
    QUERY RTE RANGETBLENTRY RTEPERMISSIONINFO ALIAS RANGETBLREF RANGETBLFUNCTION JOINEXPR FROMEXPR TARGETENTRY VAR CONST PARAM
    FUNCEXPR NAMEDARGEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR BOOLEXPR SUBLINK AGGREF GROUPINGFUNC WINDOWFUNC
    WINDOWCLAUSE SUBSCRIPTINGREF ARRAYREF FIELDSELECT FIELDSTORE RELABELTYPE COERCEVIAIO ARRAYCOERCEEXPR CONVERTROWTYPEEXPR
    COLLATEEXPR COLLATE CASEEXPR CASE CASEWHEN WHEN CASETESTEXPR ARRAYEXPR ARRAY ROWEXPR ROW ROWCOMPAREEXPR ROWCOMPARE
    COALESCEEXPR COALESCE MINMAXEXPR MINMAX SQLVALUEFUNCTION XMLEXPR NULLTEST BOOLEANTEST COERCETODOMAIN
    COERCETODOMAINVALUE SETTODEFAULT TABLEFUNC TABLESAMPLECLAUSE SORTGROUPCLAUSE GROUPINGSET ROWMARKCLAUSE WITHCLAUSE
    COMMONTABLEEXPR CTESEARCHCLAUSE CTECYCLECLAUSE SETOPERATIONSTMT ONCONFLICTEXPR INFERENCEELEM MERGEACTION
    MERGESUPPORTFUNC RETURNINGEXPR RETURNINGCLAUSE RETURNINGOPTION JSONFORMAT JSONRETURNING JSONVALUEEXPR
    JSONCONSTRUCTOREXPR JSONISPREDICATE JSONBEHAVIOR JSONEXPR JSONTABLEPATH JSONTABLEPATHSCAN JSONTABLESIBLINGJOIN
"""
_KNOWN = frozenset(_KNOWN_NODES.split())
"""Nodes whose functions, relations and types are found above; a statement with another one is refused."""
_TYPEOF = ":funcid 1619 :funcresulttype 2206"
"""``pg_typeof`` names the type of a value that the statement has anyway."""
_REGISTERED = frozenset(
    {24, 2202, 2203, 2204, 2205, 2206, 4089, 4096, 4191, 1008, 2207, 2208, 2209, 2210, 2211, 4090, 4097, 4192}
)
"""``regproc``, ``regclass``, ``regrole`` and the like, and their arrays: they read names of the catalogs."""
_LARGE = 50_000
"""Characters of a tree that take more than 10 ms to read: the event loop serves others meanwhile."""
_NAMES = """
SELECT 'f' AS what, n.nspname::text, p.proname::text AS name,
    pg_catalog.replace(pg_catalog.oidvectortypes(p.proargtypes), ', ', ',') AS signature
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.oid = ANY($1::oid[]) OR p.oid IN (SELECT oprcode FROM pg_catalog.pg_operator WHERE oid = ANY($2::oid[]))
UNION ALL
SELECT 'r', n.nspname::text, c.relname::text, ''
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY($3::oid[]) OR (c.relkind <> 'c' AND c.oid IN (
    SELECT COALESCE(NULLIF(e.typrelid, 0), t.typrelid)
    FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem WHERE t.oid = ANY($4::oid[])))
"""


class Reach(NamedTuple):
    """Oids of what a statement names itself: what views, policies, triggers and defaults do is their owner's."""

    functions: frozenset[int]
    operators: frozenset[int]
    relations: frozenset[int]
    types: frozenset[int]
    registered: bool
    """Whether it names objects of the catalogs, as ``regclass`` and the like do."""


class Listener:
    """Collects the parse trees that a connection's server reports."""

    def __init__(self, connection: Any) -> None:
        self._trees: list[str] = []
        connection.add_log_listener(self._hear)

    def _hear(self, _connection: Any, message: Any) -> None:
        if str(message.message).startswith("parse tree"):
            self._trees.append(message.detail or "")

    def begin(self) -> None:
        self._trees.clear()

    async def reach(self) -> Reach:
        """Return what the statement reaches that was prepared since ``begin``. Raises Failed where that is unknown."""
        trees, self._trees = self._trees, []
        if len(trees) != 1:
            raise Failed("not-supported", "the server does not report what a statement means", "blocked")
        return await in_thread(reach_of, trees[0]) if len(trees[0]) > _LARGE else reach_of(trees[0])


def reach_of(tree: str) -> Reach:
    """Return what a parse tree reaches, as PostgreSQL writes it. Raises Failed for what nobody may do or nobody reviewed."""
    tree = " ".join(tree.split())  # the server breaks lines between any two words
    unknown = {*_NODE.findall(tree)} - _KNOWN
    if unknown:
        raise Failed("not-supported", f"the statement has a form that is not reviewed ({min(unknown)})", "blocked")
    types = _oids(_TYPES, _RESULTS.sub("", tree))
    registered = not _REGISTERED.isdisjoint(_oids(_TYPES, tree.replace(_TYPEOF, "")))
    return Reach(_oids(_FUNCTIONS, tree), _oids(_OPERATORS, tree), _oids(_RELATIONS, tree), types, registered)


async def judge(connection: Any, reach: Reach, scope: Scope) -> None:
    """Compare with the reviewed functions and with what the datasource lists. Raises Failed for anything else."""
    rows = await connection.fetch(_NAMES, *map(sorted, reach[:4]))
    called = [_Called(*row[1:]) for row in rows if row[0] == "f"]
    unreviewed = [one for one in called if not one.is_reviewed]
    named = tuple((Part(schema, True), Part(name, True)) for what, schema, name, _ in rows if what == "r")
    refuse(
        functions=[str(one) for one in unreviewed if not one.is_among(scope.functions)], tables=scope.unlisted(named)
    )
    # a function that the datasource adds may want such a name: `pg_relation_size('orders')`
    if reach.registered and not any("reg" in one.signature for one in unreviewed):
        what = "the statement uses names of the catalogs (regclass, regrole, regtype and the like)"
        raise Failed("statement-refused", what, "blocked")


class _Called(NamedTuple):
    """A function as the catalogs name it; ``signature`` has its arguments' types, without spaces between them."""

    schema: str
    name: str
    signature: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}({self.signature.replace(',', ', ')})"

    @property
    def is_reviewed(self) -> bool:
        reviewed = _reviewed()
        return self.schema == "pg_catalog" and (self.name in reviewed or f"{self.name}({self.signature})" in reviewed)

    def is_among(self, added: Sequence[str]) -> bool:
        names = {f"{self.schema}.{self.name}", f"{self.schema}.*"}
        if self.schema in {"public", "pg_catalog"}:
            names.add(self.name)
        return any(entry.replace('"', "") in names for entry in added)


@cache
def _reviewed() -> frozenset[str]:
    text = files(__package__).joinpath("postgresql_functions.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def _oids(pattern: re.Pattern[str], tree: str) -> frozenset[int]:
    return frozenset(oid for found in pattern.findall(tree) for oid in _numbers(found) if oid)


def _numbers(found: str | Iterable[str]) -> Iterator[int]:
    for one in [found] if isinstance(found, str) else found:
        yield from map(int, one.split())
