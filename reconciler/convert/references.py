"""Secrets and variables of other tools turned into references; what was a secret's text is remembered and kept out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.convert.ledger import Node, leaves
from reconciler.convert.secrets import is_seed_phrase, secret_queries, secret_segments, secrets_of_arguments
from reconciler.model.secret_ref import SCHEMES, SecretRef, looks_secret
from reconciler.model.secret_text import secrets_in
from reconciler.secrets.policy import OURS

_WORD = re.compile(r"[A-Za-z]{1,11}\Z|.{1,3}\Z")
"""A secret that is an ordinary word (`postgres`) is kept out where it stood; elsewhere it may mean something else."""

_NAME = r"([A-Za-z_][A-Za-z0-9_.-]*)"
_VARIABLES = [
    re.compile(pattern)
    for pattern in (
        rf"os\.environ/{_NAME}",
        rf"\$\{{(?:env:|input:)?{_NAME}(?::-?[^}}]*)?\}}",
        rf"\$\{{\{{\s*(?:secrets|env)\.{_NAME}\s*\}}\}}",
        rf"\$env:{_NAME}",
        rf"\{{env:{_NAME}\}}",
        rf"\${_NAME}",
        rf"\{{\{{\s*{_NAME}\s*\}}\}}",
    )
]
_ANY_VARIABLE = re.compile(r"\$\{|\$[A-Z_]{3}|os\.environ/|\{\{|<[A-Za-z_ -]+>")


def variable(text: Any) -> str | None:
    """Return the variable that a whole text stands for, in any of the tools' ways of writing one."""
    for pattern in _VARIABLES if isinstance(text, str) else ():
        found = pattern.fullmatch(text.strip())
        if found:
            return found[1]
    return None


def has_variable(text: str) -> bool:
    """Whether a text holds a variable in any notation."""
    return _ANY_VARIABLE.search(text) is not None


class References:
    """The references of one run. ``hidden`` matches every secret's text that its inputs hold.

    A secret that was written out has one reference for each service that it stands at, whatever its text: two services
    with the same placeholder have two secrets.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        values = list(values)
        found = [(path, value) for value in values for path, value in leaves(value, ())]
        self._taken = {_upper(name) for _path, value in found if (name := variable(value))}
        self._names: dict[tuple[str, str], str] = {}
        secrets = {text for path, value in found for text in _secrets_in(path, value)}
        secrets |= {text for value in values for text in _secrets_of_lists(value)}
        texts = sorted((re.escape(text) for text in secrets if _is_hidden(text)), key=len, reverse=True)
        self.hidden = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(texts)})(?![A-Za-z0-9])") if texts else None

    def of(self, node: Node, service: str, name: str) -> str:
        """Return a reference in place of the node's value: to its variable, or to the secret of this name at a service."""
        text = str(node.value)
        found = variable(text)
        if found is not None:
            return self.shared(node, found)
        try:
            reference = str(SecretRef.parse(text))
        except ValueError:
            reference = self.own(service, name)
            node.refer("what may be a secret was written here; it is not carried over: put a new one there", reference)
        else:
            node.carry()
        return reference

    def shared(self, node: Node, found: str) -> str:
        """Return the reference to a variable of the environment that the input names."""
        if _upper(found) != found:
            node.note(_renamed(found), _upper(found))
        node.refer("it comes from the environment there as here", f"env://{_upper(found)}")
        return f"env://{_upper(found)}"

    def named(self, wanted: str) -> str:
        """Return a reference to a variable that the other tool reads by this name."""
        return f"env://{_upper(wanted)}"

    def own(self, service: str, name: str) -> str:
        """Return the reference to a service's own secret; nothing else has the same one."""
        key = (service, name)
        if key not in self._names:
            own, of = _capitals(name), _capitals(service)
            base = _upper(name if own == of or own.startswith(f"{of}_") else f"{service}_{name}")
            wanted, number = base, 1
            while wanted in self._taken:
                number += 1
                wanted = f"{base}_{number}"
            self._taken.add(wanted)
            self._names[key] = wanted
        return f"env://{self._names[key]}"


def _is_hidden(text: str) -> bool:
    """Whether a secret's text is kept out wherever it stands: not an empty one, and no ordinary word."""
    return bool(text.strip()) and not _WORD.match(text)


def _secrets_in(path: tuple[str | int, ...], value: Any) -> Iterator[str]:
    """Yield the texts of secrets in one value: all of it under a key that names one, else what looks like one."""
    if isinstance(value, bool) or not isinstance(value, str | int) or variable(value):
        return
    text = str(value)
    key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
    if looks_secret(key) and not has_variable(text) and text.partition("://")[0] not in SCHEMES:
        yield text
        yield from text.split()[1:2]  # behind `Bearer`
    elif isinstance(value, str):
        yield from (text[one.start : one.end] for one in secrets_in(text))
        if is_seed_phrase(text):
            yield text
        if text.startswith(("http://", "https://")) and " " not in text and not has_variable(text):
            yield from secret_segments(text)
            yield from (found for _name, found in secret_queries(text))


def _secrets_of_lists(value: Any) -> Iterator[str]:
    """Yield the secrets that only their neighbours in a list of arguments tell."""
    if isinstance(value, list):
        yield from (text for _index, text in secrets_of_arguments(value) if not has_variable(text))
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _secrets_of_lists(one)


def _upper(name: str) -> str:
    """Return the name of a variable that a tenant may use."""
    text = _capitals(name)
    return f"APP_{text}" if text.startswith(OURS) else text


def _renamed(name: str) -> str:
    """Why a variable has another name here."""
    if _capitals(name).startswith(OURS):
        return "a variable of that name belongs to this program or to its pipeline; set this one"
    return "a variable's name is written in capitals"


def _capitals(name: str) -> str:
    text = re.sub(r"[^A-Z0-9_]+", "_", name.upper()).strip("_") or "SECRET"
    return text if not text[0].isdigit() else f"_{text}"
