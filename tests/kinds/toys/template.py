"""A type of templates for tests: a text with values in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from reconciler.errors import Problem
from reconciler.kinds.template.common import Template, connector_of, mismatch
from reconciler.kinds.template.types import TemplateType
from reconciler.model.body import Body
from reconciler.model.fields import Name, Replacing, ShortText
from reconciler.model.kind import Lookup
from reconciler.model.resource import Resource
from reconciler.model.risk import NoRisk, Risk


class Note(Template):
    """A text."""

    type: Replacing[Literal["note"]] = Field(description="A text, told by a connector of type `note`.")
    connector: Annotated[Name, Risk("access-widened")] = Field(description="The connector that tells it.")
    text: Annotated[ShortText, NoRisk("it is only told")] = Field(description="What is told.")


def check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    path, _, connector = connector_of(resource, lookup)
    if connector is not None and connector.body["type"] != "note":
        yield mismatch(resource.address, path, connector, "note")


def fits(body: Body, datasource: Body | None, connector: Body) -> bool:
    return connector["type"] == "note"


def reads(body: Body) -> bool:
    return True


TYPE = TemplateType(Note, check, fits, reads, "retrieve")
