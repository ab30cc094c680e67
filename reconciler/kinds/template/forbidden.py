"""What no template may hold, and what one that only reads may not: judged node by node of a parsed statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from reconciler.codes import Code

_NEVER = (
    "Alter AlterTable Analyze Attach Cache Command Comment Commit Copy Create Declare Describe Detach Directory Drop "
    "Execute Export Grant Install Kill LoadData Pragma Refresh Revoke Rollback Set Show Summarize Transaction "
    "TruncateTable Uncache Use"
)
# functions that reach files, the network, other sessions, the server's settings, or run other SQL
_PREFIXES = (
    *(
        "pg_advisory",
        "pg_try_advisory",
        "pg_ls_",
        "pg_logical",
        "pg_wal_replay",
        "pg_file",
        "pg_sleep",
        "pg_replication",
    ),
    *("lo_", "dblink", "xp_", "sp_oa", "utl_", "dbms_"),
)
_ANYWHERE = """
    pg_read_file pg_read_binary_file pg_stat_file pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile
    pg_notify pg_switch_wal pg_create_restore_point pg_promote pg_backup_start pg_backup_stop pg_export_snapshot
    pg_import_system_collations pg_drop_replication_slot pg_create_physical_replication_slot
    pg_create_logical_replication_slot set_config setval nextval query_to_xml query_to_xmlschema
    query_to_xml_and_xmlschema table_to_xml table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml
    schema_to_xmlschema schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema
    cursor_to_xml ts_stat load_file sleep benchmark get_lock release_lock release_all_locks master_pos_wait sys_exec
    sys_eval load_extension readfile writefile fts3_tokenizer openrowset openquery opendatasource httpuritype
"""
# names that are honest ones elsewhere
_DUCKDB = """
    readcsv readparquet st_read glob getenv sqlite_scan sqlite_query postgres_scan postgres_query mysql_scan mysql_query
    iceberg_scan delta_scan arrow_scan arrow_scan_dumb pandas_scan python_arrow_scan python_map_function seq_scan sniff_csv
    query query_table json_execute_serialized_sql json_serialize_plan current_setting getvariable which_secret checkpoint
    force_checkpoint enable_logging disable_logging enable_profiling disable_profiling truncate_duckdb_logs write_log
    add_grammar_extension remove_grammar_extension summary sleep_ms
"""
_DUCKDB_PREFIXES = (
    "duckdb_",
    "pragma_",
    "read_",
    "parquet_",
    "register_external_",
    "deregister_external_",
    "icu_calendar",
)
_DUCKDB_INTERNAL = ("duckdb_", "pragma_", "sqlite_", "pg_")
_DUCKDB_WORDS = frozenset({"show", "describe", "desc", "summarize"})
_DUCKDB_CATALOGS = frozenset({"information_schema", "pg_catalog", "system", "temp"})
_CLICKHOUSE = """
    file url s3 s3cluster remote remotesecure mysql postgresql sqlite mongodb redis executable hdfs jdbc odbc gcs
    azureblobstorage cluster clusterallreplicas sleepeachrow input iceberg deltalake
"""
_MYSQL = """
    is_free_lock is_used_lock wait_for_executed_gtid_set wait_until_sql_thread_after_gtids source_pos_wait master_gtid_wait
    lastval last_insert_id name_const uuid_short sys_get sys_set ps_thread_account ps_thread_id
"""
_MYSQL_CATALOGS = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
# T-SQL needs no semicolon between statements: what reads like an alias would be run
_MSSQL_WORDS = """
    alter backup begin break bulk checkpoint close commit continue create dbcc deallocate declare delete deny drop exec
    execute fetch goto grant if insert kill merge open print raiserror readtext reconfigure restore return revert revoke
    rollback save set setuser shutdown throw truncate update updatetext use waitfor while writetext
