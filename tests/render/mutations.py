"""Manifests with one thing wrong, or only unusual: each is a good document with a random change somewhere in it.

``measure`` holds the published schema's verdict on each against that of `validate`. Run it for figures and examples:
``python -m tests.render.mutations SEED COUNT``.
"""

from __future__ import annotations

import copy
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import jsonschema_rs

from reconciler.errors import ConfigurationInvalid, Problems
from reconciler.kinds.table import KINDS
from reconciler.load.load import load
from reconciler.load.project import Project, read_project
from reconciler.render.schemas import schemas
from tests.kinds.full import FULL, bodies

SETTINGS = """
version: 1
include: [a.yaml]
variables: {n: 7, on: true, name: thing, list: [a], map: {team: x}, ref: "env://KEY"}
"""
OTHERS = [
    *("connector/c", "datasource/d", "datasource/a", "datasource/b", "integration/i", "integration/j", "caller/a"),
    *("template/t", "template/a-x", "template/crm-x", "route/r"),
]
TEXTS = [
    "",
    "x",
    "a b",
    "A",
    "${tenant}",
    "${var.name}",
    "${var.n}",
    "env://KEY",
    "plain",
    "https://x.example",
    "9",
    "*",
]
VALUES: list[Any] = [None, True, False, 0, -1, 1, 7, 10**9, 1.5, [], {}, ["a"], ["a", "a"], {"a": "b"}, {"a": 1}]
NO_SCHEMA_CAN = {
    "dangling-reference": "what other resources there are",
    "matches-nothing": "what other resources there are",
    "invalid-target": "what other resources there are",
    "missing-tenant": "whether the project has a `default_tenant`",
    "default-not-in-models": "that one value stands in another field's list",
    "undeclared-parameter": "that a text names what another field declares",
    "unused-parameter": "that a text names what another field declares",
    "parameter-mismatch": "that a value is of the type that another field names",
    "invalid-definition": "the grammar of JSON Schema, and what of it the runtime can do",
    "invalid-schema": "the grammar of JSON Schema, and what of it the runtime can do",
    "lock-edited": "a digest",
    "invalid-sql": "the grammar of SQL",
    "invalid-pattern": "the grammar of regular expressions",
}
"""Codes of problems that no schema can find, and what it would have to know."""


def beyond_schemas(change: str, by_tool: Sequence[str]) -> bool:
    """Whether the tool alone can know that a document is wrong."""
    if "${var." in change:  # what a variable holds
        return True
    if (
        change.endswith((" to None", ": None")) or ": None beside" in change
    ):  # whether the project has defaults to take away
        return True
    if re.search(r" to -?[0-9]+\.0$", change):  # JSON Schema counts 5.0 among the integers
        return True
    return all(one.split()[0] in NO_SCHEMA_CAN for one in by_tool)


class Verdict(NamedTuple):
    """A mutated document, what was changed, and what both judges say of it."""

    change: str
    document: Any
    by_schema: tuple[str, ...]
    by_tool: tuple[str, ...]


def goods() -> list[tuple[str, Any]]:
    """Return good documents, by the kind of the one resource that each declares."""
    return [
        (
            kind,
            json.loads(
                json.dumps({"version": 1, "tenant": "acme", "external": OTHERS, KINDS[kind].plural: {"a": body}})
            ),
        )
        for kind, variant in FULL
        for body in bodies(kind, variant)
    ]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(item, (*path, key))


def _typo(word: str, random: Random) -> str:
    at = random.randrange(len(word)) if word else 0
    return random.choice([word[:at] + word[at + 1 :], word[:at] + "x" + word[at:], word.swapcase(), word + "s"])


