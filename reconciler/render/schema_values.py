"""The pieces of a JSON Schema: how complete a file is, texts, bounds, alternatives, and what an editor tells of a field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel, Discriminator
from pydantic.fields import FieldInfo

from reconciler.kinds.annotations import flat
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
_VAR = r"\$\{var\.[A-Za-z_][A-Za-z0-9_-]*\}"
_TENANT = r"\$\{tenant\}"


def _variable(name: str, description: str, pattern: str, message: str) -> tuple[Schema, Schema]:
    """Return the reference to a definition of text with variables, and the definition."""
    definition = {"title": name, "description": description, "type": "string", "pattern": pattern}
    return {"$ref": f"#/$defs/{name}"}, definition | {"patternErrorMessage": message}


_REPLACED = "replaced before anything is checked."
VARIABLE, _WHOLE = _variable(
    "variable",
    f"A variable and nothing else: ${{var.NAME}} takes the variable's type, which may be a list or a map. It is {_REPLACED}",
    f"^{_VAR}$",
    "expected ${var.NAME} and nothing else",
)
VARIABLE_TEXT, _TEXT = _variable(
    "variable_text", f"Text with ${{var.NAME}}, which is {_REPLACED}", _VAR, "expected text with ${var.NAME}"
)
TENANT_TEXT, _NAMED = _variable(
    "tenant_text",
    f"Text with ${{var.NAME}} or ${{tenant}}, which are {_REPLACED}",
    rf"{_VAR}|{_TENANT}",
    "expected text with ${var.NAME} or ${tenant}",
)
MIXED_TEXT, _MIXED = _variable(
    "mixed_text",
    f"Text with ${{var.NAME}}, or with ${{tenant}} and something else; both are {_REPLACED}",
    rf"{_VAR}|{_TENANT}[^]|[^]{_TENANT}".replace("[^]", r"[\s\S]"),
    "expected text with ${var.NAME}, or with ${tenant} as a part of it",
)


def unknown_value() -> Schema:
    """Return what a value is that only its variable knows."""
    return {"type": "string", "pattern": _WHOLE["pattern"]}


VARIABLES: Mapping[str, Schema] = {one["title"]: one for one in (_WHOLE, _TEXT, _NAMED, _MIXED)}
"""The definitions of text with variables, by name. A place takes what its values may come from."""
_A_TENANT = "acme"
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
    found.sort(key=lambda one: (one == NULL, one in (VARIABLE, VARIABLE_TEXT, TENANT_TEXT, MIXED_TEXT)))
    return found[0] if len(found) == 1 else {"anyOf": found}


def variable_of(options: Iterable[Schema], definitions: Mapping[str, Schema]) -> Schema | None:
    """Return the text with variables that may stand in place of the options; None where one of them takes any text."""
    whole = [definitions.get(str(one.get("$ref", "")).rpartition("/")[2], one) for one in options]
    if any(one == {} or (one.get("type") == "string" and "pattern" not in one) for one in whole):
        return None
    patterns = [one["pattern"] for one in whole if one.get("type") == "string"]
    if any(re.search(pattern, _A_TENANT) for pattern in patterns):
        return TENANT_TEXT
    if any("0-9" in pattern and pattern.startswith(("^[-+]", "^\\+")) for pattern in patterns):
        return VARIABLE_TEXT
    if patterns:
        return MIXED_TEXT
    is_text = any(isinstance(value, str) for one in whole for value in (*one.get("enum", ()), one.get("const")))
    return VARIABLE_TEXT if is_text else VARIABLE


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
