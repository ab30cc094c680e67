"""The least that a command could cost: the same work as straight code, with nothing checked, planned or shown.

python -m benchmarks.floors read FOLDER           events of every file into values, canonical JSON, digests
python -m benchmarks.floors hash FOLDER           the bytes of every file hashed
python -m benchmarks.floors scan DATABASE         keys and digests of every row
python -m benchmarks.floors write PLAN DATABASE   a saved plan parsed, its bodies written into three tables
"""

from __future__ import annotations

import gc
import sqlite3
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson


def _files(folder: str) -> Iterator[bytes]:
    for file in sorted(Path(folder).rglob("*.yaml")):
        yield file.read_bytes()


def read(folder: str) -> None:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
    from yaml.events import (
        AliasEvent,
        MappingEndEvent,
        MappingStartEvent,
        ScalarEvent,
        SequenceEndEvent,
        SequenceStartEvent,
        StreamEndEvent,
    )

    for data in _files(folder):
        get = CParser(data).get_event
        stack: list[Any] = []
        key: Any = None
        while type(event := get()) is not StreamEndEvent:
            kind = type(event)
            if kind is ScalarEvent or kind is AliasEvent:
                value: Any = getattr(event, "value", None)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                stack.append((key, {} if kind is MappingStartEvent else []))
                key = None
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                key, value = stack.pop()
                if len(stack) == 2:  # a resource: document, kind, name
                    blake2b(
                        orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode().encode(), digest_size=16
                    ).hexdigest()
            else:
                continue
            if stack:
                holder = stack[-1][1]
                if type(holder) is list:
                    holder.append(value)
                elif key is None:
                    key = value
                else:
                    holder[key] = value
                    key = None


def hash_(folder: str) -> None:
    for data in _files(folder):
        blake2b(data, digest_size=16).hexdigest()


def scan(database: str) -> None:
    name = "r.tenant || '/' || r.kind || '/' || r.name"
    if database.startswith("sqlite"):
        rows = sqlite3.connect(database.removeprefix("sqlite:///")).execute(f"SELECT {name}, r.spec FROM resources r")
        found = {name: blake2b(spec.encode(), digest_size=16).hexdigest() for name, spec in rows}
    else:
        import psycopg

        with psycopg.connect(database) as connection:
            joined = "resources r JOIN applied a USING (tenant, kind, name) WHERE a.digest_of = md5(r.spec::text)"
            found = dict(connection.execute(f"SELECT {name}, a.digest FROM {joined}").fetchall())
    assert found


def write(plan: str, database: str) -> None:
    changes = orjson.loads(Path(plan).read_bytes())["resource_changes"]
    rows = [
        (c["tenant"], c["type"], c["name"], orjson.dumps(c["change"]["after"]).decode(), c["after_digest"])
        for c in changes
    ]
    tables = ("floor_resources", "floor_applied", "floor_changes")
    columns = "(tenant TEXT, kind TEXT, name TEXT, spec TEXT, digest TEXT, PRIMARY KEY (tenant, kind, name))"
    if database.startswith("sqlite"):
        lite = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
        lite.execute("PRAGMA journal_mode=WAL")
        lite.execute("BEGIN IMMEDIATE")
        for table in tables:
            lite.execute(f"DROP TABLE IF EXISTS {table}")
            lite.execute(f"CREATE TABLE {table} {columns}")
            lite.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", rows)
        lite.execute("COMMIT")
        return
    import psycopg

    with psycopg.connect(database) as connection:
        for table in tables:
            kind = columns.replace("spec TEXT", "spec JSONB") if table == "floor_resources" else columns
            connection.execute(f"DROP TABLE IF EXISTS {table}")  # type: ignore[arg-type]
            connection.execute(f"CREATE TABLE {table} {kind}")  # type: ignore[arg-type]
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:  # type: ignore[arg-type]
                for row in rows:
                    copy.write_row(row)


if __name__ == "__main__":
    gc.disable()
    {"read": read, "hash": hash_, "scan": scan, "write": write}[sys.argv[1]](*sys.argv[2:])
