"""Specs turned into a manifest that loads again: YAML 1.2, every text quoted that could be read as anything else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.kinds.table import BY_PLURAL, KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.characters import is_hidden
from reconciler.model.spec import Spec

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*\Z")
_WORDS = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])
WIDTH = 100


def authored(spec: Spec) -> Body:
    """Return the spec without its defaults: what somebody would have written. The discriminator always stays."""
    return spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True, by_alias=True)


def manifest(
    tenant: str, specs: Mapping[Address, Body], comments: Mapping[Address, str], adopt: tuple[Address, ...] = ()
) -> Iterator[str]:
    """Yield the lines of one document; ``comments`` say where a resource came from."""
    yield "version: 1"
    yield f"tenant: {scalar(tenant)}"
    if adopt:
        yield "adopt:"
        yield from (f"  - {address.kind}/{address.name}" for address in sorted(adopt))
    for plural, kind in BY_PLURAL.items():
        named = {address: body for address, body in specs.items() if address.kind == kind.name}
        if not named:
            continue
        yield ""
        yield f"{plural}:"
        for address in sorted(named):
            if comments.get(address):
                yield f"  # {comments[address]}"
            yield from _entry(scalar(address.name), _ordered(kind.name, named[address]), "  ")


def _ordered(kind: str, body: Body) -> Body:
    """Return a body in reading order: its type first, then as the schema has it; free maps keep their sorted keys."""
    first = KINDS[kind].discriminator
    return {key: body[key] for key in sorted(body, key=lambda key: (key != first, key))}


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        flow = _flow(value)
        if len(value) <= 4 and len(indent) > 2 and len(indent) + len(key) + len(flow) < WIDTH and "\n" not in flow:
            yield f"{indent}{key}: {flow}"
            return
        yield f"{indent}{key}:"
        for name in value:
            yield from _entry(scalar(name), value[name], indent + "  ")
    elif isinstance(value, list) and value:
        flow = _flow(value)
        if len(indent) + len(key) + len(flow) < WIDTH:
            yield f"{indent}{key}: {flow}"
            return
        yield f"{indent}{key}:"
        yield from (f"{indent}  - {_flow(item)}" for item in value)
    elif isinstance(value, str) and "\n" in value and as_block(value):
        chomp = "" if value.endswith("\n") else "-"
        yield f"{indent}{key}: |{chomp}"
        yield from (f"{indent}  {line}" if line else "" for line in literal(value).removesuffix("\n").split("\n"))
    else:
        yield f"{indent}{key}: {_flow(value)}"


def as_block(text: str) -> bool:
    """Whether a block scalar gives back exactly this text."""
    return (
        not any(character != "\n" and is_hidden(character) for character in text)
        and not text.startswith((" ", "\n"))
        and not text.endswith("\n\n")
        and not any(line != line.rstrip() for line in text.split("\n"))
        and text.strip() != ""
    )


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return scalar(value)


def literal(text: str) -> str:
    """``${`` as it has to be written to stay what it is."""
    return text.replace("${", "$${")


def scalar(value: Any) -> str:
    """One value; text is quoted unless nobody could take it for anything else."""
    return unsubstituted(literal(value) if isinstance(value, str) else value)


def unsubstituted(value: Any) -> str:
    """Return the same for a file in which nothing is substituted."""
    if isinstance(value, str):
        if _PLAIN.match(value) and value.lower() not in _WORDS and len(value) <= 200:
            return value
        return _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """YAML's double quotes: JSON's, with every character escaped that can't be seen, or that YAML refuses."""
    escaped = json.dumps(text, ensure_ascii=False)
    return escaped if escaped.isascii() and "\x7f" not in escaped else "".join(map(_seen, escaped))


def _seen(character: str) -> str:
    if not is_hidden(character):
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