def mutated(document: Any, words: Sequence[str], random: Random) -> tuple[str, Any]:
    """Return what was changed, and the changed copy."""
    found = copy.deepcopy(document)
    body = [place for place in _places(found) if place[0] != "external" and len(place) > 1]
    place = random.choice(body if random.random() < 0.95 else [*_places(found)])
    parent: Any = found
    for step in place[:-1]:
        parent = parent[step]
    last, old = place[-1], parent[place[-1]]
    match random.randrange(8):
        case 0:
            del parent[last]
            return f"delete {place}", found
        case 1 if isinstance(parent, dict):
            name = _typo(str(last), random)
            parent[name] = parent.pop(last)
            return f"rename {place} to {name}", found
        case 2 if isinstance(parent, dict):
            name, value = random.choice(words), random.choice([*TEXTS, *VALUES])
            parent[name] = value
            return f"add {name}: {value!r} beside {place}", found
        case 3 if isinstance(old, str):
            parent[last] = _typo(old, random)
            return f"misspell {place} as {parent[last]!r}", found
        case 4 if isinstance(old, int | float):
            parent[last] = random.choice([-old, old + 1, old * 1000, old / 2, str(old), 10**12])
            return f"set {place} to {parent[last]!r}", found
        case 5 if isinstance(old, list):
            parent[last] = random.choice([[*old, *old], old[:-1], [*old, random.choice(TEXTS)], {"a": old}])
            return f"set {place} to {parent[last]!r}", found
        case 6:
            parent[last] = random.choice(TEXTS)
        case _:
            parent[last] = random.choice(VALUES)
    return f"set {place} to {parent[last]!r}", found


class Judges:
    """The two that say whether a document is valid."""

    def __init__(self, folder: Path) -> None:
        (folder / "reconciler.yaml").write_text(SETTINGS)
        self._file = folder / "a.yaml"
        project = read_project(folder / "reconciler.yaml", Problems())
        assert isinstance(project, Project)
        self._project = project
        self._schema = jsonschema_rs.Draft202012Validator(
            schemas()["manifest"], pattern_options=jsonschema_rs.FancyRegexOptions()
        )

    def by_schema(self, document: Any) -> tuple[str, ...]:
        if self._schema.is_valid(document):
            return ()
        return tuple(
            f"{'/'.join(map(str, one.instance_path))}: {one.message[:200]}"
            for one in self._schema.iter_errors(document)
        )

    def by_tool(self, document: Any) -> tuple[str, ...]:
        self._file.write_text(json.dumps(document))
        try:
            load(self._project, None, (), "p")
        except ConfigurationInvalid as error:
            return tuple(f"{one.code} {'/'.join(map(str, one.path))}: {one.message}" for one in error.problems)
        return ()


def verdicts(seed: int, count: int, folder: Path) -> Iterator[Verdict]:
    """Yield ``count`` mutated documents with both verdicts."""
    random, judges, documents = Random(seed), Judges(folder), goods()
    words = sorted(
        {str(step) for _, one in documents for place in _places(one) for step in place if isinstance(step, str)}
    )
    for number in range(count):
        _, document = documents[number % len(documents)]
        change, found = mutated(document, words, random)
        yield Verdict(change, found, judges.by_schema(found), judges.by_tool(found))


def main(seed: int, count: int) -> None:
    """Print how often the judges agree, and what they disagree about."""
    with tempfile.TemporaryDirectory() as folder:
        judges = Judges(Path(folder))
        for kind, document in goods():
            if judges.by_tool(document) or judges.by_schema(document):
                print("not good:", kind, str(judges.by_tool(document))[:150], str(judges.by_schema(document))[:150])
        differing = [one for one in verdicts(seed, count, Path(folder)) if bool(one.by_schema) != bool(one.by_tool)]
    known = [one for one in differing if one.by_tool and beyond_schemas(one.change, one.by_tool)]
    print(f"without the list: {count - len(differing)} of {count} agree: {100 - 100 * len(differing) / count:.2f}%")
    differing = [one for one in differing if one not in known]
    codes = Counter(one.by_tool[0].split()[0] if one.by_tool else "schema alone" for one in differing)
    for one in differing:
        print(f"{one.change[:150]}\n    tool: {str(one.by_tool[:2])[:150]}\n    schema: {str(one.by_schema[:1])[:100]}")
    print(codes)
    print(f"{count - len(differing)} of {count} agree: {100 - 100 * len(differing) / count:.2f}%")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
