"""Chroma by its API v2: a collection is looked up by its name in the connector's tenant and database, and asked by its id.

Source: the OpenAPI document that a server gives at /openapi.json.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from reconciler.access.resource import Resource
from reconciler.model.body import Body
from reconciler.runtime.call import Answer, Call, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.vector_asked import (
    Condition,
    Delete,
    Engine,
    Match,
    Search,
    Upsert,
    answer_of,
    own_conditions,
    require_length,
)
from reconciler.runtime.connectors.vector_rest import (
    MOST_LOOKED_UP,
    Remembered,
    Request,
    Rest,
    require_own,
    understood,
    within,
)

DOCUMENT = "document"
"""The field that is Chroma's document, and no metadata."""


class _Collection(NamedTuple):
    """``space`` is how distances are measured: cosine, l2 or ip."""

    id: str
    dimensions: int | None
    space: str


async def open_engine(tenant: str, connector: Resource, around: Surroundings) -> Engine:
    """Reaches nobody yet."""
    return _Chroma(tenant, connector.body, around)


class _Chroma:
    def __init__(self, tenant: str, body: Body, around: Surroundings) -> None:
        self._rest = Rest(tenant, body, around, "x-chroma-token")
        place = (body.get("tenant") or "default_tenant", body.get("database") or "default_database")
        self._base = "/api/v2/tenants/{}/databases/{}".format(*(quote(one, safe="") for one in place))
        self._known = Remembered[str, _Collection]()

    async def search(self, call: Call, wanted: Search) -> Answer:
        collection = await self._collection(call, wanted.asked.collection)
        require_length(call, wanted.vector, collection.dimensions)
        body: dict[str, Any] = {
            "query_embeddings": [[*wanted.vector]],
            "n_results": wanted.top_k,
            "include": ["metadatas", "distances", *([DOCUMENT + "s"] if DOCUMENT in wanted.fields else [])],
        }
        if wanted.asked.conditions:
            body["where"] = where(wanted.asked.conditions)
        found, size = await self._ask(call, wanted.asked.collection, "query", body, wanted.asked.most)
        matches = understood(lambda: _matches(found, collection.space))
        kept = within(matches, own_conditions(wanted.asked.source), wanted.fields, wanted.top_k)
        return answer_of(kept, wanted.asked.most, size)

    async def upsert(self, call: Call, wanted: Upsert) -> Answer:
        collection = await self._collection(call, wanted.asked.collection)
        require_length(call, wanted.vector, collection.dimensions)
        document = wanted.payload.get(DOCUMENT)
        if document is not None and not isinstance(document, str):
            raise ValuesRefused("query-failed", f"`{DOCUMENT}` is Chroma's document, which is a text")
        name, id_ = wanted.asked.collection, str(wanted.id)
        await self._require_own(call, wanted, id_)
        metadata = {key: value for key, value in wanted.payload.items() if key != DOCUMENT and value is not None}
        body = {
            "ids": [id_],
            "embeddings": [[*wanted.vector]],
            "metadatas": [metadata or None],
            "documents": [document],
        }
        await self._ask(call, name, "upsert", body, MOST_LOOKED_UP, writes=True)
        return Answer({"upserted": 1}, 1, 0)

    async def delete(self, call: Call, wanted: Delete) -> Answer:
        body: dict[str, Any] = {} if wanted.ids is None else {"ids": [*map(str, wanted.ids)]}
        if wanted.asked.conditions:
            body["where"] = where(wanted.asked.conditions)
        if not body:
            raise Failed("statement-refused", "a delete needs a condition", "blocked")
        found, _ = await self._ask(call, wanted.asked.collection, "delete", body, MOST_LOOKED_UP, writes=True)
        count = found.get("deleted") if isinstance(found, dict) else None
        count = count if type(count) is int and count >= 0 else None
        return Answer({"deleted": count}, count, 0)

    async def ping(self) -> None:
        await self._rest.ask(
            Request("GET", self._base, "/api/v2/tenants/{tenant}/databases/{database}"), MOST_LOOKED_UP
        )

    async def close(self) -> None:
        await self._rest.close()

    async def _require_own(self, call: Call, wanted: Upsert, id_: str) -> None:
        """Raise Failed where the id is in use outside of the datasource. Chroma has no condition on an upsert."""
        if not wanted.asked.conditions:
            return
        body = {"ids": [id_], "include": ["metadatas"]}
        found, _ = await self._ask(call, wanted.asked.collection, "get", body, MOST_LOOKED_UP)
        metadatas: list[Any] = understood(lambda: [*(found["metadatas"] or [])] if found["ids"] else [])
        require_own((one or {} for one in metadatas), wanted.asked.conditions)

    async def _ask(
        self, call: Call, name: str, what: str, body: Body, most: int, writes: bool = False
    ) -> tuple[Any, int]:
        """Ask a collection. One that is gone is looked up once more: it may have been made anew."""
        for is_last in (False, True):
            collection = await self._collection(call, name)
            path = f"{self._base}/collections/{collection.id}/{what}"
            request = Request("POST", path, f"/api/v2/.../collections/{{id}}/{what}", body, writes)
            try:
                return await self._rest.ask(request, most, call)
            except Failed as failed:
                self._known.forget()
                if failed.status != 404 or is_last:
                    raise
        raise AssertionError

    async def _collection(self, call: Call, name: str) -> _Collection:
        known = self._known.get(name)
        if known is not None:
            return known
        request = Request("GET", f"{self._base}/collections/{quote(name, safe='')}", "/api/v2/.../collections/{name}")
        found, _ = await self._rest.ask(request, MOST_LOOKED_UP, call)
        known = understood(lambda: _collection_of(found))
        if known.dimensions is not None:  # it has none until something was written
            self._known.keep(name, known)
        return known


def where(conditions: Sequence[Condition]) -> dict[str, Any]:
    """Return conditions that all hold, as Chroma writes them."""
    parts = [_held(one) for one in conditions]
    return parts[0] if len(parts) == 1 else {"$and": parts}


def _held(condition: Condition) -> dict[str, Any]:
    field, values = condition
    if len(values) == 1:
        return {field: {"$eq": values[0]}}
    if len({*map(type, values)}) == 1:
        return {field: {"$in": [*values]}}
    return {"$or": [{field: {"$eq": one}} for one in values]}  # a list has values of one type


def _collection_of(found: Any) -> _Collection:
    configuration = found["configuration_json"]
    index = configuration.get("hnsw") or configuration.get("spann") or {}
    id_, size = found["id"], found["dimension"]
    if not isinstance(id_, str) or not id_.replace("-", "").isalnum() or not (size is None or type(size) is int):
        raise ValueError
    return _Collection(id_, size, index.get("space") or "l2")


def _matches(found: Any, space: str) -> list[Match]:
    (ids,), (metadatas,), (distances,) = found["ids"], found["metadatas"], found["distances"]
    documents = (found.get("documents") or [[None] * len(ids)])[0]
    return [
        Match(id_, _score(distance, space), {**_payload(metadata), DOCUMENT: document})
        for id_, metadata, distance, document in zip(ids, metadatas, distances, documents, strict=True)
    ]


def _payload(metadata: Any) -> Mapping[str, Any]:
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError
    return metadata or {}


def _score(distance: Any, space: str) -> float | None:
    """Return the score of a distance: those of `cosine` and `ip` are 1 minus it, that of `l2` is a square."""
    if distance is None:
        return None
    number = float(distance)
    return -math.sqrt(max(0.0, number)) if space == "l2" else 1.0 - number
