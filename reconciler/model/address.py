"""A resource's unique name, ``tenant/kind/name``: text into a value and back."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z")
BARE_NAME = NAME.pattern.removesuffix(r"\Z")
"""A name, for a pattern that it is a part of."""
NAME_MAX = 63
_PART = rf"(?=.{{1,{NAME_MAX}}}(?:/|\Z))[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ADDRESS = re.compile(rf"{_PART}/{_PART}/{_PART}\Z")
NAME_RULE = "lower-case letters, digits and hyphens, starting and ending with a letter or digit, at most 63 characters"


def is_name(text: object) -> bool:
    """Whether ``text`` may name a tenant or a resource."""
    return isinstance(text, str) and len(text) <= NAME_MAX and NAME.match(text) is not None


class Address(NamedTuple):
    """Sorts by tenant, kind and name, in this order; ``str()`` gives ``tenant/kind/name``."""

    tenant: str
    kind: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)

    @classmethod
    def of(cls, name: str) -> Address:
        """Return what ``str()`` made of an address; nothing is checked, since this is done for every resource."""
        return tuple.__new__(cls, name.split("/"))

    @classmethod
    def made(cls, *parts: str) -> Address:
        """Return the address of a tenant, a kind and a name, faster than the class does."""
        return tuple.__new__(cls, parts)

    @classmethod
    def parse(cls, text: str) -> Address:
        """``tenant/kind/name`` with a singular kind; raises ValueError otherwise (the kind is not looked up)."""
        if _ADDRESS.match(text) is None:
            raise ValueError("expected tenant/kind/name, e.g. acme/integration/openai-prod")
        return cls(*text.split("/"))
