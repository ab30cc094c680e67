"""Read the shape of each field from the annotations of a model of pydantic or msgspec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Raw, Struct, UnsetType, structs
from msgspec.structs import replace
from pydantic import BaseModel, Discriminator, Tag
from pydantic.fields import FieldInfo

from reconciler.kinds.schema import Shape
from reconciler.model.fields import Form, FormLater, Private, Public, Whole
from reconciler.model.risk import Health, JudgedTogether, NoRisk, Risk

if TYPE_CHECKING:
    from reconciler.kinds.schema import Part


def read_fields(part: Part) -> Mapping[str, Shape]:
    """Return the shape of each field of a model, by the name that files use."""
    if isinstance(part, type) and issubclass(part, BaseModel):  # a generic type is none of these
        return {info.alias or name: _of_field(info) for name, info in part.model_fields.items()}
    return {info.encode_name: _shape(info.type, ()) for info in structs.fields(part)}


def _of_field(info: FieldInfo) -> Shape:
    return _shape(info.annotation, (*info.metadata, info) if info.discriminator else tuple(info.metadata))


def flat(metadata: Iterable[Any]) -> Iterator[Any]:
    """Yield the metadata of an annotation, with that of its ``Field(...)`` in their place."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from flat(item.metadata)
        else:
            yield item


def _shape(annotation: Any, metadata: tuple[Any, ...]) -> Shape:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _shape(inner, (*metadata, *more))
    return _declared(_plain(annotation, metadata), metadata)


def _plain(annotation: Any, metadata: tuple[Any, ...]) -> Shape:
    """Return the structure of a place, without what is declared of it."""
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        return _union(annotation, metadata)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel | Struct):
        return Shape(part=annotation)
    if origin is dict:
        value = get_args(annotation)[1]
        return Shape(value is Any, is_open=value is Any, values=None if value is Any else _shape(value, ()))
    if origin in {tuple, list}:
        return Shape(items=_shape(get_args(annotation)[0], ()))
    if origin is Literal:
        return Shape(choices=tuple(str(choice) for choice in get_args(annotation)))
    constrained = any(isinstance(item, Form | FormLater) or getattr(item, "pattern", None) for item in flat(metadata))
    is_open = annotation in {Any, Raw}
    return Shape(is_open, is_open=is_open, free=annotation is str and not constrained)


def _declared(shape: Shape, metadata: tuple[Any, ...]) -> Shape:
    """With what the markers say; those of a type that stands inside of ``| None`` count too."""
    risks = tuple(item for item in metadata if isinstance(item, Risk))
    together = tuple(name for item in metadata if isinstance(item, JudgedTogether) for name in item.names)
    return replace(
        shape,
        is_whole=shape.is_whole or any(isinstance(item, Whole) for item in metadata),
        private=shape.private or any(isinstance(item, Private) for item in metadata),
        public=shape.public or any(isinstance(item, Public) for item in metadata),
        healing=shape.healing or any(isinstance(item, Health) for item in metadata),
        risks=tuple(dict.fromkeys((*shape.risks, *risks))),
        together=tuple(dict.fromkeys((*shape.together, *together))),
        harmless=shape.harmless or next((item.reason for item in metadata if isinstance(item, NoRisk)), ""),
    )


def _union(annotation: Any, metadata: tuple[Any, ...]) -> Shape:
    members = [member for member in get_args(annotation) if member not in {NoneType, UnsetType}]
    optional = len(members) < len(get_args(annotation))
    if len(members) == 1:
        # a marker that stands on both counts once: risks are the same then
        return replace(_shape(members[0], metadata), optional=optional)
    tag = next((_tag_of(item) for item in metadata if _tag_of(item) is not None), None)
    if tag is None:
        return Shape(optional=optional, either=tuple(_shape(member, ()) for member in members))
    shapes = [(_name(member, tag), _shape(member, ())) for member in members]
    return Shape(optional=optional, members=dict(shapes), tag=tag)


def _tag_of(item: Any) -> Any:
    if isinstance(item, FieldInfo):
        item = item.discriminator
    return item.discriminator if isinstance(item, Discriminator) else item if isinstance(item, str) else None


def _name(member: Any, tag: Any) -> str:
    """Return the tag of a union's member: what its ``Tag`` says, or the one value of its discriminating field."""
    if get_origin(member) is Annotated:
        return next(str(item.tag) for item in get_args(member)[1:] if isinstance(item, Tag))
    return str(get_args(member.model_fields[tag].annotation)[0])
