"""The kind `template`: what a caller may run, one file per type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.errors import Problem
from reconciler.kinds.selectors import shared_with
from reconciler.kinds.template.action import action_of
from reconciler.kinds.template.target import CALLS
from reconciler.kinds.template.types import SPECS, TYPES
from reconciler.model.body import Body
from reconciler.model.kind import Ability, Kind, Lookup, RefField
from reconciler.model.resource import Resource
from reconciler.model.selector import ACTION, Offer


def _check(resource: Resource, lookup: Lookup) -> Iterable[Problem]:
    return TYPES[resource.body["type"]].check(resource, lookup)


def _offers(body: Body) -> Iterator[Offer]:
    yield Offer(ACTION, action_of(body))


KIND = Kind(
    name="template",
    plural="templates",
    summary="What a caller may run: it chooses a template and values, never SQL and never a URL.",
    variants=SPECS,
    discriminator="type",
    identity=("type",),
    unique=("tool_name",),
    references=(
        RefField(("datasource",), "datasource"),
        RefField(("connector",), "connector"),
        RefField(("embed", "integration"), "integration"),
    ),
    check=_check,
    abilities=frozenset({Ability.FREEZABLE, Ability.SUSPENDABLE, Ability.LIMITABLE, Ability.NAMEABLE, Ability.LISTED}),
    calls=CALLS,
    offers=_offers,
    selects=shared_with,
    examples={
        "sql": "datasource: database\nsql: SELECT id, total FROM public.orders WHERE region = :region\n"
        "parameters:\n  region: {type: string, max_length: 20}",
        "http": "datasource: api\nmethod: GET\npath: /orders/{id}\nparameters:\n  id: {type: integer, min: 1}",
        "vector": 'datasource: vector\noperation: search\nvector: "{vector}"\ntop_k: 5\nreturn: [title, url]\n'
        "parameters:\n  vector: {type: array, items: number}",
        "message": 'connector: notification\nto: [sales-alerts]\ntext: "New order {id}"\ndedupe: "{id}"\nparameters:\n  id: {type: integer, min: 1}',
        "file": "datasource: file\noperation: read\npath: '{year}/{name}.csv'\n"
        "parameters:\n  year: {type: integer, min: 2000, max: 2100}\n  name: {type: string, pattern: '[a-z0-9-]{1,40}'}",
        "function": "connector: serverless\nfunction: send-invoice\nparameters:\n  id: {type: integer, min: 1}",
    },
)
