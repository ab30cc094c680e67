"""Every field declares its risks and its privacy; what is declared is what a change is judged by, and guards refuse it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from reconciler.guards.check import Allowances, Facts, refusals
from reconciler.kinds.access_test import Tests
from reconciler.kinds.facts import heals, may_start
from reconciler.kinds.parse import parse
from reconciler.kinds.schema import Shape, fields_of, member_of, shown
from reconciler.kinds.table import KINDS
from reconciler.lint.rule import RuleFile
from reconciler.load.project_file import ProjectFile
from reconciler.load.serve_file import ServeFile
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, drop, get, put
from reconciler.model.configuration import Guards
from reconciler.model.plan import Action, Change
from reconciler.model.risk import ABSENT, BY_ACCESS, differs
from reconciler.model.secret_ref import looks_secret
from reconciler.model.spec import Part, Spec
from reconciler.planner.risks import risks_of

from . import full

Path = tuple[str, ...]
TRIES = 16
ALONE_IMPOSSIBLE = {
    ("connector", "mcp"): {("definition", risk) for risk in ("access-widened", "hidden-text", "value-in-header")},
    ("connector", "serverless"): {("provider", "endpoint-host-changed")},
    ("template", "sql"): {("parameters", "access-widened")},
    ("template", "vector"): {("operation", "statement-changed"), ("embed", "statement-changed")},
    ("template", "file"): {("items", "statement-changed"), ("separator", "statement-changed")},
}
"""A change of one needs another one: the other provider or operation needs other fields, another parameter another statement, a file's path
takes no array, and another definition another pin (tests/kinds/test_mcp_widening.py)."""
NEVER = {("template", "message"): {"action"}, ("template", "function"): {"action"}}
"""Fields of every template that some types refuse: what they do is never called a search."""
VARIANTS = [(kind.name, variant, model) for kind in KINDS.values() for variant, model in kind.variants.items()]


def places(part: type[Any], path: Path = (), within: tuple[type[Any], ...] = ()) -> Iterator[tuple[Path, Shape]]:
    """Every field of a model and of the parts inside of it, once with each place; a part inside of itself once."""
    for name, shape in fields_of(part).items() if part not in within else ():
        yield (*path, name), shape
        yield from _inside(shape, (*path, name), (*within, part))


def _inside(shape: Shape, path: Path, within: tuple[type[Any], ...]) -> Iterator[tuple[Path, Shape]]:
    if shape.part is not None:
        yield from places(shape.part, path, within)
    for tag, member in shape.members.items():
        yield from _inside(member, (*path, f"<{tag}>"), within)
    for inner in (*shape.either, shape.values, shape.items):
        if inner is not None:
            yield from _inside(inner, (*path, "*"), within)


def speaks_by_its_fields(shape: Shape) -> bool:
    """A map with fields that is always there, or several of them."""
    return not shape.optional and (
        shape.part is not None or (bool(shape.members) and all(one.part for one in shape.members.values()))
    )


def undeclared(part: type[Any]) -> list[Path]:
    """The fields that say neither what a change of them risks nor why it risks nothing, or both."""
    return [
        path
        for path, shape in places(part)
        if bool(shape.risks or shape.together) == bool(shape.harmless)
        and not (speaks_by_its_fields(shape) and not shape.harmless)
    ]


def unstated(part: type[Any]) -> list[Path]:
    """The fields of which nobody knows whether they may be shown."""
    return [path for path, shape in places(part) if not _stated(shape, shape.public)] + [
        path for path, shape in places(part) if looks_secret(path[-1]) and _is_text(shape) and not shape.private
    ]


def _is_text(shape: Shape) -> bool:
    return not (shape.part or shape.members or shape.values or shape.items or shape.either or shape.choices)


def _stated(shape: Shape, public: bool) -> bool:
    inner = [*shape.either, *(one for one in (shape.values, shape.items) if one is not None)]
    public = public or shape.public
    return (not shape.free or public or shape.private) and all(_stated(one, public) for one in inner)


@pytest.mark.parametrize(("kind", "variant", "model"), VARIANTS)
def test_every_field_declares_its_risk_and_its_privacy(kind: str, variant: str, model: type[Spec]) -> None:
    assert undeclared(model) == []
    assert unstated(model) == []


@pytest.mark.parametrize("model", [ProjectFile, ServeFile, RuleFile, Tests])
def test_settings_state_their_privacy_too(model: type[BaseModel]) -> None:
    """Excerpts show lines of these files as well."""
    assert unstated(model) == []


def test_a_field_that_declares_nothing_is_found() -> None:
    class Inner(Part):
        mute: int

    class Outer(Part):
        inner: Inner
        by_name: dict[str, Inner]
        text: str = ""

    assert undeclared(Outer) == [("inner", "mute"), ("by_name",), ("by_name", "*", "mute"), ("text",)]
    assert unstated(Outer) == [("text",)]
    assert not shown((Outer,), {"text": "a"}, ("text",))


@pytest.mark.parametrize(("kind", "variant", "model"), VARIANTS)
def test_whatever_takes_anything_has_a_risk_for_any_difference(kind: str, variant: str, model: type[Spec]) -> None:
    for path, shape in places(model):
        if (shape.free or shape.is_open) and shape.private and not shape.harmless:
            assert any(risk.by is differs for risk in shape.risks), path


@pytest.mark.parametrize(("kind", "variant", "model"), VARIANTS)
def test_the_bodies_of_these_tests_have_every_field(kind: str, variant: str, model: type[Spec]) -> None:
    bodies = [normal(kind, body) for body in full.bodies(kind, variant)]
    assert None not in bodies
    for name in fields_of(model).keys() - NEVER.get((kind, variant), set()):
        assert any(body and name in body for body in bodies), name


def normal(kind: str, raw: Body) -> Body | None:
    spec = parse(KINDS[kind], raw, Address("acme", kind, "x"))
    return spec.normalised() if isinstance(spec, Spec) else None


def found(kind: str, before: Body, after: Body) -> set[str]:
    return {*risks_of(Change(Address("acme", kind, "x"), Action.UPDATE, before, after))}


def refused(risks: set[str], name: str) -> bool:
    facts = Facts(0, 1, 1, risks=dict.fromkeys(risks, Address("acme", "connector", "x")))
    return any(blocker.code == "risk" for blocker in refusals(facts, Guards(refuse=frozenset({name})), Allowances()))


class Target(NamedTuple):
    """A place in a raw body that may get another value."""

    path: Path
    shape: Shape
    another: Callable[[], Any]


def targets(model: type[BaseModel], body: Any, random: full.Values, path: Path = ()) -> Iterator[Target]:
    """Every field of a body, those that it leaves out too, and every field inside of one that it has."""
    for name, info in ((info.alias or name, info) for name, info in model.model_fields.items()):
        shape, value = fields_of(model)[name], body.get(name)
        yield Target((*path, name), shape, partial(random.of_field, info))
        yield from _targets_inside(shape, value, random, (*path, name))


def _targets_inside(shape: Shape, value: Any, random: full.Values, path: Path) -> Iterator[Target]:
    shape = member_of(shape, value)
    if shape.part is not None and isinstance(value, dict):
        yield from targets(shape.part, value, random, path)
    elif shape.values is not None and isinstance(value, dict):
        for key, item in value.items():
            yield from _targets_inside(shape.values, item, random, (*path, key))


def changed(raw: Body, path: Path, value: Any) -> Body:
    """The body with the value, or without the field where there is none."""
    body: Body = drop(raw, path) if value is None else put(raw, path, value)
    return body


@pytest.mark.parametrize(("kind", "variant", "model"), VARIANTS)
def test_a_change_of_one_field_has_the_risks_that_it_declares(kind: str, variant: str, model: type[Spec]) -> None:
    random = full.Values(Random(f"{kind} {variant}"))
    possible = {name for _, one in places(model) for name in (*(risk.name for risk in one.risks), *one.together)}
    declared, raised = set[tuple[str, str]](), set[tuple[str, str]]()
    for raw in full.bodies(kind, variant):
        before = normal(kind, raw)
        assert before is not None
        for path, shape, another in targets(model, raw, random):
            if len(shape.choices) == 1:
                continue  # it decides which fields there are, and never changes alone
            # what is found by comparing access shows in no single body: tests/access/test_effects.py
            names = {*(risk.name for risk in shape.risks), *({*shape.together} - {*BY_ACCESS.names})}
            declared.update((path[-1], name) for name in names)
            for _ in range(TRIES):
                after = normal(kind, changed(raw, path, another()))
                if after is None or canonical(after) == canonical(before):
                    continue
                there, back = found(kind, before, after), found(kind, after, before)
                judge(path, shape, before, after, there)
                judge(path, shape, after, before, back)
                assert there | back <= possible
                raised.update((path[-1], name) for name in names & (there | back))
    missing = declared - raised  # some of those that need another change are found by chance
    assert missing <= ALONE_IMPOSSIBLE.get((kind, variant), set()), "no valid value has this risk"


def judge(path: Path, shape: Shape, before: Body, after: Body, risks: set[str]) -> None:
    """What one field declares for its values is a risk of the change, and a guard against it refuses the apply."""
    values = [get(body, path, ABSENT) for body in (before, after)]
    for risk in shape.risks:
        if risk.by is differs or risk.by(*values):
            assert risk.name in risks, (path, values)
            assert refused(risks, risk.name)
    if not risks:
        assert all(risk.by is not differs for risk in shape.risks)


def test_health_reaches_below_a_field() -> None:
    assert heals(KINDS["connector"], ("auth", "token_url"))
    assert heals(KINDS["connector"], ("env", "NODE_OPTIONS", "plain"))
    assert heals(KINDS["integration"], ("config", "region"))
    assert not heals(KINDS["connector"], ("max_rows",))
    assert not heals(KINDS["datasource"], ("tables",))


def test_whatever_starts_a_program_says_so_at_a_field_of_its_own() -> None:
    """`may_start` looks at fields without reading what they are made of."""
    for kind in KINDS.values():
        for name, variant in kind.variants.items():
            risks = {risk.name for shape in fields_of(variant).values() for risk in shape.risks}
            body = canonical({kind.discriminator: name} if kind.discriminator else {})
            assert may_start(kind.name, body) == ("command-changed" in risks), (kind.name, name)
