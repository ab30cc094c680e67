"""``defaults`` of reconciler.yaml, held against the fields of their kinds, whether a resource takes them over or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from pydantic import BaseModel, ValidationError

from reconciler.errors import Path, Problem
from reconciler.kinds.nearest import nearest
from reconciler.kinds.schema import Shape, fields_of, is_list, is_map, member_of, members_of, places_below
from reconciler.kinds.table import KINDS
from reconciler.kinds.wording import problem_of, shown_key
from reconciler.load.project import Project
from reconciler.model.body import get
from reconciler.model.kind import Kind


def unknown_in_defaults(project: Project) -> Iterator[Problem]:
    """Yield a problem for each field that no variant of its kind has, at any depth, with its place in reconciler.yaml."""
    for kind in KINDS.values() if project.settings.defaults else ():
        found = project.defaults(kind.name)
        for path, hint in _unknown(kind, found[1]) if found else ():
            field = ".".join(shown_key(str(step)) for step in path)
            message = f"no {kind.name} has a field `{field}`"
            problem = Problem("unknown-field", message, on_key=True, hint=hint)
            yield project.problem(problem, (*found[0], *path) if found else path)


def _unknown(kind: Kind, values: Mapping[str, Any]) -> Iterator[tuple[Path, str | None]]:
    """Paths of unknown fields, each with the one that was probably meant."""
    variants = [fields_of(variant) for variant in kind.variants.values()]
    for name, value in values.items():
        shapes = [fields[name] for fields in variants if name in fields]
        if shapes:
            yield from _unknown_below(shapes, value, (name,))
        else:
            yield (name,), _meant(name, (known for fields in variants for known in fields))


def _unknown_below(shapes: Sequence[Shape], value: Any, path: Path) -> Iterator[tuple[Path, str | None]]:
    own = [member_of(shape, value) for shape in shapes]
    flat = [one for shape in own for one in members_of(shape)]
    if isinstance(value, Mapping):
        if any(one.is_open for one in flat) or not any(map(is_map, own)):
            return
        steps: Iterator[tuple[str | int, Any]] = iter(value.items())
    elif isinstance(value, list) and any(map(is_list, own)):
        steps = iter(enumerate(value))
    else:
        return
    for step, inner in steps:
        found = places_below(own, value, step)
        if found:
            yield from _unknown_below(found, inner, (*path, step))
        elif isinstance(step, str):
            yield (*path, step), _meant(step, (name for one in flat if one.part for name in fields_of(one.part)))


_OF_ONE_VALUE = frozenset(
    {
        "plaintext-secret",
        "url-with-credentials",
        "wrong-type",
        "out-of-range",
        "too-long",
        "too-short",
        "invalid-choice",
    }
)
"""Codes of what is wrong with a value whatever stands beside it."""


def wrong_in_defaults(project: Project) -> Iterator[Problem]:
    """Yield a problem for each value that fits no type of its kind that has the field, whether a resource takes it over or not."""
    for kind in KINDS.values() if project.settings.defaults else ():
        where, values = project.defaults(kind.name) or ((), {})
        for name, value in values.items():
            variants = [variant for variant in kind.variants.values() if name in fields_of(variant)]
            found = [[*_wrong(variant, name, value)] for variant in variants]
            if found and all(found):
                for problem in found[0]:
                    yield project.problem(problem, (*where, *problem.path))


def _wrong(variant: type[BaseModel], name: str, value: Any) -> Iterator[Problem]:
    raw = {name: value}
    try:
        variant.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            problem = problem_of(variant, raw, detail, "")
            at = get(raw, problem.path)
            # what a variable stands for is known where a resource takes it over
            if problem.path[:1] == (name,) and problem.code in _OF_ONE_VALUE and not _has_variable(at):
                yield replace(problem, address=None)


def _has_variable(value: Any) -> bool:
    return value is None or (isinstance(value, str) and "${" in value)


def _meant(name: str, known: Iterator[str]) -> str | None:
    found = nearest(name, sorted({*known}))
    return f"did you mean `{found}`?" if found else None
