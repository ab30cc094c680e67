"""A template's parameter: its type, its bounds, and whether they agree with each other."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from reconciler.kinds.literals import Scalar, Value
from reconciler.kinds.rules import Case, Fault, by_cases, settle
from reconciler.kinds.template.pattern import LinearPattern, matches
from reconciler.model.fields import Form, ItemSet, ModelText, fail, free_json
from reconciler.model.judges import floor_lowered, grown, leaves_value, raised, set_before
from reconciler.model.risk import NoRisk, Risk
from reconciler.model.spec import Part
from reconciler.patterns import regex

Origin: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"^(claims\.[A-Za-z0-9_:/.-]+|caller\.name)$")
]
ScalarType: TypeAlias = Literal["string", "integer", "number", "boolean", "date", "timestamp", "uuid"]
_NUMBERS = {"integer", "number"}
_DATE = regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = regex(_DATE.pattern + r"[T ][0-9:]{2,8}(?:[.,][0-9]+)?(?:Z|[+-][0-9:]{2,8}(?:\.[0-9]+)?)?")
_UUID = regex(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise fail("number", "expected a number")
    return free_json(value)


def _parameter_name(text: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", text):
        raise fail("invalid-name", "expected a parameter's name: lower-case letters, digits and underscores")
    return text


ParameterName: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=63),
    AfterValidator(_parameter_name),
    Form("parameter_name", r"^[a-z_][a-z0-9_]*$", "expected lower-case letters, digits and underscores"),
]
Number: TypeAlias = Annotated[int | float, BeforeValidator(_number)]


_SCALARS = ("string", "integer", "number", "boolean", "date", "timestamp", "uuid")


class Parameter(Part):
    """A value that the caller gives. One without `default` is required, unless it is `nullable`."""

    type: Annotated[
        Literal["string", "integer", "number", "boolean", "date", "timestamp", "uuid", "array"],
        Risk("statement-changed"),
    ] = Field(description="What the value is; other values are refused. `array` says in `items` of what.")
    items: Annotated[ScalarType | None, Risk("statement-changed")] = Field(
        None, description="array: the type of each item."
    )
    description: Annotated[ModelText, NoRisk("people and agents read it, nothing is decided by it")] = Field(
        "", description="What the value means, for the person or the agent that gives it."
    )
    default: Annotated[Value | None, Risk("statement-changed")] = Field(
        None, description="The value where the caller gives none. Without it, the parameter is required."
    )
    nullable: Annotated[bool, Risk("access-widened", by=leaves_value(False))] = Field(
        False, description="Whether the caller may leave it out or give null; the template then sees NULL."
    )
    enum: Annotated[
        Annotated[ItemSet[Scalar], Field(min_length=1)] | None, Risk("access-widened", by=grown(empty_is_all=True))
    ] = Field(None, description="The only values that are allowed (array: for each item).")
    min: Annotated[Number | None, Risk("access-widened", by=floor_lowered)] = Field(
        None, description="integer and number: the least value that is allowed."
    )
    max: Annotated[Number | None, Risk("access-widened", by=raised)] = Field(
        None, description="integer and number: the greatest value that is allowed."
    )
    max_length: Annotated[Annotated[int, Field(ge=1, le=65536)] | None, Risk("access-widened", by=raised)] = Field(
        None, description="string: the most characters. array: the most items."
    )
    min_length: Annotated[Annotated[int, Field(ge=1, le=65536)] | None, Risk("access-widened", by=floor_lowered)] = (
        Field(None, description="string: the least characters. array: the least items.")
    )
    separator: Annotated[Literal[",", " ", "|"] | None, Risk("statement-changed")] = Field(
        None,
        description="array, in a request: what stands between the items of one value, such as `a,b`. Without it, each item is "
        "a value of its own, and the array stands in `query` only. No item holds it.",
    )
    origin: Annotated[Origin | None, Risk("access-widened", by=set_before)] = Field(
        None,
        alias="from",
        description="Where the value comes from, if not from the call: `claims.NAME` of the caller's token, or `caller.name`. "
        "The caller can't give it then; where the claim is missing, the call is denied.",
    )
    pattern: Annotated[LinearPattern | None, Risk("access-widened", by=set_before)] = Field(
        None, description="string: a regular expression that the whole value has to match; no look-around."
    )

    cases: ClassVar = (
        Case({"type": ("array",)}, "for an array: the type of each item", needed=("items",)),
        *(
            Case({"type": (one,)}, barred=("items",), says=f"`items` has no meaning for the type {one}")
            for one in _SCALARS
        ),
        Case(
            {"type": tuple(one for one in _SCALARS if one != "string")},
            barred=("max_length", "min_length"),
            says="`{name}` is for strings and arrays only",
        ),
        Case({"type": _SCALARS}, barred=("separator",), says="`separator` is for arrays only"),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    @property
    def scalar(self) -> str:
        """The type of a single value: that of the items, for an array."""
        return self.items or "string" if self.type == "array" else self.type

    @property
    def is_unbounded(self) -> bool:
        """Whether every value of its type is allowed."""
        return self.enum is None and self.min is None and self.max is None and self.pattern is None

    @cached_property
    def _members(self) -> frozenset[tuple[bool, Any]]:
        """The values of `enum`, found at once: a list of 100,000 items is held against all of them."""
        return frozenset(map(_member, self.enum or ()))

    def _faults(self) -> Iterator[Fault]:
        yield from by_cases(self, self.cases)
        if self.origin is not None:
            for name in ("default", "nullable"):
                if getattr(self, name) not in {None, False}:
                    message = f"`{name}` has no meaning beside `from`: without the value, the call is denied"
                    yield Fault((name,), "conflicting-fields", message, "leave it out")
        yield from self._bound_faults()
        # a set has no positions, so the first fault stands for the list
        wrong = next(filter(None, (self.wrong(value, with_enum=False) for value in self.enum or ())), None)
        if wrong:
            yield Fault(("enum",), "parameter-mismatch", f"in one of the values: {wrong}")
        if self.default is not None:
            yield from self._default_faults(self.default)
        elif "default" in self.model_fields_set:
            message = "null is no default; a parameter that may be left out and is NULL then is `nullable: true`"
            yield Fault(("default",), "parameter-mismatch", message, "write `nullable: true`")

    def _bound_faults(self) -> Iterator[Fault]:
        for name in ("min", "max"):
            bound = getattr(self, name)
            if bound is not None and self.scalar not in _NUMBERS:
                yield Fault((name,), "conflicting-fields", f"`{name}` is for numbers, and this is a {self.scalar}")
            elif isinstance(bound, float) and self.scalar == "integer":
                yield Fault((name,), "parameter-mismatch", f"`{name}` of an integer is an integer too")
        if self.min is not None and self.max is not None and self.min > self.max:
            yield Fault(("min",), "out-of-range", "`min` is greater than `max`")
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            yield Fault(("min_length",), "out-of-range", "`min_length` is greater than `max_length`")
        if self.pattern is not None and self.scalar != "string":
            yield Fault(("pattern",), "conflicting-fields", "`pattern` is for strings only")

    def _default_faults(self, default: Any) -> Iterator[Fault]:
        if self.type == "array":
            if not isinstance(default, tuple):
                yield Fault(("default",), "parameter-mismatch", "the default of an array is a list")
                return
            if self.max_length is not None and len(default) > self.max_length:
                yield Fault(("default",), "parameter-mismatch", f"the default has more than {self.max_length} items")
            if self.min_length is not None and len(default) < self.min_length:
                yield Fault(("default",), "parameter-mismatch", f"the default has less than {self.min_length} items")
        values = default if self.type == "array" else (default,)
        for index, value in enumerate(values):
            message = self.wrong(value)
            if message:
                path = ("default", index) if self.type == "array" else ("default",)
                yield Fault(path, "parameter-mismatch", message)

    def wrong(self, value: Any, with_enum: bool = True) -> str | None:
        """Why a single value is none that this parameter allows."""
        if not is_of(self.scalar, value):
            return f"expected a value of the type {self.scalar}"
        if with_enum and self.enum is not None and _member(value) not in self._members:
            return "this is none of the values in `enum`"
        if self.scalar in _NUMBERS:
            if self.min is not None and value < self.min:
                return "this is less than `min`"
            if self.max is not None and value > self.max:
                return "this is more than `max`"
        if self.scalar == "string":
            if self.type == "string" and self.max_length is not None and len(value) > self.max_length:
                return "this is longer than `max_length`"
            if self.type == "string" and self.min_length is not None and len(value) < self.min_length:
                return "this is shorter than `min_length`"
            if self.pattern is not None and not matches(self.pattern, value):
                return "this does not match `pattern`"
        return None


def _member(value: Any) -> tuple[bool, Any]:
    """Return a scalar as JSON tells it apart: for Python, True == 1 too."""
    return isinstance(value, bool), value


def is_of(scalar: str, value: Any) -> bool:
    """Whether a value of JSON is one of the scalar type."""
    if scalar == "boolean":
        return isinstance(value, bool)
    if scalar in _NUMBERS:
        return isinstance(value, int | float | Decimal if scalar == "number" else int) and not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if scalar == "uuid":
        return _UUID.match(value) is not None
    return scalar == "string" or _is_time(scalar, value)


def _is_time(scalar: str, text: str) -> bool:
    """Whether a text is a date or a moment (RFC 3339, seconds and offset may be left out): what the schema says, and no more.

    Python reads more than that, weeks and a NUL at the end among it, and an API would get it as it came.
    """
    try:
        if scalar == "date":
            return _DATE.fullmatch(text) is not None and date.fromisoformat(text) is not None
        return _MOMENT.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False
