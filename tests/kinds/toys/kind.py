"""A kind for tests: it goes into a copy of the program with one line in the table, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.model.access import Classification, SharedWith
from reconciler.model.body import Body
from reconciler.model.fields import ItemSet, Name, ShortText
from reconciler.model.kind import Ability, Kind, RefField
from reconciler.model.risk import NoRisk, Risk
from reconciler.model.spec import Spec
from reconciler.model.target import UNKNOWN, UNUSABLE, Calls, Look, Operation


class Sensor(Spec):
    """Something that is measured."""

    connector: Annotated[Name, Risk("access-widened")] = Field(description="The connector that reaches it.")
    unit: Annotated[ShortText, Field(max_length=20), NoRisk("a word for people")] = Field(
        description="The unit of its values, e.g. `celsius`."
    )
    enabled: Annotated[bool, Risk("access-widened")] = Field(True, description="Whether it may be read.")
    classification: Annotated[Classification | None, Risk("classification-lowered")] = Field(
        None, description="How sensitive its values are."
    )
    access_roles: Annotated[ItemSet[ShortText], Risk("access-widened")] = Field(
        (), description="The roles that may read it. Empty leaves it to policies."
    )
    shared_with: Annotated[SharedWith | None, Risk("access-widened")] = Field(
        None, description="Projects whose policies may allow reading it."
    )


def _resolve(name: str, _action: str | None, look: Look) -> Operation | str:
    target = f"sensor/{name}"
    body = look(target)
    if body is None:
        return UNKNOWN
    connector = f"connector/{body['connector']}"
    if look(connector) is None:
        return UNUSABLE
    return Operation((target, connector), target, "retrieve", False, ParameterInputs({"parameters": {}}))


def _tools(name: str, _body: Body) -> Iterator[tuple[str, str]]:
    yield f"sensor_{name}", f"sensor/{name}"


KIND = Kind(
    name="sensor",
    plural="sensors",
    summary="Something that is measured, behind a connector.",
    variants={"": Sensor},
    references=(RefField(("connector",), "connector"),),
    abilities=frozenset(
        {
            Ability.FREEZABLE,
            Ability.SUSPENDABLE,
            Ability.LIMITABLE,
            Ability.METERED,
            Ability.NAMEABLE,
            Ability.HOLDS_DATA,
            Ability.LISTED,
        }
    ),
    calls=Calls("sensor", _resolve, _tools),
    examples={"": "connector: http\nunit: celsius"},
)
