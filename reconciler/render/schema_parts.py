"""Models turned into JSON Schema, Draft 2020-12, from their annotations alone: the same bytes with every pydantic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from reconciler.kinds.annotations import flat
from reconciler.model.fields import Object, Secret, SecretKeys
from reconciler.model.kind import Kind
from reconciler.model.secret_ref import form_of_secret_keys
from reconciler.render import schema_values as values
from reconciler.render.schema_cases import all_of, case_schema
from reconciler.render.schema_facts import is_set
from reconciler.render.schema_values import (
    NULL,
    PLAIN,
    VARIABLE,
    VARIABLE_TEXT,
    Mode,
    Schema,
    alternatives,
    described,
    fields_of,
)

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
            **(all_of(map(partial(case_schema, model), model.cases)) if mode.whole and hasattr(model, "cases") else {}),
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
        found = values.variable_of(options, self.defs) if mode.variables and not tag else None
        if found is not None:
            options.append(self.variable(found))
        return alternatives([*options, NULL] if nullable else options)

    def variable(self, kind: Schema = VARIABLE) -> Schema:
        """Return a text with variables; its definition is there from now on."""
        name = kind["$ref"].rpartition("/")[2]
        self.defs[name] = values.VARIABLES[name]
        return kind

    def _options(self, annotation: Any, metadata: tuple[Any, ...], mode: Mode) -> Iterator[Schema]:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            yield from self._options(arguments[0], (*arguments[1:], *metadata), mode)
        elif origin in {Union, UnionType}:
            yield from self._union(arguments, metadata, mode)
        elif annotation is NoneType:
            yield NULL
        elif annotation is Any:
            yield {"type": ["object", "null"]} if any(isinstance(one, Object) for one in flat(metadata)) else {}
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
        secrets = next((one for one in flat(metadata) if isinstance(one, SecretKeys)), None)
        if secrets is not None and secrets.is_free:
            return self._free(mode)
        names = self.position(key, (), PLAIN, nullable=False)
        entries = self.position(value, (), mode, nullable=mode.nulls and not mode.whole)
        return {
            "type": "object",
            **values.lengths("object", metadata),
            **({"propertyNames": names} if names != {"type": "string"} else {}),
            **({"patternProperties": self._secrets(entries, secrets.further, mode)} if secrets is not None else {}),
            **({"additionalProperties": entries} if entries else {}),
        }

    def _secrets(self, entries: Schema, further: str, mode: Mode) -> Schema:
        """Return what stands under keys that look secret: what else may stand in the map, but no plain text."""
        others = [one for one in entries.get("anyOf", [entries]) if one.get("type") != "string"]
        reference = self.position(Secret, (), mode, nullable=False)
        return {form_of_secret_keys(further): alternatives([*reference.get("anyOf", [reference]), *others])}

    def _free(self, mode: Mode) -> Schema:
        """Return JSON of any shape, in which keys that look secret take references at any depth."""
        name = "free_map" if mode.variables else "plain_map"
        if name not in self.defs:
            reference = self.position(Secret, (), mode, nullable=False)
            anything = {
                "anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "array", "items": {"$ref": f"#/$defs/{name}_item"}}]
            }
            values_ = {"if": {"type": ["object", "array"]}, "then": anything}
            harmless = {"type": ["boolean", "null"]}
            listed = {"type": "array", "items": alternatives([reference, harmless, {"$ref": f"#/$defs/{name}"}])}
            secret = alternatives([reference, {"const": ""}, harmless, {"$ref": f"#/$defs/{name}"}, listed])
            self.defs[f"{name}_item"] = {"title": f"{name}_item", "description": "JSON inside of a free map."} | values_
            self.defs[name] = {
                "title": name,
                "description": "A map of any shape. A key that looks secret takes a reference to a secret.",
                "type": "object",
                "patternProperties": {form_of_secret_keys(): secret},
                "additionalProperties": {"$ref": f"#/$defs/{name}_item"},
            }
        return {"$ref": f"#/$defs/{name}"}

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
        choice = {
            "description": f"The {tag} decides which other fields there are: it is one of {', '.join(models)}.",
            "enum": list(models),
            "markdownEnumDescriptions": [values.summary_of(model) for model in models.values()],
        }
        if not mode.whole:
            self.defs[f"any_{name}"] = {"title": f"any_{name}"} | self.blend(models, tag, mode)
            cases.append({"if": {"required": [tag]}, "else": {"$ref": f"#/$defs/any_{name}"}})
        if mode.variables:
            # the tag is not known then, so nothing but the names of fields can be judged
            fields = {field for model in models.values() for field, _ in fields_of(model)}
            unknown = {"required": [tag], "properties": {tag: VARIABLE_TEXT}}
            cases.append({"if": unknown, "then": {"propertyNames": {"enum": sorted(fields)}}})
            told = {"description": choice.pop("description")}
            choice = told | alternatives([choice, self.variable(VARIABLE_TEXT)])
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
