"""Models turned into JSON Schema, Draft 2020-12, from their annotations alone: the same bytes with every pydantic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from reconciler.model.kind import Kind
from reconciler.render import schema_values as values
from reconciler.render.schema_facts import is_set
from reconciler.render.schema_values import NULL, PLAIN, VARIABLE, Mode, Schema, alternatives, described, fields_of

Models: TypeAlias = Mapping[str, type[BaseModel]]


class Parts:
    """Describes models for one file; what may stand more than once goes into ``defs``, its ``$defs``."""

    def __init__(self) -> None:
        self.defs: dict[str, Schema] = {}
        self._names: dict[tuple[type[BaseModel], Mode], str] = {}

    def kind(self, kind: Kind, mode: Mode) -> Schema:
        """Return the body of a resource of this kind."""
        if kind.discriminator is None:
            return self.ref(kind.variants[""], mode, kind.name)
        names = {value: f"{kind.name}_{value}" for value in kind.variants}
        body = self.tagged(kind.discriminator, kind.variants, mode, kind.name, names)
        self.defs[kind.name] = {"title": kind.name, "description": kind.summary} | body
        return {"$ref": f"#/$defs/{kind.name}"}

    def ref(self, model: type[BaseModel], mode: Mode, name: str = "") -> Schema:
        """Return a model as a definition, described once."""
        key = model, mode
        if key not in self._names:
            name = name or model.__name__
            while name in self.defs:
                name = f"{model.__module__.rpartition('.')[2]}_{name}"
            self._names[key] = name
            self.defs[name] = {"title": name}
            self.defs[name] |= self.part(model, mode)
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def part(self, model: type[BaseModel], mode: Mode) -> Schema:
        """Return a map with the fields of a model."""
        fields = dict(fields_of(model))
        required = [name for name, info in fields.items() if info.is_required()]
        return {
            "description": values.summary_of(model),
            "type": "object",
            **({"required": required} if required and mode.whole else {}),
            "properties": {name: self.field(model, name, info, mode) for name, info in fields.items()},
            "additionalProperties": False,
        }

    def field(self, owner: type[BaseModel], name: str, info: FieldInfo, mode: Mode) -> Schema:
        metadata = (*info.metadata, info) if info.discriminator else tuple(info.metadata)
        value = self.position(info.annotation, metadata, mode, nullable=mode.nulls and not info.is_required())
        schema = {"description": described(owner, name, info)} | value
        if mode.whole and not info.is_required():
            default = to_jsonable_python(info.get_default(call_default_factory=True), by_alias=True, exclude_none=True)
            if default is not None:
                schema["default"] = default
        return schema

    def position(self, annotation: Any, metadata: Iterable[Any], mode: Mode, *, nullable: bool) -> Schema:
        """Return the schema of a place for a value: what it may be, and whether a variable or null may stand there."""
        options = [*self._options(annotation, tuple(metadata), mode)]
        # one constant alone is a tag; beside something else it is one of the values
        tag = len(options) == 1 and "const" in options[0]
        if mode.variables and not tag and not any(map(values.takes_variables, options)):
            options.append(self.variable())
        return alternatives([*options, NULL] if nullable else options)

    def variable(self) -> Schema:
        self.defs["variable"] = values.VARIABLE_DEFINITION
        return VARIABLE

    def _options(self, annotation: Any, metadata: tuple[Any, ...], mode: Mode) -> Iterator[Schema]:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            yield from self._options(arguments[0], (*arguments[1:], *metadata), mode)
        elif origin in {Union, UnionType}:
            yield from self._union(arguments, metadata, mode)
        elif annotation is NoneType:
            yield NULL
        elif annotation is Any:
            yield {}
        elif origin is Literal:
            yield {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
        elif origin is dict:
            yield self._map(arguments[0], arguments[1], metadata, mode)
        elif origin in {tuple, list}:
            items = self.position(arguments[0], (), mode.item, nullable=False)
            unique = {"uniqueItems": True} if is_set(metadata) else {}
            yield {"type": "array", "items": items} | values.lengths("array", metadata) | unique
        elif annotation is Decimal:
            yield from values.decimals(metadata)
        elif annotation is str:
            yield self._text(metadata)
        elif annotation in values.TYPES:
            yield {"type": values.TYPES[annotation]} | values.bounds(metadata)
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield self.ref(annotation, mode)
        else:
            raise TypeError(f"JSON Schema has no words for {annotation!r} here; add them to {__name__}")

    def _text(self, metadata: tuple[Any, ...]) -> Schema:
        schema, form = values.text(metadata)
        if form is None or self.defs.setdefault(form.name, schema) != schema:
            return schema
        return {"$ref": f"#/$defs/{form.name}"}

    def _map(self, key: Any, value: Any, metadata: tuple[Any, ...], mode: Mode) -> Schema:
        names = self.position(key, (), PLAIN, nullable=False)
        entries = self.position(value, (), mode, nullable=mode.nulls and not mode.whole)
        return {
            "type": "object",
            **values.lengths("object", metadata),
            **({"propertyNames": names} if names != {"type": "string"} else {}),
            **({"additionalProperties": entries} if entries else {}),
        }

    def _union(self, members: tuple[Any, ...], metadata: tuple[Any, ...], mode: Mode) -> Iterator[Schema]:
        tag = next(filter(None, map(values.tag_of, metadata)), None)
        models = [member for member in members if member is not NoneType]
        if tag is not None and len(models) > 1:
            named = {str(get_args(model.model_fields[tag].annotation)[0]): model for model in models}
            yield self.tagged(tag, named, mode, "_".join(named), {})
        else:
            for member in models:
                yield from self._options(member, metadata, mode)
        if NoneType in members:
            yield NULL

    def tagged(self, tag: str, models: Models, mode: Mode, name: str, names: Mapping[str, str]) -> Schema:
        """Return a map whose other fields depend on the value of ``tag``; ``names`` are those of the variants' definitions."""
        # `if` and `then` per value, not `oneOf`: for `{type: custom, transport: stdio, risk: low}` under a `oneOf`,
        # yaml-language-server 1.25 tells that `type` "must be mcp", since it takes the variant with the most fields
        # that look right, and jsonschema tells only that no variant fits. Under `if` the tag alone decides: it tells that
        # a connector of type `custom` has no `transport`, completes that type's fields only, and lists the values of
        # the tag where it is missing or wrong.
        cases: list[Schema] = [
            {
                "if": {"type": "object", "required": [tag], "properties": {tag: {"const": value}}},
                "then": self.ref(model, mode, names.get(value, "")),
            }
            for value, model in models.items()
        ]
        if not mode.whole:
            self.defs[f"any_{name}"] = {"title": f"any_{name}"} | self.blend(models, tag, mode)
            cases.append({"if": {"required": [tag]}, "else": {"$ref": f"#/$defs/any_{name}"}})
        choice = {
            "description": f"The {tag} decides which other fields there are: it is one of {', '.join(models)}.",
            "enum": list(models),
            "markdownEnumDescriptions": [values.summary_of(model) for model in models.values()],
        }
        required = {"required": [tag]} if mode.whole else {}
        return {"type": "object", **required, "properties": {tag: choice}, "allOf": cases}

    def blend(self, models: Models, tag: str, mode: Mode) -> Schema:
        """Return a map with the fields of all variants except the tag: a part of a body whose tag stands elsewhere."""
        found: dict[str, dict[str, Schema]] = {}
        for value, model in models.items():
            for name, info in fields_of(model):
                if name != tag:
                    found.setdefault(name, {})[value] = self.field(model, name, info, mode)
        return {
            "description": f"Fields of every variant, since `{tag}` stands elsewhere.",
            "type": "object",
            "properties": {name: _blended(variants, len(models)) for name, variants in found.items()},
            "additionalProperties": False,
        }


def _blended(variants: Mapping[str, Schema], of: int) -> Schema:
    """One field as all variants together have it; the description says which of them it belongs to."""
    told: dict[str, list[str]] = {}
    options: list[Schema] = []
    for value, schema in variants.items():
        told.setdefault(schema["description"], []).append(value)
        rest = {key: one for key, one in schema.items() if key != "description"}
        options += rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    if len(told) == 1 and len(variants) == of:
        return {"description": next(iter(told))} | alternatives(options)
    lines = [f"{', '.join(names)}: {text}" for text, names in told.items()]
    return {"description": "\n".join(lines)} | alternatives(options)
