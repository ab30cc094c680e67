"""Drafts of resources turned into ones that validate, alone and together; what can't be is left out with the reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from reconciler.convert.ledger import Node
from reconciler.errors import Path, Problem
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, dotted, drop, has, leaves
from reconciler.model.resource import Resource, resource_of
from reconciler.model.spec import Spec

MAX_REPAIRS = 50
# Without one of these a resource says less, and allows nothing that it did not.
_SPARE = {"description", "labels"}
# Without one of these a parameter says less, and takes no value that it did not.
_SPARE_OF_PARAMETERS = {"default", "description"}
_OF_REFERENCES = "a secret's text stands in it"


class Draft(Struct):
    """A body that may not validate, and the fields of the input that it was made of."""

    address: Address
    body: Body
    made_of: tuple[Node, ...]
    governed_by: tuple[Node, ...] = ()
    """Rules that stand elsewhere in the input and limit the resource, too."""
    withheld: bool = False


def settle(drafts: list[Draft], hidden: re.Pattern[str] | None) -> dict[Address, Spec]:
    """Return the resources that may be written; take the others out of the drafts, and report the nodes they were made of."""
    found: dict[Address, Resource] = {}
    specs: dict[Address, Spec] = {}
    by_address = {draft.address: draft for draft in drafts}
    for draft in drafts:
        spec = _parsed(draft, hidden)
        if spec is not None:
            found[draft.address], specs[draft.address] = resource_of(draft.address, spec), spec
    left = [draft for draft in drafts if draft.address not in found]
    while wrong := {address: why for address in found if (why := next(_faults(found[address], found), None))}:
        for address, why in wrong.items():
            del found[address]
            _leave_out(by_address[address], why)
            left.append(by_address[address])
    for draft in left:
        drafts.remove(draft)
    return {address: specs[address] for address in found}


def _faults(resource: Resource, found: dict[Address, Resource]) -> Iterator[str]:
    kind = KINDS[resource.address.kind]
    for reference in kind.references_of(resource.address.tenant, resource.body):
        if reference.address not in found:
            yield f"{reference.address.kind}/{reference.address.name}, which it needs, was left out"
    yield from (_words(problem) for problem in kind.check(resource, found.get))


def _parsed(draft: Draft, hidden: re.Pattern[str] | None) -> Spec | None:
    kind = KINDS[draft.address.kind]
    for _attempt in range(MAX_REPAIRS):
        exposed = _exposed(draft.body, hidden, kind.discriminator)
        spec = parse(kind, draft.body, draft.address)
        if isinstance(spec, Spec) and exposed is None:
            return spec
        problem = Problem("plaintext-secret", _OF_REFERENCES, path=exposed or ()) if exposed is not None else None
        problem = problem or (spec[0] if isinstance(spec, tuple) else None)
        assert problem is not None
        spare = _spare(draft.body, problem.path)
        if spare is None:
            _leave_out(draft, _words(problem))
            return None
        draft.body = drop(draft.body, spare)
        draft.made_of[0].note(f"a field is missing: {_words(problem)}", f"{_of(draft)} {dotted(spare)}")
    _leave_out(draft, "too much of it is not valid here")
    return None


def _exposed(body: Body, hidden: re.Pattern[str] | None, discriminator: str | None) -> Path | None:
    if hidden is None:
        return None
    for path, value in leaves(body):
        for one, place in _texts(value, path):
            if place != (discriminator,) and hidden.search(one):
                return place
        if any(isinstance(part, str) and hidden.search(part) for part in path):
            return path
    return None


def _texts(value: Any, path: Path) -> Iterator[tuple[str, Path]]:
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))


def _spare(body: Body, path: Path) -> Path | None:
    """Return the part of a body that holds the path and can be done without."""
    if path and path[0] in _SPARE:
        return path[:1] if path[0] == "description" or len(path) == 1 else path[:2]
    if len(path) >= 3 and path[0] == "parameters" and path[2] in _SPARE_OF_PARAMETERS and has(body, path[:3]):
        return path[:3]
    return None


def _leave_out(draft: Draft, why: str) -> None:
    for node in draft.made_of:
        node.left(f"{_of(draft)} can't be written: {why}")


def _of(draft: Draft) -> str:
    return f"{draft.address.kind}/{draft.address.name}"


def _words(problem: Problem) -> str:
    where = f"{dotted(problem.path)}: " if problem.path and problem.path != ("sql",) else ""
    return f"{where}{problem.message} [{problem.code}]"
