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


def explain(path: str) -> Iterator[str]:
    """Lines of text. Raises UsageError, with the nearest name, for what is not there."""
    root, *parts = path.split(".")
    if root not in ROOTS:
        raise UsageError(f"there is nothing called {root!r} to explain", hint=_near(root, ROOTS))
    whole = schemas()[root]
    node: Schema = whole
    walked, needed, steps = root, False, list[str]()
    for part in parts:
        node = plain(node, whole)
        known = fields_below(node, whole)
        if part not in known and "*" in known:
            part = "*"
        if part not in known:
            raise UsageError(f"{walked} has no {part!r}", hint=_near(part, [*known]))
        needed = part in node.get("required", ())
        steps.append(part)
        node, walked = {**known[part]}, f"{walked}.{part}"
    yield from _told(walked, node, whole, needed, _risks(root, steps))


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
        known = fields_below(plain(node, whole), whole)
        if not known.keys() & {part, "*"}:
            return
        node = known.get(part) or known["*"]
    yield from (f"{whole_path}.{key}" for key in fields_below(plain(node, whole), whole) if key != "*")


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


def _told(name: str, node: Schema, whole: Schema, needed: bool, risks: Sequence[str]) -> Iterator[str]:
    inner = plain(node, whole)
    yield f"{name} ({_form(node, whole)}{', required' if needed else ''}{_default(node)})"
    yield ""
    yield f"  {node.get('description') or inner.get('description', '')}"
    if risks:
        yield ""
        yield f"  Risks of a change: {', '.join(f'{risk} ({level_of(risk).value})' for risk in risks)}."
    below = fields_below(inner, whole)
    if not below:
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
    bounds = [f"{word} {node[key]}" for key, word in _BOUNDS.items() if key in node]
    return ", ".join([text, *bounds])


_BOUNDS = {"minimum": "from", "maximum": "to", "maxLength": "at most", "maxItems": "at most"}


def _default(node: Schema) -> str:
    return f", default {json.dumps(node['default'])}" if node.get("default") not in (None, "", [], {}) else ""
