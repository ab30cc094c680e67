"""The table of the types of templates: adding one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from reconciler.errors import Problem
from reconciler.kinds.template.declared import Unfitting, all_fit
from reconciler.model.body import Body
from reconciler.model.kind import Lookup
from reconciler.model.later import Later
from reconciler.model.resource import Resource
from reconciler.model.spec import Spec
from reconciler.model.target import Look


def _nobody(_body: Body, _look: Look) -> tuple[str, ...]:
    return ()


class TemplateType(NamedTuple):
    """The rules of one type of template.

    ``check`` yields problems for authors. ``fits`` says, from the live bodies of a template, its datasource if it has one, and its
    connector, whether it may run there at all: what `check` refuses may have come about since, by another project's apply or by
    hand. ``reads`` says whether running it changes nothing, and ``action`` what it does then: a word, or what tells it from the
    body. ``unfit`` yields, of some values of a template's parameters, those that its connector can't take. ``asks`` returns what a
    call makes calls of their own to, as `kind/name`; None where one of these is missing or can't do it.
    """

    spec: type[Spec]
    check: Callable[[Resource, Lookup], Iterable[Problem]]
    fits: Callable[[Body, Body | None, Body], bool]
    reads: Callable[[Body], bool]
    action: str | Callable[[Body], str]
    unfit: Unfitting = all_fit
    asks: Callable[[Body, Look], tuple[str, ...] | None] = _nobody


_NAMES = (
    "sql",
    "http",
    "vector",
    "message",
    "file",
    "function",
)
"""Each is a module here with a ``TYPE``, which is imported when a template of the type is met."""

TYPES: Mapping[str, TemplateType] = Later("reconciler.kinds.template", {name: f"{name}:TYPE" for name in _NAMES})
SPECS: Mapping[str, type[Spec]] = Later("reconciler.kinds.template", {name: f"{name}:TYPE.spec" for name in _NAMES})
