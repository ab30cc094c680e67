"""The source of this package turned into its codes of errors: each with a message that comes with it, and its exit code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import zip_longest
from typing import NamedTuple

from reconciler import errors
from reconciler.errors import ReconcilerError
from reconciler.kinds.wording import TRANSLATED
from reconciler.render.reference.prose import bullet, paragraph, prose

_CODE = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)+\Z|[a-z]{4,}\Z")
_MAKERS = {"Problem", "Blocker", "Fault", "fail", "problem", "_problem", "PydanticCustomError"}
"""What makes a problem out of a code and a message, in this order. Elsewhere a code has a hyphen, and a sentence follows."""
MEANINGS: Mapping[str, str] = {
    "configuration-invalid": "the configuration is invalid",
    "failed": "the command failed",
    "file-exists": "the file exists, and nothing is overwritten",
    "integrity-failed": "an integrity check failed",
    "outside-unseen": "this would overwrite outside changes that nobody has seen",
    "refused": "the command was refused",
}
"""Of codes whose messages have no fixed parts."""

EXITS: Mapping[int, str] = {
    0: "done; a plan with changes too, without `--detailed-exitcode`",
    1: "any other failure",
    2: "changes pending (`plan --detailed-exitcode`), or drift found (`drift`)",
    3: "the configuration is invalid",
    4: "the plan is stale",
    5: "the lock could not be had in time",
    6: "refused: a guard, a protection, ownership, the wrong environment; or approval was declined",
    7: "a credential could not be resolved",
    8: "an integrity check failed",
    9: "outcome unknown: whether the transaction was committed could not be found out",
    64: "wrong usage of the command line",
    130: "interrupted",
}


class Said(NamedTuple):
    """Where a code is made: a message, as far as it is fixed, and the exit code, as far as the source tells it."""

    code: str
    message: str
    exit: int | None


def codes() -> dict[str, list[Said]]:
    """Every code that the source names, in order; the longest message first."""
    found: dict[str, set[Said]] = {}
    for folder, tree in _modules():
        for said in _said(tree, 3 if folder in {"load", "kinds"} else None):
            found.setdefault(said.code, set()).add(said)
    return {
        code: sorted(found[code], key=lambda s: (s.message.count("…"), -len(s.message), s.message))
        for code in sorted(found.keys() - TRANSLATED)
    }


def codes_page() -> Iterator[str]:
    yield "# Exit codes and codes of errors"
    yield ""
    yield "| exit | meaning |"
    yield "|---:|---|"
    yield from (f"| {number} | {meaning} |" for number, meaning in EXITS.items())
    yield ""
    yield from paragraph(
        "Where several hold, the highest of 3 to 9 counts. Every error has a code that stays the same, in brackets below "
        "its text and as `code` with `--format json`. Below, each with a message that comes with it; … stands for what "
        "differs, and the number for the exit code where it is always the same."
    )
    for code, said in codes().items():
        exits = {one.exit for one in said}
        exit_code = f" (exit {exits.pop()})" if len(exits) == 1 and None not in exits else ""
        message = next((one.message for one in said if one.message), MEANINGS.get(code, ""))
        yield from bullet(f"`{code}`{exit_code}{f': {prose(message)}' if message else ''}")


def _modules() -> Iterator[tuple[str, ast.Module]]:
    def below(folder: Traversable, room: str) -> Iterator[tuple[str, ast.Module]]:
        for item in sorted(folder.iterdir(), key=lambda item: item.name):
            if item.is_dir():
                yield from below(item, room or item.name)
            elif item.name.endswith(".py"):
                yield room, ast.parse(item.read_text(encoding="utf-8"))

    yield from below(resources.files("reconciler"), "")


def _classes() -> dict[str, type[ReconcilerError]]:
    return {
        name: one for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, ReconcilerError)
    }


def _said(tree: ast.Module, room_exit: int | None) -> Iterator[Said]:
    assigned = [
        (node.lineno, target.id, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    for node in ast.walk(tree):
        # what a name stood for last, above
        names = {
            name: value
            for line, name, value in sorted(assigned, key=lambda one: one[0])
            if line < getattr(node, "lineno", 0)
        }
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            made = _classes().get(called)
            default = [ast.Constant(made.code)] if made else []
            given = [keyword.value for keyword in node.keywords if keyword.arg == "code"] or default
            for one in given:
                message = _message(node.args[0], names) if node.args else ""
                yield from (Said(code, message, made.exit_code if made else room_exit) for code in _texts(one, names))
            if called in _MAKERS:
                yield from _positional(node.args, names, room_exit)
            else:
                yield from _alike(node.args, names, room_exit)
        elif isinstance(node, ast.Tuple):
            yield from _alike(node.elts, names, room_exit)
        elif isinstance(node, ast.Dict):
            pairs = {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            if "code" in pairs and "message" in pairs:
                message = _message(pairs["message"], names)
                yield from (Said(code, message, room_exit) for code in _texts(pairs["code"], names))


def _positional(arguments: list[ast.expr], names: Mapping[str, ast.expr], room_exit: int | None) -> Iterator[Said]:
    """The first argument that is a code, and the next one, which is its message."""
    for one, following in zip_longest(arguments, arguments[1:]):
        found = [*_texts(one, names)]
        if found:
            yield from (Said(code, _message(following, names), room_exit) for code in found)
            return


def _alike(arguments: list[ast.expr], names: Mapping[str, ast.expr], room_exit: int | None) -> Iterator[Said]:
    """What looks like a code and its message."""
    yield from (said for said in _positional(arguments, names, room_exit) if "-" in said.code and " " in said.message)


def _texts(node: ast.expr, names: Mapping[str, ast.expr]) -> Iterable[str]:
    """The codes that an expression may be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.match(node.value):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body, names), *_texts(node.orelse, names))
    elif isinstance(node, ast.Name) and isinstance(known := names.get(node.id), ast.Constant):
        yield from _texts(known, {})


def _message(node: ast.expr | None, names: Mapping[str, ast.expr]) -> str:
    """Its fixed parts, with … for the others."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{[a-z_]+\}", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_message(part, names) or "…" for part in node.values)
    if isinstance(node, ast.IfExp):
        return _message(node.body, names)
    if isinstance(node, ast.Name) and node.id in names:
        return _message(names[node.id], {})
    return ""
