"""The field `health`, of what the runtime checks: how often, or not at all."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from reconciler.model.risk import NoRisk


def _form(value: Any) -> str:
    return "word" if isinstance(value, str) else "minutes"


Minutes: TypeAlias = Annotated[int, Field(ge=1, le=1440)]
_Every: TypeAlias = Annotated[
    Annotated[Minutes, Tag("minutes")] | Annotated[Literal["off"], Tag("word")], Discriminator(_form)
]
HealthChecks: TypeAlias = Annotated[
    _Every | None,
    NoRisk("a check sends what calls send, and changes nothing"),
    Field(
        description="How many minutes lie between two checks while it is used or is not well (1 to 1440), or `off` for none. Unset: 1."
    ),
]
