"""Searches and changes in real stores of vectors: the same articles, calls and answers for every engine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.runtime.call import Failed, ValuesRefused
from tests.runtime.connectors.vector_places import (
    ARTICLES,
    FIELDS,
    NORTH,
    VECTOR,
    Place,
    code,
    content,
    pgvector_place,
    ran,
    search,
    template,
    titles,
)
from tests.runtime.connectors.vector_servers import chroma_place, chroma_server, pinecone_place, qdrant_place

FOREIGN = ARTICLES[3][0]
NEW = "00000000-0000-4000-8000-00000000000a"
UPSERT = template(
    "upsert",
    {"id": {"type": "uuid"}, "vector": VECTOR, "title": {"type": "string"}, "team": {"type": "string"}},
    vector="{vector}",
    id="{id}",
    payload={"title": "{title}", "team": "{team}", "year": 2026, "open": True},
)
DELETE = template("delete", {"ids": {"type": "array", "items": "string"}}, ids="{ids}")


@pytest.fixture(scope="session")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real server."""
    with chroma_server(tmp_path_factory.mktemp("chroma")) as port:
        yield port


@pytest.fixture(params=["pgvector", "pgvector-metadata", "chroma", "qdrant", "qdrant-named", "pinecone"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    name: str = request.param
    if name.startswith("pgvector"):
        yield pgvector_place(request.getfixturevalue("postgres_server"), metadata=name.endswith("metadata"))
    elif name == "chroma":
        yield chroma_place(request.getfixturevalue("chroma"))
    elif name == "pinecone":
        with pinecone_place() as made:
            yield made
    else:
        with qdrant_place(named=name.endswith("named")) as made:
            yield made


def test_a_search_finds_the_nearest_of_its_datasource(place: Place) -> None:
    found = content(ran(place, search(), {"vector": NORTH}))
    assert [one["payload"]["title"] for one in found] == ["north", "near north", "east"]
    assert found[0]["id"] == ARTICLES[0][0]
    assert found[0]["payload"] == {name: ARTICLES[0][2][name] for name in FIELDS}
    assert [one["score"] for one in found] == pytest.approx([1.0, 0.9 / math.hypot(0.9, 0.1), 0.0], abs=1e-4)


def test_filters_hold_all_together(place: Place) -> None:
    parameters: dict[str, Any] = {
        "teams": {"type": "array", "items": "string"},
        "year": {"type": "integer"},
        "open": {"type": "boolean"},
    }

    def found(filters: dict[str, Any], **values: Any) -> list[str]:
        used = {name: one for name, one in parameters.items() if name in values}
        return titles(ran(place, search(filter=filters, parameters=used), {"vector": NORTH, **values}))

    assert found({"team": "{teams}"}, teams=["a", "b"]) == ["north", "near north", "east"]
    assert found({"team": "{teams}"}, teams=["b"]) == ["near north", "east"]
    assert found({"team": "{teams}", "open": "{open}"}, teams=["b"], open=True) == ["east"]
    assert found({"year": "{year}"}, year=2024) == ["north"]
    assert found({"year": [2024, 2025], "team": "b", "open": False}) == ["near north"]
    assert found({"team": "{teams}"}, teams=[]) == []


def test_no_template_and_no_value_widens_the_datasource(place: Place) -> None:
    of_globex = search(filter={"tenant": "{tenant}"}, parameters={"tenant": {"type": "string"}})
    assert titles(ran(place, of_globex, {"vector": NORTH, "tenant": "globex"})) == []
    assert titles(ran(place, search(filter={"tenant": ["acme", "globex"]}), {"vector": NORTH})) == [
        "north",
        "near north",
        "east",
    ]
    gone = template("delete", filter={"tenant": "globex"})
    assert content(ran(place, gone, read_only=False))["deleted"] in {0, None}
    assert len(place.everything()) == 4


def test_as_many_come_as_were_asked_for(place: Place) -> None:
    asked = search(top_k="{n}", parameters={"n": {"type": "integer"}})
    assert titles(ran(place, asked, {"vector": NORTH, "n": 2})) == ["north", "near north"]
    assert code(ran(place, asked, {"vector": NORTH, "n": 2}, max_results=1)) == "invalid-value"
    assert titles(ran(place, search(), {"vector": NORTH}, max_results=1)) == ["north"]
    assert content(ran(place, search(**{"return": []}), {"vector": NORTH}))[0]["payload"] == {}


def test_an_upsert_writes_within_the_datasource(place: Place) -> None:
    values = {"id": NEW, "vector": [0.0, 0.0, 1.0], "title": "up", "team": "c"}
    for title in ("up", "further up"):
        assert content(ran(place, UPSERT, {**values, "title": title}, read_only=False)) == {"upserted": 1}
    written = place.everything()[NEW]
    assert (written["title"], written["tenant"], written["year"]) == ("further up", "acme", 2026)
    assert titles(ran(place, search(top_k=1), {"vector": [0.0, 0.0, 1.0]})) == ["further up"]


def test_an_upsert_takes_nothing_from_another_tenant(place: Place) -> None:
    before = place.everything()
    refused = ran(place, UPSERT, {"id": FOREIGN, "vector": NORTH, "title": "mine", "team": "c"}, read_only=False)
    assert isinstance(refused, ValuesRefused)
    assert place.everything() == before


def test_a_deletion_removes_what_is_the_datasources(place: Place) -> None:
    ids = [ARTICLES[0][0], FOREIGN, NEW]
    ran(place, DELETE, {"ids": ids}, read_only=False)
    assert place.everything().keys() == {one[0] for one in ARTICLES[1:]}
    assert content(ran(place, DELETE, {"ids": []}, read_only=False)) == {"deleted": 0}
    ran(place, template("delete", filter={"team": "b", "open": True}), read_only=False)
    assert place.everything().keys() == {ARTICLES[1][0], FOREIGN}


@pytest.mark.parametrize("what", [UPSERT, DELETE], ids=["upsert", "delete"])
def test_a_connector_that_only_reads_writes_nothing(place: Place, what: Any) -> None:
    refused = ran(place, what, {"id": NEW, "vector": NORTH, "title": "x", "team": "x", "ids": [ARTICLES[0][0]]})
    assert code(refused) == "read-only"
    assert len(place.everything()) == 4


@pytest.mark.parametrize(
    "vector",
    [
        [],
        [math.nan, 0.0, 0.0],
        [1.0, math.nan, 0.0],
        [math.inf, 0.0, 0.0],
        [1e39, 0.0, 0.0],
        [0.0, 0.0, 0.0],
        ["1", 0.0, 0.0],
        [[1.0], 0.0, 0.0],
        [True, 0.0, 0.0],
        [None, 0.0, 0.0],
        [1.0] * 1_000_000,
        {"a": 1.0},
        "[1,0,0]",
        10**400,
        [10**400, 0.0, 0.0],
    ],
    ids=lambda one: repr(one[:3] if isinstance(one, list) else one)[:30],
)
def test_what_is_no_vector_is_refused(postgres_server: str, vector: Any) -> None:
    assert code(ran(pgvector_place(postgres_server), search(), {"vector": vector})) == "invalid-value"


def test_a_vector_of_another_length_is_the_callers_mistake(place: Place) -> None:
    for wrong in ([1.0, 0.0], [1.0, 0.0, 0.0, 0.0]):
        assert isinstance(ran(place, search(), {"vector": wrong}), ValuesRefused)
        assert code(ran(place, search(), {"vector": wrong}, dimensions=3)) == "invalid-value"
        refused = ran(place, UPSERT, {"id": NEW, "vector": wrong, "title": "x", "team": "x"}, read_only=False)
        assert isinstance(refused, ValuesRefused)


def test_hostile_values_stay_values(place: Place) -> None:
    asked = search(filter={"team": "{team}"}, parameters={"team": {"type": "string"}})
    before = place.everything()
    for text in HOSTILE:
        assert titles(ran(place, asked, {"vector": NORTH, "team": text})) == [], text
    assert place.everything() == before


HOSTILE = [
    "a' OR '1'='1",
    "a'); DELETE FROM articles; --",
    'a" OR 1=1',
    "$1",
    "{a}",
    '{"$ne": "x"}',
    '{"match": {"any": ["a"]}}',
    "%",
    "a\\",
    "\u2028",
    "a\n",
    "'; SELECT pg_sleep(10); --",
    "*",
    "",
]


def test_an_answer_beyond_the_cap_is_refused(place: Place) -> None:
    assert code(ran(place, search(), {"vector": NORTH}, max_response_bytes=60)) == "too-large"


def test_a_collection_or_a_field_that_is_missing_fails(place: Place) -> None:
    missing = ran(place, search(), {"vector": NORTH}, place.datasource(collection="nowhere"))
    if place.engine == "pinecone":  # a namespace is there once something was written to it
        assert content(missing) == []
    else:
        assert isinstance(missing, Failed)
