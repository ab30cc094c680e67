"""A template of type `vector` and the values of a call, turned into what an engine is asked for, and its answer into ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeAlias

from reconciler import strict_json
from reconciler.kinds.template.vector_values import DEFAULT_TOP_K, filled, own_filter, parameter_in, unfit
from reconciler.model.body import Body
from reconciler.runtime.call import Answer, Call, Failed, ValuesRefused
from reconciler.runtime.connectors.sql_common import too_large
from reconciler.runtime.connectors.sql_rows import plain

Scalar: TypeAlias = str | int | float | bool


class Condition(NamedTuple):
    """A field equals one of some values; with none, nothing holds it."""

    field: str
    values: tuple[Scalar, ...]


class Asked(NamedTuple):
    """What every operation has: the datasource, its own conditions first, and the most bytes of an answer."""

    source: Body
    conditions: tuple[Condition, ...]
    most: int

    @property
    def collection(self) -> str:
        found: str = self.source["collection"]
        return found

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be among what is asked for."""
        return any(not one.values for one in self.conditions)


class Search(NamedTuple):
    """The ``top_k`` nearest to a vector among what holds the conditions, with some of their fields."""

    asked: Asked
    vector: Sequence[float]
    top_k: int
    fields: tuple[str, ...]


class Upsert(NamedTuple):
    """One vector to write with its fields. The conditions are those of the datasource: what is there under the id holds them."""

    asked: Asked
    id: str | int
    vector: Sequence[float]
    payload: Mapping[str, Any]


class Delete(NamedTuple):
    """What to remove: all that holds the conditions, of these ids only where some are named."""

    asked: Asked
    ids: tuple[str | int, ...] | None


class Match(NamedTuple):
    """One thing that was found. ``score`` is greater the nearer it is; None where the store has no number for it."""

    id: Any
    score: float | None
    payload: Mapping[str, Any]


class Engine(Protocol):
    """One store of vectors. Every method raises Failed, and nothing else."""

    async def search(self, call: Call, wanted: Search) -> Answer: ...

    async def upsert(self, call: Call, wanted: Upsert) -> Answer: ...

    async def delete(self, call: Call, wanted: Delete) -> Answer: ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


def asked_of(call: Call) -> Asked:
    """Return what every operation has. Raises Failed for a call that nobody has judged."""
    body, connector, source = call.operation.body, call.connector.body, call.datasource
    if source is None or source.body["type"] != "vector":
        raise Failed("not-supported", "a template of type vector needs a datasource of type vector", "blocked")
    if body["operation"] != "search" and connector["read_only"] is True:
        raise Failed("read-only", "the connector is read-only", "blocked")
    for one in unfit(body, connector, call.values):
        raise Failed("invalid-value", one.message, "blocked")
    own = own_conditions(source.body)
    given = [Condition(field, _values(said, call.values)) for field, said in body["filter"].items()]
    most = min(body.get("max_response_bytes") or connector["max_response_bytes"], connector["max_response_bytes"])
    return Asked(source.body, (*own, *given), most)


def own_conditions(source: Body) -> tuple[Condition, ...]:
    """Return what everything in a datasource holds."""
    return tuple(Condition(field, (value,)) for field, value in own_filter(source).items())


def search_of(call: Call, asked: Asked, vector: Sequence[float]) -> Search:
    """Return the search of a call."""
    body, most = call.operation.body, call.connector.body["max_results"]
    top = body.get("top_k")
    if parameter_in(top) is not None:
        top = filled(top, call.values)
    top_k: int = min(DEFAULT_TOP_K if top is None else top, most)
    return Search(asked, vector, top_k, tuple(body["return"]))


def upsert_of(call: Call, asked: Asked, vector: Sequence[float]) -> Upsert:
    """Return the upsert of a call. What the datasource's filter says is written last: no payload takes its place."""
    body = call.operation.body
    payload = {field: _number(filled(said, call.values)) for field, said in body["payload"].items()}
    held = asked._replace(conditions=own_conditions(asked.source))
    return Upsert(held, filled(body["id"], call.values), vector, {**payload, **own_filter(asked.source)})


def delete_of(call: Call, asked: Asked) -> Delete:
    """Return the deletion of a call."""
    said = call.operation.body.get("ids")
    return Delete(asked, None if said is None else _values(said, call.values))


def require_length(call: Call, vector: Sequence[float], size: int | None) -> None:
    """Raise Failed for a vector of another length than the collection's: the caller's mistake, or the model's."""
    if size is None or size <= 0 or len(vector) == size:
        return
    message = f"the collection has vectors of {size} numbers"
    if call.operation.body.get("embed") is None:
        raise ValuesRefused("query-failed", message)
    raise Failed("embedding-failed", message)


def answer_of(matches: Sequence[Match], most: int, size: int) -> Answer:
    """Return what was found as an answer. ``size`` is that of the response. Raises Failed for more than may be."""
    rows = [{"id": plain(one.id), "score": plain(one.score), "payload": plain(one.payload)} for one in matches]
    if strict_json.size_of(rows) > most:
        raise too_large()
    return Answer(rows, len(rows), size)


def _values(said: Any, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values that a field may equal: one, or those of a list."""
    found = filled(said, values)
    return tuple(map(_number, found)) if isinstance(found, list | tuple) else (_number(found),)


def _number(value: Any) -> Any:
    """Return a number as stores take it: their JSON has no exact decimals."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return [*map(_number, value)] if isinstance(value, list | tuple) else value
