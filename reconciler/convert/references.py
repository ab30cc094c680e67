"""Secrets and variables of other tools turned into references; what was a secret's text is remembered and kept out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.convert.ledger import Node, leaves
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
    """The references of one run. ``hidden`` matches every secret's text that its inputs hold."""

    def __init__(self, values: Iterable[Any]) -> None:
        found = [(path, value) for value in values for path, value in leaves(value, ())]
        self._taken = {_upper(name) for _path, value in found if (name := variable(value))}
        self._literals: dict[str, str] = {}
        secrets = {text for path, value in found for text in _secrets_in(path, value) if not _WORD.match(text)}
        texts = sorted((re.escape(text) for text in secrets), key=len, reverse=True)
        self.hidden = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(texts)})(?![A-Za-z0-9])") if texts else None

    def of(self, node: Node, wanted: str) -> str:
        """Return a reference in place of the node's value; ``wanted`` names the variable for one that was written out."""
        text = str(node.value)
        name = variable(text)
        if name is not None:
            if _upper(name) != name:
                node.note(_renamed(name), _upper(name))
            node.refer("it comes from the environment there as here", f"env://{_upper(name)}")
            return f"env://{_upper(name)}"
        try:
            reference = str(SecretRef.parse(text))
        except ValueError:
            reference = f"env://{self._name(text, wanted)}"
            node.refer("what may be a secret was written here; it is not carried over: put a new one there", reference)
        else:
            node.carry()
        return reference

    def named(self, wanted: str) -> str:
        """Return a reference for something that stands nowhere in the input."""
        return f"env://{_upper(wanted)}"

    def _name(self, text: str, wanted: str) -> str:
        if text not in self._literals:
            name, number = _upper(wanted), 1
            while name in self._taken:
                number += 1
                name = f"{_upper(wanted)}_{number}"
            self._taken.add(name)
            self._literals[text] = name
        return self._literals[text]


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
