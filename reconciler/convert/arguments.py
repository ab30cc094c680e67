"""A program's command line turned into a connector's `command`, `args` and `env`; no secret stays among the arguments."""

from __future__ import annotations

import re
import shlex
from typing import Any

from msgspec import Struct, field

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.reach import environment_value, text_of
from reconciler.convert.references import has_variable, variable
from reconciler.convert.secrets import secrets_of_arguments
from reconciler.model.secret_text import hints_secret, is_opaque, may_be_secret

CONTAINERS = frozenset({"docker", "podman", "nerdctl"})
_PAIR = re.compile(r"(?P<option>-e|--env=?)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<assigned>=)(?P<value>.*)\Z", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OPTIONS = frozenset({"-e", "--env"})
_FILLED_IN = "an argument that is filled in elsewhere may limit what the program does"
_HIDDEN = "an argument that holds a secret: hand it over in `env`, or write it yourself"


class Line(Struct):
    """A command line as it is written down, and the environment that its options set."""

    command: str | None
    args: list[str] = field(default_factory=list)
    env: dict[str, Any] = field(default_factory=dict)


def line_of(conversion: Conversion, service: str, command: Node | None, args: Node | None, env: dict[str, Any]) -> Line:
    """Convert a command (text, or a list with its arguments) and its arguments."""
    words = [*command.items()] if command is not None and isinstance(command.value, list) else []
    if command is not None and isinstance(command.value, str):
        words = _words(command, args)
    first = words[0] if words else None
    line = Line(str(first.carry()) if first is not None and isinstance(first.value, str) else None, env={**env})
    items = [*words[1:], *(args.items() if args is not None else ())]
    if args is not None and isinstance(args.value, str):
        items += [Node(one, args.path, args.ledger) for one in _split(args.value)]
    elif args is not None and not isinstance(args.value, list):
        args.restricts("expected a list of arguments")
    _Arguments(conversion, service, line, items).convert()
    return line


def _words(command: Node, args: Node | None) -> list[Node]:
    """Return the program and the arguments that stand in one text with it."""
    text = str(command.value)
    parts = _split(text) if args is None or args.value == [] else [text]
    return [Node(one, command.path, command.ledger) for one in parts]


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return [text]


class _Arguments:
    """The arguments of one program, one after the other."""

    def __init__(self, conversion: Conversion, service: str, line: Line, items: list[Node]) -> None:
        self._conversion, self._service, self._line, self._items = conversion, service, line, items
        texts = [text_of(item.value) or "" for item in items]
        self._secret = {index for index, _text in secrets_of_arguments(texts)}
        program = (line.command or "").rpartition("/")[2]
        self._is_container = program in CONTAINERS

    def convert(self) -> None:
        for index, item in enumerate(self._items):
            text = text_of(item.value)
            if text is None:
                item.restricts("an argument that is no text")
            elif not self._pair(index, item, text):
                self._argument(index, item, text)

    def _pair(self, index: int, item: Node, text: str) -> bool:
        """Whether the argument sets a variable of a container's environment, which is handed over by its name then."""
        if not self._is_container:
            return False
        before = self._before(index)
        found = _PAIR.match(text)
        if before in _OPTIONS and _NAME.match(text):
            if text not in self._line.env:
                self._line.env[text] = self._conversion.references.named(text)
                item.note("the variable comes from the environment of whoever starts the client", self._line.env[text])
            item.carry()
            self._line.args.append(text)
            return True
        if found is None or not (before in _OPTIONS or found["option"]):
            return False
        name, value = found["name"], found["value"]
        inner = Node(value, item.path, item.ledger)
        given = environment_value(self._conversion, self._service, name, inner)
        if isinstance(given, dict):
            self._line.args.append(text)
            return True
        self._line.env[name] = given
        option = ["-e"] if found["option"] else []
        self._line.args += [*option, name]
        return True

    def _argument(self, index: int, item: Node, text: str) -> None:
        before = self._before(index)
        named = before.lstrip("-") if before.startswith("-") and "=" not in before else text.partition("=")[0]
        is_filled_in = has_variable(text) or variable(text) is not None
        if index in self._secret or self._is_secret(text) or (is_filled_in and hints_secret(named.lstrip("-"))):
            item.left(_HIDDEN)
        elif is_filled_in:
            item.restricts(_FILLED_IN)
        else:
            item.carry()
            self._line.args.append(text)
            return
        if self._line.args and self._line.args[-1] == before and before.startswith("-") and "=" not in before:
            self._line.args.pop()
            self._items[index - 1].left("the option whose value was left out")

    def _before(self, index: int) -> str:
        return (text_of(self._items[index - 1].value) or "") if index else ""

    def _is_secret(self, text: str) -> bool:
        """Whether an argument is left out for what it is by itself: a secret, or one that stands elsewhere."""
        name, assigned, value = text.partition("=")
        inline = bool(assigned) and (may_be_secret(value) or (hints_secret(name.lstrip("-")) and is_opaque(value)))
        hidden = self._conversion.references.hidden
        known = hidden is not None and hidden.search(text) is not None
        return inline or known or may_be_secret(text.replace("/", " ").strip())
