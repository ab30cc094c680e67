"""The base of every spec: a frozen, strict model that turns a raw body into a normalised one."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reconciler.errors import Path
from reconciler.model.body import Body
from reconciler.model.fields import Labels, Text
from reconciler.model.judges import leaves_value
from reconciler.model.risk import NoRisk, Risk


class Part(BaseModel):
    """A map inside a spec; unknown keys, coercion and values outside the bounds are errors."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_default=False,
        defer_build=True,
    )

    def normalised(self) -> Body:
        """Return the normalised JSON, defaults included; fields without a value are left out, so a new optional field is no change."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)


def _unless_default(value: str | None) -> str | None:
    return None if value == "delete" else value


class Spec(Part):
    """What all kinds have in common."""

    description: Annotated[Text, NoRisk("people and agents read it, nothing is decided by it")] = Field(
        "", description="What this is for, in a sentence that a colleague understands."
    )
    labels: Annotated[Labels, NoRisk("what policies make of labels shows in the effects of a plan on access")] = Field(
        default_factory=dict,
        description="Your own keys and values, e.g. `team: payments`. Policies and selections may use them.",
    )
    protected: Annotated[bool, Risk("protection-removed", by=leaves_value(True))] = Field(
        False,
        description="While true in the live state, a plan that deletes, replaces or forgets this resource is refused.",
    )
    on_delete: Annotated[
        Literal["delete", "retain"] | None,
        AfterValidator(_unless_default),
        Risk("protection-removed", by=leaves_value("retain")),
    ] = Field(
        None,
        description="What a plan does with the live resource once no manifest declares it. `retain` lets go of it, as `removed` "
        "with `destroy: false` does, if that is live by then; a replacement is no deletion. `delete` is the default.",
    )


P = TypeVar("P", bound=Part)


def read_again(part: type[P], normalised: Body) -> P:
    """Return the part that a normalised body was written by: its lists are tuples again."""
    return part.model_validate({key: tuple(one) if isinstance(one, list) else one for key, one in normalised.items()})


def explicit_paths(model: BaseModel) -> frozenset[Path]:
    """Return the paths that the author wrote, in contrast to those that a default filled; a list is one value."""
    found: list[Path] = []
    _explicit(model, (), found)
    return frozenset(found)


def _explicit(model: BaseModel, prefix: Path, found: list[Path]) -> None:
    fields, values = type(model).__pydantic_fields__, model.__dict__
    for attribute in model.model_fields_set:
        value: Any = values[attribute]
        at = (*prefix, fields[attribute].alias or attribute)
        if isinstance(value, BaseModel):
            _explicit(value, at, found)
        elif isinstance(value, dict) and value:
            for key, item in value.items():
                if isinstance(item, BaseModel):
                    _explicit(item, (*at, key), found)
                else:
                    found.append((*at, key))
        elif value is not None:
            found.append(at)
