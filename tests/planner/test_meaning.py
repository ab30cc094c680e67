"""Stored bodies of any age: upgraded, read by the current model, refused where a newer tool wrote them."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import Refused
from reconciler.kinds import meaning as normal
from reconciler.kinds.table import KINDS
from reconciler.model.body import Body, canonical, digest
from reconciler.model.kind import Kind
from reconciler.planner import compare, needs, references

from .support import CUSTOM, SQL, World, at, body, causes, change, plan, told, wish

A = "connector/a"


def _normal(raw: Any, spec_version: int = 1) -> normal.Normal:
    return normal.normal(World().row(A, raw, spec_version=spec_version).rows[at(A)])


def test_defaults_are_filled_and_sets_sorted() -> None:
    found = _normal({**SQL, "capabilities": ["write", "read"]})
    assert found.valid
    assert found.body == {**body(A, SQL), "capabilities": ["read", "write"]}
    assert found.digest == digest(found.body)


@pytest.mark.parametrize("raw", [[1], "text", 5, True])
def test_what_is_no_map_is_masked_under_an_empty_key(raw: Any) -> None:
    """Nothing says what it is: it may be a secret."""
    found = _normal(raw)
    assert [*found.body] == [""]
    assert re.fullmatch(r"\(not shown: [0-9a-f]{8}\)", found.body[""])
    assert (found.digest, found.valid) == (digest(found.body), False)
    assert found.digest != _normal([2]).digest


def test_what_does_not_parse_stays_as_it_is() -> None:
    assert _normal({"type": "sql"}) == normal.Normal({"type": "sql"}, digest({"type": "sql"}), False)


def test_another_life_is_not_what_was_applied() -> None:
    world = World().ours(A, SQL)
    row, applied = world.rows[at(A)], world.applied[at(A)]
    assert normal.as_applied(row, applied)
    assert not normal.as_applied(replace(row, uid="another"), applied)


def test_the_witness_is_asked_first_and_the_meaning_then() -> None:
    world = World().ours(A, SQL)
    row, applied = world.rows[at(A)], world.applied[at(A)]
    assert normal.as_applied(replace(row, text="not read"), applied)
    assert normal.as_applied(replace(row, witness=None), applied)
    assert normal.as_applied(replace(row, text=canonical(SQL), witness="other"), applied)
    assert not normal.as_applied(replace(row, text=canonical({**SQL, "max_rows": 7}), witness=None), applied)
    unknown = replace(applied, witness=None)
    assert not normal.as_applied(replace(row, text=canonical({**SQL, "max_rows": 7}), witness=None), unknown)


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Kind:
    """A tool whose connectors have spec_version 3: `rows` became `max_rows`, then limits doubled their unit."""

    def first(raw: Body) -> Body:
        renamed = {key: value for key, value in raw.items() if key != "rows"}
        return {**renamed, "max_rows": raw["rows"]}

    def second(raw: Body) -> Body:
        return {**raw, "max_rows": raw["max_rows"] * 2}

    kind = replace(KINDS["connector"], spec_version=3, upgrades={1: first, 2: second})
    table = MappingProxyType({**KINDS, "connector": kind})
    for module in (normal, compare, needs, references):
        monkeypatch.setattr(module, "KINDS", table)
    return kind


class TestUpgrade:
    def test_step_by_step(self, newer: Kind) -> None:
        assert _normal({**SQL, "rows": 5}, 1).body["max_rows"] == 10
        assert _normal({**SQL, "max_rows": 5}, 2).body["max_rows"] == 10
        assert _normal({**SQL, "max_rows": 5}, 3).body["max_rows"] == 5

    def test_an_older_body_that_says_the_same_is_no_change(self, newer: Kind) -> None:
        world = World().ours(A, SQL)
        world.row(A, {**SQL, "rows": 500}, world.rows[at(A)].uid, spec_version=1)
        applied = world.applied[at(A)]
        world.applied[at(A)] = replace(applied, text=world.rows[at(A)].text)
        made = plan(wish({A: SQL}), world)
        assert made.changes == ()
        assert made.outside == ()

    def test_causes_are_judged_after_it(self, newer: Kind) -> None:
        world = World().ours(A, SQL)
        world.row(A, {**SQL, "rows": 7}, world.rows[at(A)].uid, spec_version=1)
        world.applied[at(A)] = replace(world.applied[at(A)], text=World().row(A, {**SQL, "rows": 5}).rows[at(A)].text)
        found = change(plan(wish({A: {**SQL, "max_rows": 10}}), world), A)
        assert {name: cause.value for name, cause in causes(found).items()} == {"max_rows": "outside"}
        assert found.before is not None
        assert found.before["max_rows"] == 14

    @pytest.mark.parametrize("raw", [{}, {**SQL, "rows": None}, {"rows": [1]}, SQL])
    def test_a_step_that_fails_on_what_somebody_wrote_is_no_crash(self, newer: Kind, raw: Any) -> None:
        world = World().ours(A, SQL).row("connector/b", raw, spec_version=1)
        world.row(A, raw, world.rows[at(A)].uid, spec_version=1)
        world.applied[at(A)] = replace(world.applied[at(A)], spec_version=3)
        found = change(plan(wish({A: SQL}), world), A)
        assert found.reason == "live-invalid"

    @pytest.mark.parametrize("version", [0, -5])
    def test_versions_that_nobody_ever_wrote(self, version: int) -> None:
        world = World().ours(A, CUSTOM)
        world.row(A, body(A, CUSTOM), world.rows[at(A)].uid, spec_version=version)
        assert plan(wish({A: CUSTOM}), world).changes == ()


class TestNewer:
    def test_a_row_with_a_newer_spec_version(self) -> None:
        world = World().ours(A, CUSTOM)
        world.row(A, CUSTOM, world.rows[at(A)].uid, spec_version=2)
        for wanted in ({A: CUSTOM}, {A: {**CUSTOM, "description": "x"}}, {}):
            with pytest.raises(Refused) as caught:
                plan(wish(wanted), world)
            assert {p.code for p in caught.value.problems} == {"newer-spec-version"}
            assert "acme/connector/a" in str(caught.value)

    def test_all_of_them_at_once(self) -> None:
        world = World().ours(A, CUSTOM).ours("connector/b", CUSTOM)
        for entry in (A, "connector/b"):
            world.row(entry, CUSTOM, world.rows[at(entry)].uid, spec_version=2)
        with pytest.raises(Refused) as caught:
            plan(wish({A: CUSTOM, "connector/b": CUSTOM}), world)
        assert len(caught.value.problems) == 2

    def test_what_was_applied_by_a_newer_tool(self) -> None:
        world = World().ours(A, CUSTOM).edit(A)
        world.applied[at(A)] = replace(world.applied[at(A)], spec_version=2)
        with pytest.raises(Refused):
            plan(wish({A: CUSTOM}), world)

    def test_a_kind_of_a_newer_tool(self) -> None:
        """Ours, and nothing that this tool knows how to delete."""
        world = World().ours(A, CUSTOM)
        known = world.applied.pop(at(A))
        row = world.rows.pop(at(A))
        agent = at("agent/a")
        world.applied[agent] = replace(known, address=agent)
        world.rows[agent] = replace(row, address=agent)
        with pytest.raises(Refused) as caught:
            plan(wish({}), world)
        assert [p.code for p in caught.value.problems] == ["newer-kind"]

    def test_rows_of_others_do_not_matter(self) -> None:
        """A row of an unknown kind, or of a newer version, that nothing here is about."""
        world = World().row("agent/a", CUSTOM).row("connector/b", CUSTOM, spec_version=9).ours(A, CUSTOM)
        assert told(plan(wish({}), world)) == {A: "delete"}
