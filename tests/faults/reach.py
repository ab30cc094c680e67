"""Finds the commands whose code reaches a function that writes: names are followed through the source, none is run."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import click

from reconciler.cli import COMMANDS

ROOT = Path(__file__).parents[2]
Name = tuple[str, str]
"""A module, and what it defines at its top level."""


def commands() -> dict[str, Name]:
    """Return where each command that is no group is defined, by its path, such as ``secrets set``."""
    found: dict[str, Name] = {}

    def walk(path: str, one: click.Command) -> None:
        if isinstance(one, click.Group):
            for name, below in one.commands.items():
                walk(f"{path} {name}", below)
            return
        function = one.callback
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        assert function is not None
        found[path] = (function.__module__, function.__name__)

    for name in COMMANDS:
        walk(name, import_module(f"reconciler.cli.{name}").command)
    return found


def reaching(targets: Collection[Name]) -> set[str]:
    """Return the paths of the commands from which one of ``targets`` can be reached."""
    return {path for path, start in commands().items() if not set(targets).isdisjoint(_reachable(start))}


def _reachable(start: Name) -> set[Name]:
    """A method is reached where its class and an attribute of its name are."""
    seen: set[Name] = set()
    attributes: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        used, asked = _uses(name)
        waiting += used
        attributes |= asked
        if not waiting:
            waiting = [
                (module, f"{own}.{method}") for module, own in seen for method in _methods(module, own) & attributes
            ]
            waiting = [one for one in waiting if one not in seen]
    return seen


@cache
def _uses(name: Name) -> tuple[frozenset[Name], frozenset[str]]:
    """Return what the definition refers to, under the modules that define it, and the attributes that it asks for."""
    module, own = name
    defined, imported = _contents(module)
    if own in imported:  # handed on by another module
        return frozenset({imported[own]}), frozenset()
    found: set[Name] = set()
    asked: set[str] = set()
    for node in defined.get(own, ()):
        known = imported | dict(_imports(node, module))
        bound = _bound(node)
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in bound:
                continue
            if isinstance(part, ast.Name) and part.id in known:
                found.add(known[part.id])
            elif isinstance(part, ast.Name) and part.id in defined:
                found.add((module, part.id))
            elif isinstance(part, ast.Attribute):
                asked.add(part.attr)
                if isinstance(part.value, ast.Name) and part.value.id in known:
                    inside, attribute = known[part.value.id]
                    found.add((f"{inside}.{attribute}", part.attr))  # of a module that was imported whole
    return frozenset(found), frozenset(asked)


def _bound(node: ast.AST) -> set[str]:
    """Return the names that mean something else inside of the definition."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return names | {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}


def makers() -> set[Name]:
    """Return the functions that make or replace a file."""
    found: set[Name] = set()
    for file in sorted((ROOT / "reconciler").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for own, nodes in _contents(module)[0].items():
            if any(_makes(part) for node in nodes for part in ast.walk(node)):
                found.add((module, own))
    return found


def _makes(part: ast.AST) -> bool:
    if not (isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)):
        return False
    if part.func.attr == "open":
        mode = part.args[0].value if part.args and isinstance(part.args[0], ast.Constant) else ""
        return not {"w", "a", "x"}.isdisjoint(str(mode)) or "O_CREAT" in ast.unparse(part)
    return part.func.attr in {"write_text", "write_bytes", "mkstemp"} or ast.unparse(part.func) == "os.replace"


def _methods(module: str, own: str) -> set[str]:
    return {name.partition(".")[2] for name in _contents(module)[0] if name.startswith(f"{own}.")}


@cache
def _contents(module: str) -> tuple[dict[str, list[ast.AST]], dict[str, Name]]:
    """Return the module's definitions, methods as ``Class.method``, and what it imports."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        return {}, {}
    defined: dict[str, list[ast.AST]] = {}
    imported: dict[str, Name] = {}
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defined.setdefault(node.name, []).append(node)
            continue
        imported |= dict(_imports(node, module))
        if isinstance(node, ast.ClassDef):
            defined.setdefault(node.name, []).extend([*node.bases, *node.decorator_list])
            for part in node.body:
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    name = node.name if part.name.startswith("__") else f"{node.name}.{part.name}"
                    defined.setdefault(name, []).append(part)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    defined.setdefault(target.id, []).append(node)
    return defined, imported


def _imports(node: ast.AST, module: str) -> Iterator[tuple[str, Name]]:
    for part in ast.walk(node):
        if isinstance(part, ast.ImportFrom) and (part.module or "").startswith("reconciler"):
            for alias in part.names:
                yield alias.asname or alias.name, (part.module or "", alias.name)
