"""Random desired states, written as files for the real loader, or turned into resources without any file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from reconciler.kinds.parse import parse
from reconciler.kinds.table import BY_PLURAL
from reconciler.load.load import load
from reconciler.load.project import without_file
from reconciler.model.address import Address
from reconciler.model.characters import unseen
from reconciler.model.configuration import Configuration
from reconciler.model.resource import resource_of
from reconciler.model.spec import Spec

from .bodies import TENANT, Body, Dice, Number, Pick, common, connector, datasource, integration
from .writing import document_text

TODAY = date(2026, 3, 1)
EXAMPLES = float(os.environ.get("RECONCILER_EXAMPLES", "0.1"))
"""Multiplies the number of examples of every property: tests/campaigns/properties.py takes all of them and more."""


def examples(count: int) -> settings:
    """The same examples in every run, so that CI is stable; a failure prints how to have it again."""
    return settings(
        max_examples=max(1, round(count * EXAMPLES)),
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def dice(size: int) -> st.SearchStrategy[Dice]:
    return st.binary(min_size=size, max_size=size).map(Dice)


NASTY = (
    "",
    "é and e\u0301",  # composed and combined
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "مرحبا \u202eabc\u202c שלום",  # right to left, with an override
    "${tenant} and $${x}",
    "\u2028line\u0085separators\u2029",
    "\ufeffmark \uffff \U0010ffff",
    "tab\tline\nend\r\n",
    "# : - 'x' \"y\" \\ {[,]} & * ! | > %",
    "null",
    "1_000",
    "𝔘𝔫𝔦 ﬁ ǆ İ ß",
    "\x80\x9f\xa0",
)
_FORBIDDEN = {*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F}
_CHARACTERS = st.characters(exclude_categories=["Cs"]).filter(lambda c: ord(c) not in _FORBIDDEN)
TEXTS = st.sampled_from(NASTY) | st.text(_CHARACTERS, max_size=20)
NAMES = ("a", "b-2", "openai-prod", "0", "x" * 63, "no", "null", "1-30")


@dataclass(frozen=True)
class Group:
    """What one set of tenants wants: bodies by plural and name, and entries by their key (``moved``, ...)."""

    tenants: tuple[str, ...]
    resources: dict[str, dict[str, Body]]
    entries: dict[str, list[Any]] = field(default_factory=dict)


Desired = tuple[Group, ...]

SQL: tuple[tuple[str, Body], ...] = (
    ("SELECT 1", {}),
    ("SELECT 'ü😀 :no' AS x FROM public.orders -- :no\n;", {}),
    (
        "SELECT id\nFROM public.orders\nWHERE region = :region\nLIMIT :n",
        {
            "region": {"type": "string", "max_length": 20, "enum": ["us", "eu"]},
            "n": {"type": "integer", "min": 1, "max": 100, "default": 10},
        },
    ),
    ("SELECT id FROM public.orders WHERE id = :id", {"id": {"type": "uuid", "nullable": False, "description": ""}}),
)


def seen(body: Body) -> Body:
    """The body with a description that hides nothing."""
    text = body.get("description", "")
    while hidden := {*unseen(text)}:
        text = body["description"] = "".join(one for offset, one in enumerate(text) if offset not in hidden)
    return body


def _template(pick: Pick, connectors: dict[str, Body], datasources: dict[str, Body]) -> Body | None:
    """On one of the connectors or datasources that can run one; None where there is none."""
    tables = [n for n, d in datasources.items() if d["type"] == "database"]
    apis = [n for n, c in connectors.items() if c["type"] == "http"]
    if tables and (not apis or pick.number(2)):
        sql, parameters = pick.of(SQL)
        body: Body = {"type": "sql", "datasource": pick.of(tables), "sql": sql}
        if parameters or pick.number(2):
            body["parameters"] = {name: dict(value) for name, value in parameters.items()}
        pick.maybe(body, "read_only", True)
        pick.maybe(body, "max_rows", 1)
    elif apis:
        name = pick.of(apis)
        body = {"type": "http", "connector": name, "path": pick.of(("/v1/orders", "/v1/orders/{id}", "/v1/ping"))}
        body["method"] = pick.of(connectors[name].get("allowed_methods") or ("GET", "HEAD"))
        if "{id}" in body["path"]:
            body["parameters"] = {"id": {"type": "integer", "min": 0}}
        pick.maybe(body, "query", {}, {"q": "literal ü", "b": ""})
        if body["method"] == "POST":
            pick.maybe(body, "body", {"type": "object", "properties": {"ü": {"type": "number", "minimum": 1.0}}})
    else:
        return None
    pick.maybe(body, "timeout_seconds", 1)
    # models read what a template says of itself: nothing in it may be hidden from people
    return seen(common(pick, body))


def _limit(pick: Pick, targets: list[str]) -> Body:
    body: Body = {"target": pick.of(("tenant", *targets))}
    if pick.number(3) == 0:
        body["concurrent"] = pick.of((1, 0))
    else:
        body["per"] = pick.of(("month", "second", "day"))
        body["requests"] = pick.of((1000, 0))
        if body["target"] == "tenant":
            pick.maybe(body, "tokens", 0, 50_000_000)
            pick.maybe(body, "cost_usd", Number("2500.00"), "2500.0", 2500, Number("0.100000001"), Number("25e2"))
    pick.maybe(body, "on_exceed", "block", "warn")
    return common(pick, body)


def resources(pick: Pick, most: int = 3) -> dict[str, dict[str, Body]]:
    """Up to ``most`` resources of each kind, each reference of which is met."""

    def names() -> list[str]:
        first = pick.number(len(NAMES))
        return [NAMES[(first + offset) % len(NAMES)] for offset in range(pick.number(most + 1))]

    found: dict[str, dict[str, Body]] = {plural: {} for plural in BY_PLURAL}
    found["connectors"] = {name: connector(pick) for name in names()}
    found["integrations"] = {name: integration(pick) for name in names()}
    if found["connectors"]:
        found["datasources"] = {name: datasource(pick, found["connectors"]) for name in names()}
        made = ((name, _template(pick, found["connectors"], found["datasources"])) for name in names())
        found["templates"] = {name: body for name, body in made if body is not None}
    targets = [f"{BY_PLURAL[plural].name}/{name}" for plural, named in found.items() for name in named]
    found["limits"] = {name: _limit(pick, targets) for name in names()}
    return found


@st.composite
def states(draw: st.DrawFn, tenants: tuple[str, ...] = ("acme", "globex", "t-3"), most: int = 3) -> Desired:
    """One to three groups of tenants."""
    pick = Pick(draw(dice(700)), draw(st.lists(TEXTS, max_size=6)))
    left, groups = list(tenants), list[Group]()
    while left and (not groups or pick.number(2)):
        several = tuple(left.pop(0) for _ in range(1 + pick.number(len(left))))
        groups.append(Group(several, resources(pick, most)))
    return tuple(groups)


def renamed(desired: Desired, suffix: str) -> Desired:
    """The same for other tenants."""
    return tuple(Group(tuple(t + suffix for t in g.tenants), g.resources, g.entries) for g in desired)


def resolved(value: Any, tenant: str) -> Any:
    """A value as the loader gives it to the specs."""
    if isinstance(value, Number):
        return Decimal(value)
    if isinstance(value, str):
        return value.replace(TENANT, tenant)
    if isinstance(value, dict):
        return {key: resolved(item, tenant) for key, item in value.items()}
    return [resolved(item, tenant) for item in value] if isinstance(value, list | tuple) else value


def bodies(desired: Desired) -> Iterator[tuple[Address, Body]]:
    """Every address with its body as it is written, the tenant filled in."""
    for group in desired:
        for tenant in group.tenants:
            for plural, named in group.resources.items():
                for name, body in named.items():
                    yield Address(tenant, BY_PLURAL[plural].name, name), resolved(body, tenant)


def direct(desired: Desired, project: str = "shop") -> Configuration:
    """The configuration without files; entries (``moved``, ...) are not read."""
    found = {}
    for address, body in bodies(desired):
        spec = parse(BY_PLURAL[address.kind + "s"], body, address)
        assert isinstance(spec, Spec), (address, body, spec)
        found[address] = resource_of(address, spec)
    return Configuration(project, None, found)


def write(folder: Path, desired: Desired, random: Random | None = None) -> None:
    """Writes the files; ``random`` spreads them over files and documents, and shuffles all that has no order."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    files: dict[str, list[str]] = {}
    for group in desired:
        for document in _documents(group, random):
            name = f"{random.randrange(3)}.yaml" if random else "all.yaml"
            files.setdefault(name, []).append(document_text(document, random))
    for name, texts in files.items():
        if random:
            random.shuffle(texts)
        (folder / name).write_text("---\n".join(texts), encoding="utf-8", newline="")


def _documents(group: Group, random: Random | None) -> Iterator[Body]:
    """The group as one document, or spread over several."""
    parts: list[Body] = [{}]
    if random:
        parts = [{} for _ in range(random.randint(1, 3))]
    for plural, named in group.resources.items():
        for name, body in named.items():
            part = random.choice(parts) if random else parts[0]
            part.setdefault(plural, {})[name] = body
    for key, items in group.entries.items():
        for item in items:
            part = random.choice(parts) if random else parts[0]
            part.setdefault(key, []).append(item)
    for part in parts:
        tenants: list[str] = list(group.tenants)
        if random:
            random.shuffle(tenants)
        yield {"version": 1, **({"tenant": tenants[0]} if len(tenants) == 1 else {"tenants": tenants}), **part}


def loaded(folder: Path, project: str = "shop") -> Configuration:
    """What the real loader makes of a folder that is the whole configuration."""
    return load(without_file(folder), None, [str(folder)], project).configuration
