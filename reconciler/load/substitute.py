"""``${var.name}`` and ``${tenant}`` in parsed scalars, turned into values; text itself is never rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from reconciler.errors import Path, Problem
from reconciler.kinds.foreign import variable_hint
from reconciler.kinds.wording import shown_key

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<name>[^{}]*)\}?")
_UNKNOWN = "declare it under `variables` in reconciler.yaml", "a tenant's own name can't hold the tenant"
_MOST_PROBLEMS = 10
"""Of one text."""
_NAME = re.compile(r"tenant\Z|var\.[A-Za-z_][A-Za-z0-9_-]*\Z")


class Substitution:
    """The values of one document: its variables, and its tenant if it has one yet."""

    def __init__(self, variables: Mapping[str, Any], tenant: str | None) -> None:
        self._values: dict[str, Any] = {f"var.{name}": value for name, value in variables.items()}
        if tenant is not None:
            self._values["tenant"] = tenant

    def apply(self, value: Any, problems: list[Problem], path: Path = ()) -> Any:
        """With every reference replaced; a scalar that is nothing but one keeps the variable's type.

        What holds no reference is the same object, what holds one a copy: most values hold none.
        """
        if isinstance(value, str):
            return self._scalar(value, problems, path) if "${" in value else value
        if isinstance(value, dict):
            items, copied = value.items(), None
            problems.extend(
                Problem("variable-in-key", "a key can't hold ${...}", path=(*path, key), on_key=True)
                for key in value
                if "${" in key
            )
        elif isinstance(value, list):
            items, copied = enumerate(value), None  # type: ignore[assignment]
        else:
            return value
        for key, item in items:
            kind = type(item)
            if (kind is str and "${" in item) or kind is dict or kind is list:
                replaced = self.apply(item, problems, (*path, key))
                if replaced is not item:
                    copied = value.copy() if copied is None else copied
                    copied[key] = replaced
        return value if copied is None else copied

    def _scalar(self, text: str, problems: list[Problem], path: Path) -> Any:
        whole = _TOKEN.fullmatch(text)
        if whole and whole["name"] is not None and text.endswith("}"):
            return self._value(whole["name"], problems, path)
        found: list[Problem] = []
        replaced = "".join(self._parts(text, found, path))
        problems.extend(dict.fromkeys(found))
        return replaced

    def _parts(self, text: str, problems: list[Problem], path: Path) -> Iterator[str]:
        end = 0
        for match in _TOKEN.finditer(text):
            if len(problems) >= _MOST_PROBLEMS:
                return
            yield text[end : match.start()]
            end = match.end()
            if match["name"] is None:
                yield "${"
            elif not match[0].endswith("}"):
                problems.append(
                    Problem(
                        "variable-syntax",
                        "`${` without a `}`",
                        path=path,
                        hint="write `$${` for the two characters themselves",
                    )
                )
            else:
                yield _as_text(self._value(match["name"], problems, path), problems, path)
        yield text[end:]

    def _value(self, name: str, problems: list[Problem], path: Path) -> Any:
        if name in self._values:
            return self._values[name]
        if not _NAME.match(name):
            problems.append(
                Problem(
                    "variable-syntax",
                    "only ${tenant} and ${var.NAME} are replaced",
                    path=path,
                    hint=variable_hint(name) or "write `$${` for a literal `${`",
                )
            )
        else:
            near = get_close_matches(name[:80], self._values, n=1)
            problems.append(
                Problem(
                    "unknown-variable",
                    f"there is no variable {shown_key(name.removeprefix('var.'))!r}"
                    if name != "tenant"
                    else "there is no tenant here",
                    path=path,
                    hint=f"did you mean ${{{near[0]}}}?" if near else _UNKNOWN[name == "tenant"],
                )
            )
        return ""


def _as_text(value: Any, problems: list[Problem], path: Path) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list) or value is None:
        problems.append(
            Problem("variable-not-scalar", "a variable inside of a text must be text, a number or a boolean", path=path)
        )
        return ""
    return str(value) if isinstance(value, int) else format(value, "f")  # as it is written, with its last zeros
