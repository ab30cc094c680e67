"""The reference at the prompt: a path like ``connector.http.auth``, turned into what may stand there and what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from reconciler.errors import UsageError
from reconciler.kinds.table import KINDS
from reconciler.model.risk import level_of
from reconciler.render.reference.dangers import declared_risks
from reconciler.render.schema_walk import Schema, alternatives_of, fields_below, plain, variants_of
from reconciler.render.schemas import schemas

ROOTS = (*KINDS, "project", "plan")


MOST_LEVELS = 12


def explain(path: str, recursive: bool = False) -> Iterator[str]:
    """Yield lines of text; ``recursive``: with all fields at any depth. Raises UsageError, with the nearest name, for an unknown one."""
    root, *parts = path.split(".")
    if root not in ROOTS:
        raise UsageError(f"there is nothing called {root!r} to explain", hint=_near(root, ROOTS))
    whole = schemas()[root]
    node: Schema = whole
    walked, needed, steps = root, False, list[str]()
    for part in parts:
        node = plain(node, whole)
        known = _fields(node, whole)
        if part not in known and "*" in known:
            part = "*"
        if part not in known:
            raise UsageError(f"{walked} has no {part!r}", hint=_near(part, [*known]))
        needed = part in node.get("required", ())
        steps.append(part)
        node, walked = {**known[part]}, f"{walked}.{part}"
    yield from _told(walked, node, whole, needed, _risks(root, steps), recursive)
    yield from _example(root, steps)


def below(begun: str) -> Iterator[str]:
    """Yield the paths that begin like this and go on by one name."""
    whole_path, _, _ = begun.rpartition(".")
    if not whole_path:
        yield from ROOTS
        return
    root, *parts = whole_path.split(".")
    if root not in ROOTS:
        return
    whole = schemas()[root]
    node: Schema = whole
    for part in parts:
        known = _fields(plain(node, whole), whole)
        if not known.keys() & {part, "*"}:
            return
        node = known.get(part) or known["*"]
    yield from (f"{whole_path}.{key}" for key in _fields(plain(node, whole), whole) if key != "*")


def _fields(node: Schema, whole: Schema) -> dict[str, Schema]:
    """Return what a path may go on with, in any of several alternatives."""
    found = fields_below(node, whole)
    for one in alternatives_of(node) if "anyOf" in node else ():
        found |= _fields(plain(one, whole), whole)
    return found


def _near(name: str, known: Any) -> str:
    found = get_close_matches(name, [*known], 1)
    return f"did you mean {found[0]}?" if found else f"there are: {', '.join(known) or 'no fields below it'}"


def _risks(root: str, steps: Sequence[str]) -> tuple[str, ...]:
    """Return the risks that a field of a kind declares."""
    if root not in KINDS or not steps:
        return ()
    variants = KINDS[root].variants
    path = tuple(steps[1:] if steps[0] in variants else steps)
    model = variants.get(steps[0]) or variants.get("")
    return declared_risks(model).get(path, ()) if model else ()


def _example(root: str, steps: Sequence[str]) -> Iterator[str]:
    """Yield the example of a kind, or of a type of it."""
    examples = KINDS[root].examples if root in KINDS else {}
    wanted = steps[0] if len(steps) == 1 else "" if not steps else None
    text = examples.get(wanted) if wanted is not None else None
    if text is None and not steps and examples:
        text = next(iter(examples.values()))
    if text:
        yield ""
        yield "  Example:"
        yield from (f"    {line}" for line in text.splitlines())


def _tree(node: Schema, whole: Schema, indent: str, above: tuple[int, ...]) -> Iterator[str]:
    """Yield every field below a node, indented by its depth; a node inside of itself is not opened again."""
    inner = plain(node, whole)
    known = {**_fields(inner, whole)}
    if id(inner) in above or len(above) > MOST_LEVELS:
        return
    required = inner.get("required", ())
    for key, item in known.items():
        name = "NAME" if key == "*" and "items" not in inner else "ITEM" if key == "*" else key
        form = f"{_form(item, whole)}{', required' if key in required else ''}{_default(item)}"
        text = item.get("description") or plain(item, whole).get("description", "")
        yield f"{indent}{name}  {text} ({form})"
        yield from _tree(item, whole, indent + "  ", (*above, id(inner)))


def _told(name: str, node: Schema, whole: Schema, needed: bool, risks: Sequence[str], recursive: bool) -> Iterator[str]:
    inner = plain(node, whole)
    yield f"{name} ({_form(node, whole)}{', required' if needed else ''}{_default(node)})"
    yield ""
    yield f"  {node.get('description') or inner.get('description', '')}"
    if risks:
        yield ""
        yield f"  Risks of a change: {', '.join(f'{risk} ({level_of(risk).value})' for risk in risks)}."
    below = _fields(inner, whole)
    if not below:
        return
    if recursive:
        yield ""
        yield from _tree(node, whole, "  ", ())
        return
    variants = variants_of(inner)
    required = inner.get("required", ())
    yield ""
    width = max(map(len, below))
    for key, item in below.items():
        if key in variants:
            continue
        form = f"{_form(item, whole)}{', required' if key in required else ''}{_default(item)}"
        yield f"  {key.ljust(width)}  {item.get('description', '')} ({form})"
    if variants:
        yield ""
        yield f"  Further fields depend on it; see `reconciler explain {name}.{next(iter(variants))}`, and so on:"
        for key, item in variants.items():
            yield f"  {key.ljust(width)}  {plain(item, whole).get('description', '')}"


def _form(node: Schema, whole: Schema) -> str:
    node = plain(node, whole)
    if "const" in node:
        return json.dumps(node["const"])
    if "enum" in node:
        return " | ".join(map(str, node["enum"]))
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_form(one, whole) for one in alternatives_of(node)))
    form = node.get("type", "any value")
    words = {"string": "text", "object": "map", "array": "list", "integer": "integer", "number": "number"}
    text = words.get(form, form) if isinstance(form, str) else " or ".join(words.get(one, one) for one in form)
    inner = node.get("items") if form == "array" else node.get("additionalProperties") if form == "object" else None
    if isinstance(inner, dict) and inner:
        of = _form(inner, whole).partition(",")[0]
        text = f"{text} of {_PLURALS.get(of, of)}" if form == "array" else f"{text} of {_PLURALS.get(of, of)} by name"
    bounds = [f"{word} {node[key]}" for key, word in _BOUNDS.items() if key in node]
    return ", ".join([text, *bounds])


_PLURALS = {"text": "texts", "map": "maps", "integer": "integers", "number": "numbers", "list": "lists"}
_BOUNDS = {"minimum": "from", "maximum": "to", "maxLength": "at most", "maxItems": "at most"}


def _default(node: Schema) -> str:
    return f", default {json.dumps(node['default'])}" if node.get("default") not in (None, "", [], {}) else ""
