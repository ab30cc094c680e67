"""What a reviewer says of a tool's arguments beside the server's own schema: fixed, taken from who calls, or narrowed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from reconciler.kinds.literals import Scalar
from reconciler.kinds.rules import Fault, settle
from reconciler.kinds.template.parameter import Number, Origin
from reconciler.kinds.template.pattern import LinearPattern, matches
from reconciler.model.fields import ItemSet, Private, Whole, free_json
from reconciler.model.judges import floor_lowered, grown, raised, set_before
from reconciler.model.risk import Risk
from reconciler.model.spec import Part

Constant: TypeAlias = Annotated[Any, BeforeValidator(free_json), Private(), Whole()]
_BOUNDS = ("enum", "max", "max_length", "min", "pattern")


class Argument(Part):
    """One argument of a tool, by the name that the server gives it. One that is narrowed has to be given."""

    const: Annotated[Constant, Risk("access-widened")] = Field(
        None, description="The value that is always sent. Agents neither see nor give the argument then."
    )
    origin: Annotated[Origin | None, Risk("access-widened", by=set_before)] = Field(
        None,
        alias="from",
        description="Where the value comes from: `claims.NAME` of the caller's token, or `caller.name`. Agents neither see nor "
        "give the argument then; where the claim is missing, the call is denied.",
    )
    enum: Annotated[
        Annotated[ItemSet[Scalar], Field(min_length=1)] | None, Risk("access-widened", by=grown(empty_is_all=True))
    ] = Field(None, description="The only values that are allowed.")
    min: Annotated[Number | None, Risk("access-widened", by=floor_lowered)] = Field(
        None, description="The least number that is allowed."
    )
    max: Annotated[Number | None, Risk("access-widened", by=raised)] = Field(
        None, description="The greatest number that is allowed."
    )
    max_length: Annotated[Annotated[int, Field(ge=1, le=65536)] | None, Risk("access-widened", by=raised)] = Field(
        None, description="The most characters of a text, or items of a list."
    )
    pattern: Annotated[LinearPattern | None, Risk("access-widened", by=set_before)] = Field(
        None, description="A regular expression that the whole text has to match; no look-around."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    @property
    def is_fixed(self) -> bool:
        """Whether the value never comes from the agent."""
        return self.const is not None or self.origin is not None

    def _faults(self) -> Iterator[Fault]:
        bounds = [name for name in _BOUNDS if getattr(self, name) is not None]
        if self.const is not None and self.origin is not None:
            yield Fault(("const",), "conflicting-fields", "`const` and `from` exclude each other")
        if self.const is not None:
            for name in bounds:
                yield Fault((name,), "conflicting-fields", f"`{name}` has no meaning beside `const`", "leave it out")
        if not self.is_fixed and not bounds:
            message = "this says nothing of the argument"
            yield Fault(
                (), "missing-field", message, "write `const`, `from`, or a bound such as `enum`, `max` or `pattern`"
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            yield Fault(("min",), "out-of-range", "`min` is greater than `max`")

    def wrong(self, value: Any) -> str | None:
        """Return why the value is none that the bounds allow; None where it is one."""
        if self.enum is not None and not any(type(one) is type(value) and one == value for one in self.enum):
            return "this is none of the values in `enum`"
        if self.min is not None or self.max is not None:
            if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
                return "expected a number"
            if self.min is not None and value < self.min:
                return "this is less than `min`"
            if self.max is not None and value > self.max:
                return "this is more than `max`"
        if self.max_length is not None:
            if not isinstance(value, str | list):
                return "expected text or a list"
            if len(value) > self.max_length:
                return "this is longer than `max_length`"
        if self.pattern is not None and not (isinstance(value, str) and matches(self.pattern, value)):
            return "this does not match `pattern`"
        return None

    def narrowed(self, schema: Any) -> dict[str, Any]:
        """Return the schema of the argument as agents see it: the server's, and these bounds."""
        own: dict[str, Any] = {}
        if self.enum is not None:
            own["enum"] = [*self.enum]
        own |= {word: bound for word, bound in (("minimum", self.min), ("maximum", self.max)) if bound is not None}
        if self.max_length is not None:
            is_list = isinstance(schema, dict) and schema.get("type") == "array"
            own["maxItems" if is_list else "maxLength"] = self.max_length
        if self.pattern is not None:
            own["pattern"] = f"^(?:{self.pattern})$"
        if not isinstance(schema, dict):
            return own
        return {**schema, **own} if own.keys().isdisjoint(schema) else {**schema, "allOf": [own]}
