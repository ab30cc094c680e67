"""PostgreSQL: the catalogue of one schema, without names of schemas and roles, and the same for every server's version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from reconciler.store.structure import DISABLED, TABLE, Part, Structure

_SCHEMA = (
    "SELECT n.oid, n.nspname, quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relname = :anchor AND pg_table_is_visible(c.oid)"
)
_TABLES = """
SELECT c.relname, c.relkind::text, c.relpersistence::text, c.relrowsecurity, c.relforcerowsecurity, pg_get_partkeydef(c.oid)
FROM pg_class c WHERE c.relnamespace = :schema AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
"""
_SEQUENCES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = :schema AND c.relkind = 'S' AND NOT EXISTS (
  SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
"""
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attcollation <> t.typcollation THEN (SELECT collname FROM pg_collation WHERE oid = a.attcollation) END,
  a.attnotnull, a.attidentity::text, a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE c.relnamespace = :schema AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
"""
# 'n': PostgreSQL 18 keeps NOT NULL as a constraint too; it stands on the column
_CONSTRAINTS = """
SELECT c.relname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = :schema AND NOT c.relispartition AND k.contype NOT IN ('n', 't')
"""
_INDEXES = """
SELECT c.relname, i.relname, pg_get_indexdef(i.oid), x.indisvalid FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
WHERE c.relnamespace = :schema AND NOT c.relispartition
  AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
"""
_TRIGGERS = """
SELECT c.relname, g.tgname, pg_get_triggerdef(g.oid), g.tgenabled::text FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
WHERE c.relnamespace = :schema AND NOT c.relispartition AND NOT g.tgisinternal
"""
_FUNCTIONS = """
SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname, p.prosrc, p.proconfig, p.prosecdef
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = :schema AND p.prokind = 'f' AND NOT EXISTS (
  SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
"""
_POLICIES = """
SELECT c.relname, p.polname, p.polpermissive, p.polcmd::text,
  ARRAY(SELECT CASE WHEN r.oid = c.relowner THEN 'its owner' ELSE r.rolname END FROM pg_roles r WHERE r.oid = ANY (p.polroles)),
  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = :schema AND NOT c.relispartition
"""
_RELATIONS = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE"}
_COMMANDS = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
_ENABLED = {"O": "", "A": "", "D": DISABLED, "R": " (on replicas only)"}


def describe(connection: Connection, anchor: str) -> Structure:
    """Return every part of the schema in which ``anchor`` is found; nothing where it is not visible."""
    schema = connection.execute(text(_SCHEMA), {"anchor": anchor}).first()
    return dict(_Catalogue(connection, *schema).parts()) if schema else {}


class _Catalogue:
    def __init__(self, connection: Connection, oid: int, name: str, quoted: str) -> None:
        self._connection, self._oid, self._name = connection, oid, name
        self._prefix = re.compile(rf'(?<![\w".]){re.escape(quoted)}\.')

    def parts(self) -> Iterator[tuple[Part, str]]:
        yield from self._tables()
        yield from self._columns()
        for table, definition in self._records(_CONSTRAINTS):
            yield Part("constraint", table, self._plain(definition)), self._plain(definition)
        for table, name, definition, is_valid in self._records(_INDEXES):
            yield Part("index", table, name), self._plain(definition) + ("" if is_valid else " (invalid)")
        for table, name, definition, enabled in self._records(_TRIGGERS):
            yield Part("trigger", table, name), self._plain(definition) + _ENABLED[enabled]
        for (name,) in self._records(_SEQUENCES):
            yield Part("sequence", "", name), "SEQUENCE"
        yield from self._functions()
        yield from self._policies()

    def _records(self, sql: str) -> Any:
        return self._connection.execute(text(sql), {"schema": self._oid})

    def _plain(self, definition: str) -> str:
        """Return a definition in one line, without the schema's name."""
        return " ".join(self._prefix.sub("", definition).split())

    def _tables(self) -> Iterator[tuple[Part, str]]:
        for name, kind, persistence, secured, forced, partitioned in self._records(_TABLES):
            words = [
                {"u": "UNLOGGED ", "t": "TEMPORARY "}.get(persistence, "") + _RELATIONS[kind],
                f"PARTITION BY {partitioned}" if partitioned else "",
                "ENABLE ROW LEVEL SECURITY" if secured else "",
                "FORCE ROW LEVEL SECURITY" if forced else "",
            ]
            yield Part(TABLE, name, ""), ", ".join(word for word in words if word)

    def _columns(self) -> Iterator[tuple[Part, str]]:
        for table, name, of, collation, not_null, identity, generated, default in self._records(_COLUMNS):
            words = [of, f'COLLATE "{collation}"' if collation else "", "NOT NULL" if not_null else ""]
            if identity:
                words.append(f"GENERATED {'ALWAYS' if identity == 'a' else 'BY DEFAULT'} AS IDENTITY")
            elif default is not None:
                value = self._plain(default)
                words.append(f"GENERATED ALWAYS AS ({value})" if generated else f"DEFAULT {value}")
            yield Part("column", table, name), " ".join(word for word in words if word)

    def _functions(self) -> Iterator[tuple[Part, str]]:
        for name, arguments, result, language, source, settings, is_definer in self._records(_FUNCTIONS):
            words = [
                f"CREATE OR REPLACE FUNCTION {name}({arguments}) RETURNS {result} LANGUAGE {language}",
                "SECURITY DEFINER" if is_definer else "",
                *(self._setting(one) for one in settings or ()),
            ]
            made = " ".join(word for word in words if word)
            yield Part("function", "", name), f"{made} AS $$ {' '.join(source.split())} $$"

    def _setting(self, setting: str) -> str:
        """Return a function's setting; its search_path has to lead to the tables, whatever else is on it."""
        name, _, value = setting.partition("=")
        if name == "search_path":
            found = [one.strip().strip('"') for one in value.split(",")]
            if self._name in found or "$user" in found:
                return "SET search_path FROM CURRENT"
        return f"SET {name} TO {value}"

    def _policies(self) -> Iterator[tuple[Part, str]]:
        for table, name, is_permissive, command, roles, using, check in self._records(_POLICIES):
            words = [
                f"FOR {_COMMANDS[command]} TO {', '.join(sorted(roles)) or 'public'}",
                "" if is_permissive else "RESTRICTIVE",
                f"USING {self._plain(using)}" if using else "",
                f"WITH CHECK {self._plain(check)}" if check else "",
            ]
            yield Part("policy", table, name), " ".join(word for word in words if word)
