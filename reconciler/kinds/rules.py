"""Rules that concern several fields: how a spec reports them, with the path of the field that has to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct
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


GIVEN = "(given)"
"""Stands in a case for any value."""


class Case(Struct, frozen=True):
    """Fields that are needed, or have no meaning, where other fields have certain values; a JSON Schema is made from it too.

    ``when`` holds each field against values, of which None is no value and GIVEN any; all have to hold. Then each field of
    ``needed`` has a value, one of ``some`` at least, and none of ``barred``. ``where`` says when, for the usual messages;
    ``says`` replaces the message for ``some`` and ``barred``, with {name} for the field.
    """

    when: Mapping[str, tuple[Any, ...]] = {}
    where: str = ""
    needed: tuple[str, ...] = ()
    some: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    says: str = ""

    def holds(self, model: BaseModel) -> bool:
        """Whether ``when`` is true of a model."""
        for name, values in self.when.items():
            if is_unset(model, name):
                if None not in values:
                    return False
            elif GIVEN not in values and getattr(model, name) not in values:
                return False
        return True


def both_or_none(one: str, other: str, where: str) -> tuple[Case, Case]:
    """Return the cases of two fields that go together."""
    return Case({one: (GIVEN,)}, where, needed=(other,)), Case({other: (GIVEN,)}, where, needed=(one,))


def only_own(field: str, own: Mapping[str, tuple[str, ...]], needed: Mapping[str, tuple[str, ...]]) -> Iterator[Case]:
    """Yield a case for each value of ``field``, which has fields of its own; those of other values have no meaning."""
    every = {name for names in own.values() for name in names}
    for value, names in own.items():
        yield Case(
            {field: (value,)}, f"for {value}", needed=needed.get(value, ()), barred=tuple(sorted(every - {*names}))
        )


def unique(faults: Iterable[Fault]) -> Iterable[Fault]:
    """Return each fault once: several cases may find it."""
    return dict.fromkeys(faults)


def is_unset(model: BaseModel, name: str) -> bool:
    """Whether a field has no value: None, or the empty list or map that is its default."""
    value = getattr(model, name)
    return value is None or (
        value in ((), {}) and type(model).model_fields[name].get_default(call_default_factory=True) == value
    )


def by_cases(model: BaseModel, cases: Iterable[Case]) -> Iterator[Fault]:
    """Yield what is wrong by the cases that hold."""
    for case in cases:
        if not case.holds(model):
            continue
        for name in case.needed:
            if is_unset(model, name):
                yield Fault((name,), "missing-field", f"`{name}` is required {case.where}")
        if case.some and all(is_unset(model, name) for name in case.some):
            yield Fault(case.some[:1], "missing-field", case.says)
        for name in case.barred:
            if not is_unset(model, name):
                said = case.says.replace("{name}", name) or f"`{name}` has no meaning {case.where}; leave it out"
                yield Fault((name,), "conflicting-fields", said)


T = TypeVar("T")
Cap: TypeAlias = Annotated[T, Risk("limit-raised", by=raised), Risk("limit-lowered", by=lowered)]
"""A number that bounds something; without it there is no bound of its own."""
Seconds: TypeAlias = Annotated[int, Field(ge=1, le=3600), NoRisk("a call that may take longer reaches nothing more")]
Bytes: TypeAlias = Cap[Annotated[int, Field(ge=1, le=2**30)]]
Rows: TypeAlias = Cap[Annotated[int, Field(ge=1, le=1_000_000)]]
PerMinute: TypeAlias = Cap[Annotated[int, Field(ge=1, le=1_000_000)]]
ReadOnly: TypeAlias = Annotated[bool, Risk("read-only-removed", by=leaves_value(True))]
Retries: TypeAlias = Annotated[int, Field(ge=0, le=10)]
