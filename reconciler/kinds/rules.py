"""Rules that concern several fields: how a spec reports them, with the path of the field that has to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from reconciler.codes import Code
from reconciler.errors import Path
from reconciler.model.judges import leaves_value, lowered, raised
from reconciler.model.risk import NoRisk, Risk

M = TypeVar("M", bound=BaseModel)


class Fault(NamedTuple):
    """Something wrong at ``path``, relative to the model that reports it; the message must not repeat a value."""

    path: Path
    code: Code
    message: str
    hint: str | None = None


def settle(model: M, faults: Iterable[Fault]) -> M:
    """For a model's after-validator: the model itself, or one error with every fault and its path."""
    found = [_detail(fault) for fault in faults]
    if found:
        raise ValidationError.from_exception_data(type(model).__name__, found, hide_input=True)
    return model


def _detail(fault: Fault) -> InitErrorDetails:
    # the text goes in as a value: braces in it must not be read as placeholders
    error = PydanticCustomError(fault.code, "{text}", {"text": fault.message, "hint": fault.hint})
    return InitErrorDetails(type=error, loc=fault.path, input=None)


def required(model: BaseModel, fields: Iterable[str], where: str) -> Iterator[Fault]:
    """Yield a ``missing-field`` for each of the fields without a value; ``where`` says when they are needed."""
    for name in fields:
        if getattr(model, name) is None:
            yield Fault((name,), "missing-field", f"`{name}` is required {where}")


def forbidden(model: BaseModel, fields: Iterable[str], where: str) -> Iterator[Fault]:
    """Yield a ``conflicting-fields`` for each of the fields that has a value; ``where`` says why it may not."""
    for name in fields:
        if getattr(model, name) not in (None, (), {}):
            yield Fault((name,), "conflicting-fields", f"`{name}` has no meaning {where}; leave it out")


T = TypeVar("T")
Cap: TypeAlias = Annotated[T, Risk("limit-raised", by=raised), Risk("limit-lowered", by=lowered)]
"""A number that bounds something; without it there is no bound of its own."""
Seconds: TypeAlias = Annotated[int, Field(ge=1, le=3600), NoRisk("a call that may take longer reaches nothing more")]
Bytes: TypeAlias = Cap[Annotated[int, Field(ge=1, le=2**30)]]
Rows: TypeAlias = Cap[Annotated[int, Field(ge=1, le=1_000_000)]]
PerMinute: TypeAlias = Cap[Annotated[int, Field(ge=1, le=1_000_000)]]
ReadOnly: TypeAlias = Annotated[bool, Risk("read-only-removed", by=leaves_value(True))]
Retries: TypeAlias = Annotated[int, Field(ge=0, le=10)]
