"""The pieces of a JSON Schema: how complete a file is, texts, bounds, alternatives, and what an editor tells of a field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel, Discriminator
from pydantic.fields import FieldInfo

from reconciler.kinds.schema import flat
from reconciler.model.fields import Form
from reconciler.render.schema_facts import form_of

Schema: TypeAlias = dict[str, Any]


class Mode(Struct, frozen=True):
    """How complete a file is that a schema describes.

    ``variables``: text with ``${...}`` may stand for any value. ``nulls``: null may stand where a value may be missing.
    ``whole``: what is required has to be there. Where it has not, null may also take an entry out of a map.
    """

    variables: bool = False
    nulls: bool = False
    whole: bool = True

    @property
    def item(self) -> Mode:
        """For an item of a list, which no other layer completes: lists replace, they do not merge."""
        return Mode(variables=self.variables)


PLAIN = Mode()
BASE = Mode(variables=True, nulls=True)
OVERLAY = Mode(variables=True, nulls=True, whole=False)
DEFAULTS = Mode(variables=True, whole=False)

NULL: Schema = {"type": "null"}
VARIABLE: Schema = {"$ref": "#/$defs/variable"}
VARIABLE_DEFINITION: Schema = {
    "title": "variable",
    "description": "Text with ${var.NAME} or ${tenant}, which are replaced before anything is checked. Text that is "
    "nothing but one of them takes its type, which may be a list or a map.",
    "type": "string",
    "pattern": r"\$\{",
    "patternErrorMessage": "expected text with ${var.NAME} or ${tenant}",
}
TYPES: dict[Any, str] = {bool: "boolean", int: "integer", float: "number"}
ENOUGH = 15
"""A description with fewer characters says too little to be shown alone."""

_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_LENGTHS = {
    "string": {"min_length": "minLength", "max_length": "maxLength"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the fields of a model under the names that files use."""
    for name, info in model.model_fields.items():
        yield info.alias or name, info


def tag_of(item: Any) -> str | None:
    """Return the field that tells the members of a union apart, where a piece of metadata names one."""
    tag = item.discriminator if isinstance(item, FieldInfo | Discriminator) else None
    tag = tag.discriminator if isinstance(tag, Discriminator) else tag
    return tag if isinstance(tag, str) else None


def text(metadata: Iterable[Any]) -> tuple[Schema, Form | None]:
    """Text, and the form that is declared for it."""
    schema = {"type": "string"} | lengths("string", metadata)
    found = [*flat(metadata)]
    patterns = [i.pattern for i in found if not isinstance(i, Form) and isinstance(getattr(i, "pattern", None), str)]
    if patterns:
        schema["pattern"] = patterns[-1]
    form = form_of(found)
    if form is None:
        return schema, None
    return schema | {"pattern": form.pattern, "patternErrorMessage": form.message}, form


def decimals(metadata: Iterable[Any]) -> Iterator[Schema]:
    """Numbers that are read exactly from the source text, quoted or not."""
    found = bounds(metadata)
    sign = r"\+?" if found.get("minimum", -1) >= 0 else "[-+]?"
    message = "expected a number such as 2500.00"
    yield {"type": "number"} | found
    yield {"type": "string", "pattern": rf"^{sign}[0-9]{{1,15}}(?:\.[0-9]{{1,9}})?$", "patternErrorMessage": message}


def bounds(metadata: Iterable[Any]) -> Schema:
    """Return the JSON Schema of a number's bounds."""
    found: Schema = {}
    for item in flat(metadata):
        for attribute, keyword in _BOUNDS.items():
            bound = getattr(item, attribute, None)
            if bound is not None:
                found[keyword] = int(bound) if bound == int(bound) else float(bound)
    return found


def lengths(kind: str, metadata: Iterable[Any]) -> Schema:
    """Return the JSON Schema of the bounds of a length."""
    found: Schema = {}
    for item in flat(metadata):
        for attribute, keyword in _LENGTHS[kind].items():
            bound = getattr(item, attribute, None)
            if bound is not None:
                found[keyword] = bound
    return found


def distinct(options: Iterable[Schema]) -> list[Schema]:
    """Each option once, and none that another one includes: every integer is a number."""
    found: list[Schema] = []
    for option in options:
        if option not in found:
            found.append(option)
    return [one for one in found if one != {"type": "integer"} or {"type": "number"} not in found]


def alternatives(options: Iterable[Schema]) -> Schema:
    """One schema for all options; a variable and null come last, since editors explain why the first one does not fit."""
    found = distinct(options)
    if {} in found:
        return {}
    found.sort(key=lambda one: (one == NULL, one == VARIABLE))
    return found[0] if len(found) == 1 else {"anyOf": found}


def takes_variables(option: Schema) -> bool:
    """Whether text with a variable fits already."""
    return option in ({}, VARIABLE) or (option.get("type") == "string" and "pattern" not in option)


def summary_of(model: type[BaseModel]) -> str:
    """Return the first line of a model's docstring."""
    return (model.__doc__ or "").partition("\n")[0]


def described(owner: type[BaseModel], name: str, info: FieldInfo) -> str:
    """Return what an editor shows for a field: its own text, and that of its type or its model where it says too little."""
    own = info.description or ""
    choices = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    if len(choices) == 1 and isinstance(choices[0], str):
        return f"The {name} `{choices[0]}`: {own or summary_of(owner)}"
    if len(own) >= ENOUGH:
        return own
    types = (info.annotation, *get_args(info.annotation))
    types += tuple(inner for one in types for inner in get_args(one))
    models = [one for one in types if isinstance(one, type) and issubclass(one, BaseModel)]
    more = summary_of(models[0]) if models else f"`{name}`, a field of: {summary_of(owner)}"
    return f"{own} {more}".strip()
