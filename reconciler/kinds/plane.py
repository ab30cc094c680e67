"""The kind `plane`: one name for several datasources and the actions on them, for callers that ask by purpose."""

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.errors import Problem
from reconciler.kinds.selectors import shared_with
from reconciler.kinds.template.action import action_of
from reconciler.kinds.template.target import WORD as TEMPLATE
from reconciler.kinds.template.target import resolve as resolve_template
from reconciler.model.access import Action, Description, SharedWith
from reconciler.model.address import Address
from reconciler.model.fields import AnyReference, ItemSet, Name
from reconciler.model.kind import Ability, Kind, Lookup, RefField
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, NoRisk
from reconciler.model.spec import Spec
from reconciler.model.target import UNKNOWN, UNUSABLE, Calls, Look, Operation

Actions: TypeAlias = Annotated[dict[Action, AnyReference], Field(min_length=1, max_length=10)]


class Plane(Spec):
    """A purpose, the data that belongs to it, and what runs for each action."""

    description: Description = ""
    datasources: Annotated[ItemSet[Name], Field(min_length=1), BY_ACCESS] = Field(
        description="The datasources that belong to it; what runs here reads no others."
    )
    actions: Annotated[Actions, BY_ACCESS] = Field(
        description="What runs for each action, e.g. `query: template/top-customers`. The action has to be the one that "
        "follows from what runs."
    )
    discovery: Annotated[Literal["search", "list"] | None, NoRisk("what may be called stays the same")] = Field(
        None,
        description="How MCP clients of this plane learn of its actions: `list` (the default) tells them all, `search` gives `find_tools` and "
        "`call_tool`.",
    )
    shared_with: Annotated[SharedWith | None, BY_ACCESS] = Field(
        None, description="Projects whose policies may allow this, besides those of the project that declares it."
    )


def _check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    address, body = resource.address, resource.body
    for action, reference in body["actions"].items():
        path = ("actions", action)
        kind, _, name = reference.partition("/")
        if kind != TEMPLATE:
            message = f"a plane runs templates, and {reference} is none"
            yield Problem("invalid-target", message, str(address), path, expected="template/NAME")
            continue
        template = lookup(Address(address.tenant, kind, name))
        if template is None:
            continue
        if (does := action_of(template.body)) != action:
            message = f"{template.address} does not {action}: its action is {does}"
            yield Problem("action-mismatch", message, str(address), path, expected=does, hint=f"write `{does}:`")
        datasource = template.body.get("datasource")
        if datasource is None or datasource not in body["datasources"]:
            reads = f"the datasource {datasource}" if datasource else "no datasource but a connector"
            message = f"{template.address} uses {reads}, which this plane does not list"
            yield Problem("not-in-plane", message, str(address), path, expected=", ".join(body["datasources"]))


def _resolve(name: str, action: str | None, look: Look) -> Operation | str:
    """Return what runs for the action; it reads no data but the plane's."""
    plane = f"plane/{name}"
    body = look(plane)
    runs = body["actions"].get(action) if body is not None else None
    if body is None or runs is None:
        return UNKNOWN
    word, _, runs_name = runs.partition("/")
    found = resolve_template(runs_name, None, look) if word == TEMPLATE else UNUSABLE
    run = look(runs)
    if isinstance(found, str) or run is None or run.get("datasource") not in body["datasources"]:
        return UNUSABLE
    return found._replace(chain=(plane, *found.chain))


KIND = Kind(
    name="plane",
    plural="planes",
    summary="One name for several datasources and the actions on them.",
    variants={"": Plane},
    references=(RefField(("datasources", "*"), "datasource"), RefField(("actions", "*"), None)),
    check=_check,
    selects=shared_with,
    abilities=frozenset({Ability.FREEZABLE, Ability.SUSPENDABLE, Ability.NAMEABLE, Ability.LISTED}),
    calls=Calls("plane", _resolve),
    examples={"": "datasources: [database]\nactions:\n  query: template/sql"},
)
