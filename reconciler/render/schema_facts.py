"""What annotations declare for a JSON Schema beside their validators: forms of texts, and lists that are sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from reconciler.kinds.annotations import flat
from reconciler.model.fields import Form, FormLater, Unordered


def form_of(metadata: Iterable[Any]) -> Form | None:
    """Return the last form that is declared, which is that of the outermost alias."""
    forms = [item.make() if isinstance(item, FormLater) else item for item in flat(metadata) if _is_form(item)]
    return forms[-1] if forms else None


def is_set(metadata: Iterable[Any]) -> bool:
    """Whether a list counts as a set: its order means nothing."""
    return any(isinstance(item, Unordered) for item in flat(metadata))


def forms_in(models: Iterable[type[BaseModel]]) -> Iterator[Form]:
    """Yield the forms of all fields of the models and of those inside of them; one may come more than once."""
    left, seen = [*models], set[type[BaseModel]]()
    while left:
        model = left.pop()
        if model in seen:
            continue
        seen.add(model)
        for info in model.model_fields.values():
            yield from _forms(info.annotation, tuple(info.metadata), left)


def _forms(annotation: Any, metadata: tuple[Any, ...], models: list[type[BaseModel]]) -> Iterator[Form]:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _forms(inner, (*more, *metadata), models)
        return
    if (form := form_of(metadata)) is not None:
        yield form
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        models.append(annotation)
    for inner in get_args(annotation):
        yield from _forms(inner, (), models)


def _is_form(item: Any) -> bool:
    return isinstance(item, Form | FormLater)
