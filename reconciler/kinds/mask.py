"""Mask what may not be shown of a stored body that is not valid: anybody may have written a secret into it.

A mask carries a fingerprint, so that two values of one field tell apart. It is keyed by a secret of the database: without
that, a PIN or a short password could be guessed from its hash.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from reconciler.errors import Path
from reconciler.kinds.schema import Shape, is_list, is_map, places_below
from reconciler.model.body import canonical, get
from reconciler.model.secret_ref import SecretRef, looks_secret
from reconciler.model.secret_text import secret_arguments, secrets_in
from reconciler.patterns import regex

_MASK = regex(r'"\((?:not a reference|not shown): [0-9a-f]{8}\)"')
_NAME_OF_A_FIELD = regex(r"[a-z]{1,20}(?:_[a-z]{1,20}){0,4}\Z")
"""Words, as fields are named: a key that the spec does not know may be a secret that somebody put on the wrong side."""


def holds_mask(text: str) -> bool:
    """Whether a value somewhere in this JSON is a mask."""
    return '"(not ' in text and _MASK.search(text) is not None


class Masking(Struct, frozen=True):
    """Mask one body. ``shapes`` are those of its spec; without any, it could not be judged, and no value is shown.

    Booleans, null and well-formed references are shown; so is what its spec found valid, unless its name or its place says
    that only the rules about several fields, which did not run, would have refused it.
    """

    tenant: str
    key: bytes
    shapes: Sequence[Shape]
    meant: Mapping[str, Any] = {}
    """The body with tags of unions that say of which type it is."""
    faults: frozenset[Path] = frozenset()
    """Paths of its problems, the tags that are wrong included."""
    plaintext: frozenset[Path] = frozenset()
    """Faults where a reference was expected."""
    numbers: frozenset[Path] = frozenset()
    """Faults where another number was expected: a number there is no secret."""

    def body(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Return the body with masks in it."""
        return self._entries(raw, self.meant, self.shapes, (), bool(self.shapes) and () not in self.faults)

    def whole(self, value: Any) -> str:
        """Return the mask of what is no body."""
        return self._mask((), value)

    def _value(self, value: Any, meant: Any, shapes: Sequence[Shape], path: Path, trusted: bool) -> Any:
        if value is None or isinstance(value, bool) or (isinstance(value, str) and _is_harmless(value)):
            return value
        trusted = trusted and bool(shapes) and path not in self.faults
        if isinstance(value, dict) and any(map(is_map, shapes)):
            return self._entries(value, meant, shapes, path, trusted)
        if isinstance(value, list) and any(map(is_list, shapes)):
            secret = {*secret_arguments(value)}
            return [
                self._value(item, item, places_below(shapes, value, at), (*path, at), trusted and at not in secret)
                for at, item in enumerate(value)
            ]
        if trusted and isinstance(value, dict):
            return self._free(value, path)
        if isinstance(value, int | float) and path in self.numbers:
            return value
        is_doubtful = isinstance(value, list) or _names_secret(path) or any(shape.is_open for shape in shapes)
        is_doubtful = is_doubtful or (isinstance(value, str) and bool(secrets_in(value)))
        return value if trusted and not is_doubtful else self._mask(path, value)

    def _entries(
        self, raw: dict[str, Any], meant: Any, shapes: Sequence[Shape], path: Path, trusted: bool
    ) -> dict[str, Any]:
        entries = {}
        for name, value in raw.items():
            below, here = places_below(shapes, meant, name), (*path, name)
            is_known = bool(below) and here not in self.faults
            shown = is_known or (_NAME_OF_A_FIELD.match(name) and not any(map(_may_be_secret, shapes)))
            entries[name if shown else self._mask(path, name)] = self._value(
                value, get(meant, (name,)), below, here, trusted
            )
        return entries

    def _free(self, value: Any, path: Path) -> Any:
        """Return what stands in a field of any shape: its spec has looked at every key of it, and bounded its depth."""
        if path in self.faults or (isinstance(value, str) and secrets_in(value)):
            return self._mask(path, value)
        if isinstance(value, dict):
            return {name: self._free(item, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._free(item, (*path, at)) for at, item in enumerate(value)]
        return value

    def _mask(self, path: Path, value: Any) -> str:
        reference = path in self.plaintext or (bool(path) and looks_secret(str(path[-1])))
        return f"({'not a reference' if reference else 'not shown'}: {self._fingerprint(path, value)})"

    def _fingerprint(self, path: Path, value: Any) -> str:
        try:
            text = canonical([self.tenant, path, value])
        except TypeError:  # nested more deeply than canonical JSON goes
            text = canonical([self.tenant, path, None])
        return hmac.digest(self.key, text.encode(), "sha256").hex()[:8]


def _is_harmless(text: str) -> bool:
    """Whether a value is a reference to a secret, or the mask of one that was masked before it was stored."""
    try:
        return _MASK.fullmatch(f'"{text}"') is not None or bool(SecretRef.parse(text))
    except ValueError:
        return False


def _may_be_secret(shape: Shape) -> bool:
    """Whether a text may stand here that is a secret: then an unknown key here may be one too."""
    return any(member.private and member.part is None for member in (shape, *shape.members.values(), *shape.either))


def _names_secret(path: Path) -> bool:
    name = str(path[-1])
    return looks_secret(name) or name.lower().endswith("-key")
