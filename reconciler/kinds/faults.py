"""What is wrong with a stored body, place by place: so that all that is right can be shown, and nothing else."""

from __future__ import annotations

from reconciler.errors import Path, Problem
from reconciler.kinds.mask import Masking
from reconciler.kinds.parse import parse, variants_of
from reconciler.kinds.schema import Shape
from reconciler.model.address import Address
from reconciler.model.body import Body, put
from reconciler.model.kind import Kind

_TAGS = 4
"""Tags of unions that may be wrong at once: that of the body, and of a part in it."""


def masking_of(kind: Kind, body: Body, problems: tuple[Problem, ...], address: Address, key: bytes) -> Masking:
    """How to mask a body that is not valid. Where it does not say of which type it is, the type that fits best judges it."""
    meant, tags = body, list[Path]()
    while (tag := _wrong_tag(kind, problems)) is not None and len(tags) < _TAGS:
        tags.append(_place(tag.path))
        meant, problems = _best(kind, meant, tag, address)
    variants = variants_of(kind, meant)
    faults = {_place(problem.path): problem for problem in problems}
    return Masking(
        address.tenant,
        key,
        [Shape(part=variant) for variant in variants] if len(variants) == 1 else (),
        meant,
        frozenset({*faults, *tags}),
        frozenset(path for path, problem in faults.items() if problem.code == "plaintext-secret"),
        frozenset(path for path, problem in faults.items() if _wants_number(problem)),
    )


def _wrong_tag(kind: Kind, problems: tuple[Problem, ...]) -> Problem | None:
    """Return the first problem that leaves open what the fields beside its place are: a tag that is missing or unknown."""
    codes, own = {"unknown-type", "missing-field"}, (kind.discriminator,)
    return next((p for p in problems if p.expected and (p.code in codes or p.path == own)), None)


def _best(kind: Kind, body: Body, tag: Problem, address: Address) -> tuple[Body, tuple[Problem, ...]]:
    """Return the body with the tag against which the fewest things can be said, and those."""
    found = []
    for choice in (tag.expected or "").split(", "):
        tried = put(body, tag.path, choice)
        problems = parse(kind, tried, address)
        found.append((tried, problems if isinstance(problems, tuple) else ()))
    return min(found, key=lambda one: len(one[1]))


def _place(path: Path) -> Path:
    """Return the path of a problem: that of a union which is told apart by its form ends in the empty name of its tag."""
    return path[:-1] if path[-1:] == ("",) else path


def _wants_number(problem: Problem) -> bool:
    if problem.code == "wrong-type":
        return problem.expected in {"an integer", "a number"}
    return problem.code == "out-of-range"
