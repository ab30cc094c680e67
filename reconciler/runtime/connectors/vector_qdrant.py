"""Qdrant by its REST API: points with a payload, by `points/query`, `points` and `points/delete`.

Source: https://api.qdrant.tech, and the models of `qdrant-client`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from reconciler.access.resource import Resource
from reconciler.model.body import Body
from reconciler.runtime.call import Answer, Call, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.vector_asked import (
    Asked,
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

_DISTANCES = frozenset({"Euclid", "Manhattan"})
"""Metrics whose score is a distance: less is nearer."""


class _Vectors(NamedTuple):
    """What a collection says of its vectors."""

    size: int
    distance: str


async def open_engine(tenant: str, connector: Resource, around: Surroundings) -> Engine:
    """Reaches nobody yet."""
    return _Qdrant(tenant, connector.body, around)


class _Qdrant:
    def __init__(self, tenant: str, body: Body, around: Surroundings) -> None:
        self._rest = Rest(tenant, body, around, "api-key")
        self._known = Remembered[tuple[str, str], _Vectors]()

    async def search(self, call: Call, wanted: Search) -> Answer:
        vectors = await self._vectors(call, wanted.asked)
        require_length(call, wanted.vector, vectors.size)
        own = own_conditions(wanted.asked.source)
        body: dict[str, Any] = {
            "query": [*wanted.vector],
            "limit": wanted.top_k,
            "with_payload": {"include": [*dict.fromkeys([*wanted.fields, *(one.field for one in own)])]},
            "with_vector": False,
        }
        if (name := wanted.asked.source.get("vector_name")) is not None:
            body["using"] = name
        if wanted.asked.conditions:
            body["filter"] = filter_of(wanted.asked.conditions)
        found, size = await self._ask(call, wanted.asked, "POST", "/query", body)
        matches = understood(lambda: _matches(found, vectors.distance))
        return answer_of(within(matches, own, wanted.fields, wanted.top_k), wanted.asked.most, size)

    async def upsert(self, call: Call, wanted: Upsert) -> Answer:
        vectors = await self._vectors(call, wanted.asked)
        require_length(call, wanted.vector, vectors.size)
        id_, name = _point_id(wanted.id), wanted.asked.source.get("vector_name")
        vector: Any = [*wanted.vector]
        body: dict[str, Any] = {
            "points": [
                {"id": id_, "vector": vector if name is None else {name: vector}, "payload": dict(wanted.payload)}
            ]
        }
        if wanted.asked.conditions:
            await self._require_own(call, wanted, id_)
            # a server of 1.16 or later judges it in the same moment; an older one ignores it
            body["update_filter"] = filter_of(wanted.asked.conditions)
        await self._ask(call, wanted.asked, "PUT", "?wait=true", body, writes=True)
        return Answer({"upserted": 1}, 1, 0)

    async def delete(self, call: Call, wanted: Delete) -> Answer:
        ids = None if wanted.ids is None else [*map(_point_id, wanted.ids)]
        held: dict[str, Any] = filter_of(wanted.asked.conditions, ids)
        if not held["must"]:
            raise Failed("statement-refused", "a delete needs a condition", "blocked")
        await self._ask(call, wanted.asked, "POST", "/delete?wait=true", {"filter": held}, writes=True)
        return Answer({"deleted": None}, None, 0)

    async def ping(self) -> None:
        await self._rest.ask(Request("GET", "/collections", "/collections"), MOST_LOOKED_UP)

    async def close(self) -> None:
        await self._rest.close()

    async def _require_own(self, call: Call, wanted: Upsert, id_: str | int) -> None:
        """Raise Failed where the id is in use outside of the datasource."""
        fields = [one.field for one in wanted.asked.conditions]
        body = {"ids": [id_], "with_payload": {"include": fields}, "with_vector": False}
        found, _ = await self._ask(call, wanted.asked, "POST", "", body)
        payloads: list[Any] = understood(lambda: [_payload(one) for one in found["result"]])
        require_own(payloads, wanted.asked.conditions)

    async def _ask(
        self, call: Call, asked: Asked, method: str, path: str, body: Body, writes: bool = False
    ) -> tuple[Any, int]:
        base = f"/collections/{quote(asked.collection, safe='')}/points"
        name = f"/collections/{{name}}/points{path.partition('?')[0]}"
        try:
            return await self._rest.ask(Request(method, base + path, name, body, writes), asked.most, call)
        except Failed:
            self._known.forget()
            raise

    async def _vectors(self, call: Call, asked: Asked) -> _Vectors:
        key = (asked.collection, asked.source.get("vector_name") or "")
        known = self._known.get(key)
        if known is not None:
            return known
        request = Request("GET", f"/collections/{quote(asked.collection, safe='')}", "/collections/{name}")
        found, _ = await self._rest.ask(request, MOST_LOOKED_UP, call)
        known = understood(lambda: _vectors_of(found, key[1]))
        self._known.keep(key, known)
        return known


def filter_of(conditions: Sequence[Condition], ids: Sequence[str | int] | None = None) -> dict[str, Any]:
    """Return conditions that all hold, as Qdrant writes them."""
    must = [_held(one) for one in conditions]
    return {"must": must if ids is None else [*must, {"has_id": [*ids]}]}


def _held(condition: Condition) -> dict[str, Any]:
    field, values = condition
    if len(values) == 1:
        return _equal(field, values[0])
    if {*map(type, values)} in ({str}, {int}):
        return {"key": field, "match": {"any": [*values]}}
    return {"should": [_equal(field, one) for one in values]}


def _equal(field: str, value: Any) -> dict[str, Any]:
    if isinstance(value, float):  # `match` takes no fractions
        return {"key": field, "range": {"gte": value, "lte": value}}
    return {"key": field, "match": {"value": value}}


def _point_id(value: Any) -> str | int:
    """Return the id of a point: a whole number or a uuid. Raises Failed."""
    if isinstance(value, int):
        return value
    try:
        return str(UUID(value))
    except ValueError:
        raise ValuesRefused("query-failed", "the store takes whole numbers and uuids as ids") from None


def _vectors_of(found: Any, name: str) -> _Vectors:
    vectors = found["result"]["config"]["params"]["vectors"]
    one = vectors[name] if name else vectors
    size, distance = one["size"], one["distance"]
    if type(size) is not int or not isinstance(distance, str):
        raise TypeError
    return _Vectors(size, distance)


def _matches(found: Any, distance: str) -> list[Match]:
    sign = -1.0 if distance in _DISTANCES else 1.0
    points = found["result"]["points"]
    return [Match(one["id"], sign * float(one["score"]), _payload(one)) for one in points]


def _payload(point: Mapping[str, Any]) -> Mapping[str, Any]:
    payload = point.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise TypeError
    return payload or {}