"""
_MSSQL_STATEMENTS = frozenset(_MSSQL_WORDS.split())
_LOCKING_HINTS = frozenset({"UPDLOCK", "XLOCK", "TABLOCK", "TABLOCKX", "PAGLOCK", "HOLDLOCK", "SERIALIZABLE"})
_NAMES = frozenset(_ANYWHERE.split())
_OF_DIALECT = {
    "duckdb": frozenset(_DUCKDB.split()),
    "mysql": frozenset(_MYSQL.split()),
    "clickhouse": frozenset(_CLICKHOUSE.split()),
    "bigquery": frozenset({"external_query"}),
    "databricks": frozenset({"read_files", "http_request", "remote_query", "ai_query"}),
    "snowflake": frozenset({"system$abort_session", "system$cancel_query", "system$wait"}),
}


class SqlFault(NamedTuple):
    """Something wrong with a statement."""

    code: Code
    message: str


def is_statement(root: Any) -> bool:
    """Whether a parsed statement is of a form that a template may have at all."""
    from sqlglot import exp

    return isinstance(root, (*_queries(), exp.Insert, exp.Update, exp.Delete, exp.Merge))


def refused(node: Any, dialect: str) -> SqlFault | None:
    """Why a node may stand in no template."""
    from sqlglot import exp

    if isinstance(node, _never()):
        return SqlFault("not-a-query", f"{type(node).__name__.upper()} is not allowed in a template")
    if isinstance(node, exp.Placeholder | exp.Parameter | exp.SessionParameter):
        return SqlFault(
            "invalid-placeholder", "write parameters as :name; other placeholders and variables are refused"
        )
    if isinstance(node, exp.Identifier) and not node.quoted:
        return _word(node.name, dialect)
    if isinstance(node, exp.Func | exp.Dot):
        name = next((name for name in _called(node) if _is_dangerous(name, dialect)), None)
        message = f"the function {name} reaches beyond the data; templates may not call it"
        return SqlFault("forbidden-function", message) if name else None
    if isinstance(node, exp.Table) and _is_file(node.name, dialect):
        return SqlFault("forbidden-function", "a file in place of a table is refused")
    if dialect == "duckdb" and isinstance(node, exp.Table) and node.name.lower() in _DUCKDB_WORDS:
        return SqlFault("not-a-query", f"{node.name.upper()} reads the database's catalogs; quote it if it is a table")
    if isinstance(node, exp.Table) and is_foreign([part.name for part in node.parts], dialect):
        return SqlFault("forbidden-function", "the tables of the database's own catalogs are refused")
    if isinstance(node, exp.Select) and (node.args.get("settings") or node.args.get("format")):
        return SqlFault("not-a-query", "SETTINGS and FORMAT are not allowed in a template")
    return None


def writes(node: Any) -> str | None:
    """Why a node may not stand in a template that only reads."""
    from sqlglot import exp

    if isinstance(node, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return f"{type(node).__name__.upper()} changes data"
    if isinstance(node, exp.Into):
        return "SELECT INTO creates a table"
    if isinstance(node, exp.NextValueFor):
        return "NEXT VALUE FOR changes a sequence"
    hints = {one.name.upper() for one in node.expressions} if isinstance(node, exp.WithTableHint) else set()
    if isinstance(node, exp.Lock) or hints & _LOCKING_HINTS:
        return "FOR UPDATE, FOR SHARE and hints such as UPDLOCK lock rows"
    return None


@cache
def _queries() -> tuple[Any, ...]:
    from sqlglot import exp

    # versions of sqlglot differ in names
    names = ("Select", "SetOperation", "Union", "Except", "Intersect", "Subquery", "Values")
    return tuple(getattr(exp, name) for name in names if hasattr(exp, name))


@cache
def _never() -> tuple[Any, ...]:
    from sqlglot import exp

    return tuple(getattr(exp, name) for name in _NEVER.split() if hasattr(exp, name))


def _word(name: str, dialect: str) -> SqlFault | None:
    if name.startswith("$"):
        return SqlFault("invalid-placeholder", "write parameters as :name; `$1` is refused")
    if name.isdigit():
        return SqlFault("invalid-placeholder", "a parameter stands for a value, never for the name of something")
    if dialect == "mssql" and name.lower() in _MSSQL_STATEMENTS:
        return SqlFault("multiple-statements", f"{name.upper()} begins another statement; quote it if it is a name")
    return None


def is_special(name: str, dialect: str) -> bool:
    """Whether any rule here looks at a name, wherever it stands; ``name`` is in lower case."""
    return (
        _is_dangerous(name, dialect)
        or name in _MSSQL_STATEMENTS
        or _is_file(name, dialect)
        or is_foreign((name,), dialect)
    )


def is_foreign(path: Sequence[str], dialect: str) -> bool:
    """Whether a database makes a table of a file, its settings or its catalogs; ``path`` are the parts of its name."""
    if dialect == "mysql":
        return len(path) > 1 and path[-2].lower() in _MYSQL_CATALOGS
    if dialect != "duckdb" or not path:
        return False
    names = [part.lower() for part in path]
    return (
        _is_file(names[-1], dialect)
        or names[-1].startswith(_DUCKDB_INTERNAL)
        or not _DUCKDB_CATALOGS.isdisjoint(names[:-1])
    )


def _called(node: Any) -> Iterator[str]:
    """Yield the names of a call: of the function, however it is quoted, and of the package it is in."""
    from sqlglot import exp

    if isinstance(node, exp.Dot):
        yield from (part.name.lower() for part in node.find_all(exp.Identifier))
    elif isinstance(node, exp.Anonymous):
        yield str(node.name).lower()
    else:
        yield from (name.lower() for name in node.sql_names())


def _is_dangerous(name: str, dialect: str) -> bool:
    if dialect == "duckdb" and name.startswith(_DUCKDB_PREFIXES):
        return True
    return name in _NAMES or name in _OF_DIALECT.get(dialect, ()) or name.startswith(_PREFIXES)


def _is_file(name: str, dialect: str) -> bool:
    if dialect == "snowflake":
        return name.startswith("@")
    return dialect in {"duckdb", "databricks"} and not set(name).isdisjoint("./:*\\")
