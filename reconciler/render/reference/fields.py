"""The fields of a schema's node turned into a list: what each may be, what holds without it, what it means, what depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.render.reference.forms import default, form, sentence
from reconciler.render.reference.prose import anchor, bullet
from reconciler.render.schema_walk import Schema, alternatives_of, fields_below, plain, variants_of

Path = tuple[str, ...]
DEEPEST = 6


class Notes(NamedTuple):
    """What is known of fields beside their schema, by path."""

    references: Mapping[Path, str] = {}
    risks: Mapping[Path, Iterable[str]] = {}


def field_list(
    node: Schema, whole: Schema, notes: Notes, path: Path = (), leave_out: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield the lines; fields below a field are indented."""
    inner = plain(node, whole)
    for key, item in fields_below(inner, whole).items():
        if key not in leave_out and len(path) < DEEPEST:
            yield from _field(key, item, inner, whole, notes, (*path, key))
    for one in _maps_among(inner, whole):
        yield from bullet("As a map:", len(path))
        yield from field_list(one, whole, notes, (*path, "map"))


def _maps_among(inner: Schema, whole: Schema) -> Iterator[Schema]:
    """Map with fields where something else may stand too: for the field itself, for each item or for each entry."""
    for place in (inner, inner.get("items"), inner.get("additionalProperties")):
        node = plain(place, whole) if isinstance(place, dict) else {}
        for one in alternatives_of(node) if "anyOf" in node else ():
            if plain(one, whole).get("properties"):
                yield one


def _field(key: str, item: Schema, owner: Schema, whole: Schema, notes: Notes, path: Path) -> Iterator[str]:
    depth = len(path) - 1
    variants = variants_of(owner)
    if key in variants:
        tag = next(iter(owner["properties"]))
        yield from bullet(f"With `{tag}: {key}`: {sentence(plain(item, whole).get('description', ''))}", depth)
        own = plain(item, whole)
        tagless = {**own, "properties": {name: one for name, one in own.get("properties", {}).items() if name != tag}}
        yield from field_list(tagless, whole, notes, path)
        return
    if key == "*":
        yield from bullet("Each of them:", depth)
    else:
        yield from bullet(_told(key, item, key in owner.get("required", ()), whole, notes, path), depth)
    yield from field_list(item, whole, notes, path)


def _told(key: str, item: Schema, required: bool, whole: Schema, notes: Notes, path: Path) -> str:
    facts = ", ".join(filter(None, [form(item, whole), "**required**" if required else default(item)]))
    text = f"`{key}` ({facts}): {sentence(item.get('description') or plain(item, whole).get('description', ''))}"
    if path in notes.references:
        text += f" {notes.references[path]}"
    if risks := [f"[{risk}](risks.md#{anchor(risk)})" for risk in notes.risks.get(path, ())]:
        text += f" *Risks: {', '.join(risks)}.*"
    return text
