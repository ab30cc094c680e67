"""Whatever names something is seen whole by a person, in every kind; found by types of fields, not by a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from reconciler.kinds.annotations import flat
from reconciler.kinds.table import KINDS
from reconciler.model.fields import Private, identifier

WRONG = [
    "a\u202eb",
    "a\u200bb",
    " ab",
    "ab ",
    "a\u00a0b",
    "a\tb",
    "a\nb",
    "ab\u3000",
    "\ufeffab",
    "a\u2066b",
    "a\u00adb",
]


def _texts(annotation: Any, metadata: tuple[Any, ...], seen: set[type]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _texts(inner, (*more, *metadata), seen)
    elif annotation is str:
        yield annotation, metadata
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return
    else:
        for inner in get_args(annotation):
            yield from _texts(inner, (), seen)


def _models() -> Iterator[type[BaseModel]]:
    left: list[Any] = [model for kind in KINDS.values() for model in kind.variants.values()]
    seen = set[Any]()
    while left:
        one = left.pop()
        if one in seen:
            continue
        seen.add(one)
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield one
            left += [info.annotation for info in one.model_fields.values()]
        else:
            left += get_args(one) if get_args(one) else ()


def _identifiers() -> Iterator[tuple[str, Any]]:
    for model in _models():
        for name, info in model.model_fields.items():
            for text, metadata in _texts(info.annotation, tuple(info.metadata), set()):
                names = any(getattr(one, "func", None) is identifier for one in flat(metadata))
                if names:
                    kept = tuple(one for one in flat(metadata) if not isinstance(one, Private))
                    yield f"{model.__name__}.{name}", Annotated[(text, *kept)]


def test_no_field_that_names_something_holds_what_nobody_sees() -> None:
    found = dict(_identifiers())
    assert len(found) > 60
    for name, type_ in found.items():
        for text in WRONG:
            with pytest.raises(ValidationError):
                TypeAdapter(type_).validate_python(text)
            assert name
