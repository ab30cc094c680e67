"""A secret reference turned into the secret, at the last moment before it is used."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef


class Secret:
    """A value that can only be taken out on purpose: it has no text form, and is in no copy, pickle or JSON."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither copied nor pickled")


def _environment(reference: SecretRef) -> Secret:
    value = os.environ.get(reference.rest)
    if not value:
        raise CredentialUnresolved(
            f"{reference} does not resolve: the environment has no variable {reference.rest}",
            hint="set it where this command runs",
        )
    return Secret(value)


RESOLVERS: dict[str, Callable[[SecretRef], Secret]] = {"env": _environment}
"""A further scheme is one function and one line here."""


def resolve(text: str) -> Secret:
    """Raises CredentialUnresolved. ``text`` is a reference that was checked when the configuration was read."""
    reference = SecretRef.parse(text)
    resolver = RESOLVERS.get(reference.scheme)
    if resolver is None:
        raise CredentialUnresolved(f"{reference.scheme}:// can't be resolved here", hint="use env:// for now")
    return resolver(reference)
