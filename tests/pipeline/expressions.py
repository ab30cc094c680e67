"""The part of GitHub's expressions that the shipped files use: paths, texts, ``== != && || !`` and three functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(==|!=|&&|\|\||[!(),])|([A-Za-z_][\w.-]*))")


def evaluated(text: str, contexts: Mapping[str, Any]) -> Any:
    """Return the value of an expression without its braces."""
    tokens: list[str] = []
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        assert found, f"can't read {text[at:]!r}"
        tokens.append(found[0].strip())
        at = found.end()
    return _Parser(tokens, contexts).either()


def filled(text: Any, contexts: Mapping[str, Any]) -> str:
    """Return a text with each ``${{ }}`` in it replaced; a boolean is written as GitHub does."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: written(evaluated(found[1], contexts)), written(text))


def written(value: Any) -> str:
    return {True: "true", False: "false", None: ""}[value] if value is None or isinstance(value, bool) else str(value)


class _Parser:
    def __init__(self, tokens: list[str], contexts: Mapping[str, Any]) -> None:
        self._tokens, self._contexts = tokens, contexts

    def _next(self, *wanted: str) -> str | None:
        return self._tokens.pop(0) if self._tokens and (not wanted or self._tokens[0] in wanted) else None

    def either(self) -> Any:
        value = self._both()
        while self._next("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._next("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._single()
        if sign := self._next("==", "!="):
            same = written(value).lower() == written(self._single()).lower()
            return same if sign == "==" else not same
        return value

    def _single(self) -> Any:
        if self._next("!"):
            return not self._single()
        if self._next("("):
            value = self.either()
            assert self._next(")")
            return value
        token = self._next()
        assert token
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._next("("):
            return _FUNCTIONS[token](*self._arguments())
        value: Any = self._contexts
        for part in token.split("."):
            value = value.get(part, "") if isinstance(value, Mapping) else ""
        return value

    def _arguments(self) -> Iterator[Any]:
        while not self._next(")"):
            yield self.either()
            self._next(",")


_FUNCTIONS: Mapping[str, Any] = {
    "always": lambda: True,
    "cancelled": lambda: False,
    "format": lambda text, *values: re.sub(r"\{(\d)\}", lambda found: written(values[int(found[1])]), text),
}
