"""Pinecone by its data plane: vectors with metadata in a namespace of one index.

Source: https://docs.pinecone.io/reference/api, version 2025-04. It was never run against the service: the tests hold the
requests to the documented shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

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
    holds,
    require_own,
    understood,
    within,
)

VERSION = "2025-04"
CONTROL = "https://api.pinecone.io"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.pinecone\.io")
_EXACT = 2**53
"""Pinecone keeps numbers as 64-bit floats: beyond this, two integers may be one."""
_MOST_IDS = 1000
_INDEX = Request("POST", "/describe_index_stats", "/describe_index_stats", {})


class _Index(NamedTuple):
    """What an index says of its vectors; ``metric`` is Pinecone's name."""

    size: int | None
    metric: str


async def open_engine(tenant: str, connector: Resource, around: Surroundings) -> Engine:
    """Reaches nobody yet."""
    return _Pinecone(tenant, connector.body, around)


class _Pinecone:
    def __init__(self, tenant: str, body: Body, around: Surroundings) -> None:
        self._tenant, self._body, self._around = tenant, body, around
        self._data = self._rest(body["url"]) if body.get("url") else None
        self._index = Remembered[str, _Index]()

    def _rest(self, url: str) -> Rest:
        return Rest(
            self._tenant, {**self._body, "url": url}, self._around, "api-key", {"x-pinecone-api-version": VERSION}
        )

    async def search(self, call: Call, wanted: Search) -> Answer:
        index = await self._described(call)
        require_length(call, wanted.vector, index.size)
        body: dict[str, Any] = {
            "namespace": _namespace(wanted.asked),
            "vector": [*wanted.vector],
            "topK": wanted.top_k,
            "includeMetadata": True,
            "includeValues": False,
        }
        if wanted.asked.conditions:
            body["filter"] = filter_of(wanted.asked.conditions)
        found, size = await self._ask(call, Request("POST", "/query", "/query", body), wanted.asked.most)
        matches = understood(lambda: _matches(found, index.metric))
        kept = within(matches, own_conditions(wanted.asked.source), wanted.fields, wanted.top_k)
        return answer_of(kept, wanted.asked.most, size)

    async def upsert(self, call: Call, wanted: Upsert) -> Answer:
        require_length(call, wanted.vector, (await self._described(call)).size)
        id_ = str(wanted.id)
        if wanted.asked.conditions:
            there = await self._fetched(call, wanted.asked, [id_])
            require_own(there.values(), wanted.asked.conditions)
        metadata = {field: _exact(value) for field, value in wanted.payload.items() if value is not None}
        body = {
            "namespace": _namespace(wanted.asked),
            "vectors": [{"id": id_, "values": [*wanted.vector], "metadata": metadata}],
        }
        request = Request("POST", "/vectors/upsert", "/vectors/upsert", body, writes=True)
        await self._ask(call, request, MOST_LOOKED_UP)
        return Answer({"upserted": 1}, 1, 0)

    async def delete(self, call: Call, wanted: Delete) -> Answer:
        """Pinecone takes ids or a filter, never both: of ids with a filter, those that hold it are read first."""
        body: dict[str, Any] = {"namespace": _namespace(wanted.asked)}
        if wanted.ids is None:
            if not wanted.asked.conditions:
                raise Failed("statement-refused", "a delete needs a condition", "blocked")
            body["filter"] = filter_of(wanted.asked.conditions)
        else:
            ids = [*dict.fromkeys(map(str, wanted.ids))]
            if len(ids) > _MOST_IDS:
                raise ValuesRefused("query-failed", f"the store deletes at most {_MOST_IDS} ids at once")
            if wanted.asked.conditions:
                there = await self._fetched(call, wanted.asked, ids)
                ids = [id_ for id_ in ids if id_ in there and holds(there[id_], wanted.asked.conditions)]
            if not ids:
                return Answer({"deleted": 0}, 0, 0)
            body["ids"] = ids
        request = Request("POST", "/vectors/delete", "/vectors/delete", body, writes=True)
        await self._ask(call, request, MOST_LOOKED_UP)
        return Answer({"deleted": None}, None, 0)

    async def ping(self) -> None:
        self._index.forget()
        await self._described(None)

    async def close(self) -> None:
        if self._data is not None:
            await self._data.close()

    async def _ask(self, call: Call | None, request: Request, most: int) -> tuple[Any, int]:
        try:
            return await (await self._reached(call)).ask(request, most, call)
        except Failed:
            self._index.forget()
            raise

    async def _reached(self, call: Call | None) -> Rest:
        """Return the way to the index: the connector's `url`, or the host that the control plane names."""
        if self._data is None:
            control = self._rest(CONTROL)
            try:
                request = Request("GET", f"/indexes/{quote(self._body['index'], safe='')}", "/indexes/{name}")
                found, _ = await control.ask(request, MOST_LOOKED_UP, call)
            finally:
                await control.close()
            self._data = self._rest(f"https://{understood(lambda: host_of(found))}")
        return self._data

    async def _described(self, call: Call | None) -> _Index:
        known = self._index.get("")
        if known is None:
            found, _ = await self._ask(call, _INDEX, MOST_LOOKED_UP)
            known = understood(lambda: _index_of(found, self._body["metric"]))
            self._index.keep("", known)
        return known

    async def _fetched(self, call: Call, asked: Asked, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the metadata of those ids that there are."""
        try:
            query = urlencode([*(("ids", one) for one in ids), ("namespace", _namespace(asked))])
        except UnicodeEncodeError:
            raise Failed("invalid-value", "an id holds half of a character", "blocked") from None
        found, _ = await self._ask(
            call, Request("GET", f"/vectors/fetch?{query}", "/vectors/fetch"), max(asked.most, MOST_LOOKED_UP)
        )
        return understood(lambda: {id_: _metadata(one) for id_, one in found["vectors"].items()})


def _namespace(asked: Asked) -> str:
    """Return the namespace of a datasource: its `namespace`, or its `collection` without one; never the whole index."""
    found: str = asked.source.get("namespace") or asked.collection
    return found


def filter_of(conditions: Sequence[Condition]) -> dict[str, Any]:
    """Return conditions that all hold, as Pinecone writes them."""
    return {"$and": [_held(one) for one in conditions]}


def _held(condition: Condition) -> dict[str, Any]:
    field, values = condition
    exact = [*map(_exact, values)]
    if len(exact) == 1:
        return {field: {"$eq": exact[0]}}
    if {*map(type, exact)} in ({str}, {int}):
        return {field: {"$in": exact}}
    return {"$or": [{field: {"$eq": one}} for one in exact]}


def _exact(value: Any) -> Any:
    """Return a value that Pinecone keeps as it is. Raises Failed for an integer that it would round."""
    if type(value) is int and abs(value) > _EXACT:
        raise ValuesRefused("query-failed", "the store keeps integers up to 2^53")
    return value


def host_of(found: Any) -> str:
    """Return the host of an index. Raises ValueError for one that is not Pinecone's: the key goes nowhere else."""
    host = found["host"]
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise ValueError
    return host


def _index_of(found: Any, otherwise: str) -> _Index:
    size, metric = found.get("dimension"), found.get("metric") or otherwise
    if not (size is None or type(size) is int) or metric not in {"cosine", "euclidean", "dotproduct", "dot"}:
        raise ValueError
    return _Index(size, metric)


def _matches(found: Any, metric: str) -> list[Match]:
    return [Match(one["id"], _score(float(one["score"]), metric), _metadata(one)) for one in found["matches"]]


def _score(score: float, metric: str) -> float:
    """Return ours: Pinecone's score of `euclidean` is the square of the distance."""
    return -math.sqrt(max(0.0, score)) if metric == "euclidean" else score


def _metadata(one: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = one.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError
    return {name: _whole(value) for name, value in (metadata or {}).items()}


def _whole(value: Any) -> Any:
    """Return a number as it was written: Pinecone gives each back as a float."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT else value
