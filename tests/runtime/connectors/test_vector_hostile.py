"""Hostile filters, ids, payloads and names: nothing is found or changed outside of what the template says."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from reconciler.access.resource import Resource
from reconciler.kinds.template.vector_values import unfit
from reconciler.runtime.call import Answer, Connection, Failed
from reconciler.runtime.connectors.vector import open_vector
from tests.conftest import new_postgres_database
from tests.runtime.calls import SECRETS, around, call_of
from tests.runtime.connectors.test_vector import DELETE, FOREIGN, UPSERT, chroma, place
from tests.runtime.connectors.vector_hostile import values
from tests.runtime.connectors.vector_places import NORTH, Place, content, ran, search, template

__all__ = ["chroma", "place"]

BOUNDED = 60
"""Values of each place and engine in the suite; `python -m tests.campaigns.vectors` has thousands."""


async def outcome(connection: Connection, chain: tuple[Resource, ...], given: dict[str, Any]) -> Answer | Failed:
    try:
        return await connection.run(call_of(chain, given))
    except Failed as error:
        return error


def tried(place: Place, seed: int, count: int) -> int:
    """Try hostile values in a filter, as ids and in a payload. Returns how many operations were done."""
    asked = search(filter={"team": "{team}"}, parameters={"team": {"type": "string"}}, **{"return": ["tenant"]})
    before = place.everything()
    done = 0

    async def main() -> None:
        nonlocal done
        connector, source = place.connector(read_only=False), place.datasource()
        connection = await open_vector("acme", connector, around())
        for value in values(seed, count):
            for what, given in (
                (asked, {"vector": NORTH, "team": value}),
                (DELETE, {"ids": value}),
                (UPSERT, {"id": value, "vector": NORTH, "title": value, "team": "a"}),
            ):
                told = await outcome(connection, (what, source, connector), given)
                if what is asked and isinstance(told, Answer):
                    assert {one["payload"]["tenant"] for one in told.content} <= {"acme"}
                done += isinstance(told, Answer)
        await connection.close()

    asyncio.run(main())
    after = place.everything()
    assert after[FOREIGN] == before[FOREIGN]
    assert before.keys() <= after.keys(), "no hostile id is one of an article"
    assert all(after[one] == before[one] for one in before)
    assert {one["tenant"] for one in after.values()} <= {"acme", "globex"}
    assert [one for one in after if after[one]["tenant"] == "globex"] == [FOREIGN]
    return done


def test_hostile_values_change_nothing_else(place: Place) -> None:
    assert tried(place, 1, BOUNDED) > 0


def test_every_hostile_value_is_judged() -> None:
    """No value raises in the judge, which callers reach before anything is recorded."""
    connector = Place("pgvector", {"dsn": "env://X"}, {"collection": "c"}, dict).connector().body
    for what in (UPSERT, DELETE, search(filter={"a": "{a}"}, top_k="{a}", parameters={"a": {"type": "string"}})):
        for value in values(2, 2000):
            given = dict.fromkeys(what.body["parameters"], value)
            assert isinstance([*unfit(what.body, connector, given)], list)


NAMES = ['we"ird', "sel ect", "Ünïcode", "a;b", "x'y", "UPPER", "order"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names(postgres_server: str, name: str) -> None:
    """A table, its columns and its schema may be called anything; the server writes their names."""
    url = new_postgres_database(postgres_server)
    quoted = '"' + name.replace('"', '""') + '"'
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA ext")
        connection.execute("CREATE EXTENSION vector SCHEMA ext")
        connection.execute(f"CREATE SCHEMA {quoted}")  # type: ignore[arg-type]
        table = f"{quoted}.{quoted}"
        connection.execute(f"CREATE TABLE {table} ({quoted} bigint PRIMARY KEY, v ext.vector(3), t text)")  # type: ignore[arg-type]
        connection.execute("DO $$ BEGIN CREATE ROLE agent LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection.execute(f"GRANT USAGE ON SCHEMA {quoted}, ext TO agent")  # type: ignore[arg-type]
        connection.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO agent")  # type: ignore[arg-type]
        folder = connection.info.host
        database = connection.info.dbname
    SECRETS["env://VECTORS"] = f"postgresql://agent@/{database}?host={quote(folder)}"
    raw = {"dsn": "env://VECTORS", "ssl": "disable", "network_exceptions": [{"cidr": "127.0.0.0/8", "port": 5432}]}
    own = {"collection": table, "id_column": name, "vector_name": "v", "filter": {"t": "acme"}}
    place = Place("pgvector", raw, own, dict)
    write = template("upsert", {"id": {"type": "integer"}}, vector="{vector}", id="{id}")
    assert content(ran(place, write, {"id": 7, "vector": NORTH}, read_only=False)) == {"upserted": 1}
    found = content(ran(place, search(**{"return": ["t"]}), {"vector": NORTH}))
    assert [(one["id"], one["payload"]) for one in found] == [(7, {"t": "acme"})]


def test_a_value_is_compared_whole(postgres_server: str) -> None:
    """A cast to `character` without a length keeps one character: `acme` would be `a`."""
    url = new_postgres_database(postgres_server)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE TABLE articles (id int PRIMARY KEY, embedding vector(3), tenant char(6), n numeric)")
        connection.execute(
            "INSERT INTO articles VALUES (1, '[1,0,0]', 'acme', 0.1), (2, '[1,0,0]', 'a', 12345678901234567890)"
        )
        connection.execute("DO $$ BEGIN CREATE ROLE agent LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection.execute("GRANT SELECT ON articles TO agent")
        SECRETS["env://VECTORS"] = f"postgresql://agent@/{connection.info.dbname}?host={quote(connection.info.host)}"
    raw = {"dsn": "env://VECTORS", "ssl": "disable", "network_exceptions": [{"cidr": "127.0.0.0/8", "port": 5432}]}
    for tenant, id_, number in (("acme", 1, "0.1"), ("a", 2, "12345678901234567890")):
        place = Place("pgvector", raw, {"collection": "articles", "filter": {"tenant": tenant}}, dict)
        (found,) = content(ran(place, search(**{"return": ["n"]}), {"vector": NORTH}))
        assert (found["id"], found["payload"]) == (id_, {"n": number})
