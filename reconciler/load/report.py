"""Report the problems of a load: causes without their consequences, and each problem once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath

from msgspec.structs import replace

from reconciler.errors import ConfigurationInvalid, LockEdited, Place, Problem, Problems
from reconciler.load.closed import Judgement, once
from reconciler.load.secret_values import without_doubles
from reconciler.load.source import Source, shown_name

CAUSES = frozenset(
    {"not-a-number", "number-range", "unknown-tag", "invalid-tag", "undefined-alias", "recursive-alias"}
    | {"unknown-variable", "variable-syntax", "variable-not-scalar", "variable-in-key"}
)
"""Codes of a value that can't be read: other problems at its place follow from that."""


def _outer(place: Place) -> Place:
    """Return where the outer brace of `{{ x }}` stands: what is no key there makes no map here."""
    return replace(place, column=(place.column or 1) - 1)


def raise_if_any(problems: Problems, sources: Sequence[Source], judgement: Judgement, files: Iterable[str]) -> None:
    """Raise ConfigurationInvalid if there are problems, with the warnings beside them and the names of all ``files``."""
    if not problems.found:
        return
    by_name: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        by_name[source.name].append(source)
    causes = {problem.place for problem in problems.found if problem.code in CAUSES}
    causes |= {_outer(one.place) for one in problems.found if one.code == "complex-key" and one.place}

    def masked(problem: Problem) -> Problem:
        for source in by_name.get(problem.place.file, ()) if problem.place else ():
            problem = source.masking(problem)
        return problem

    found = once(without_doubles(one for one in problems.found if one.code in CAUSES or one.place not in causes))
    problems.found[:] = map(masked, found)
    try:
        problems.raise_if_any(dict.fromkeys((*by_name, *(shown_name(FilePath(file)) for file in files))))
    except ConfigurationInvalid as error:
        # a lock that was edited pins nothing, which is no finding of its own
        caused = {"not-pinned"} if isinstance(error, LockEdited) else set()
        warnings = (one for one in judgement.warnings if one.place not in causes and one.code not in caused)
        error.warnings = tuple(map(masked, warnings))
        error.unsure = tuple((masked(one), is_error) for one, is_error in judgement.unsure)
        raise
