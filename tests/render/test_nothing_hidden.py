"""Two different bodies never look equal, whoever shows them and however they differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.diff.fields import differences
from reconciler.diff.visible import visible, visible_line, visible_value
from reconciler.model.address import Address
from reconciler.model.characters import is_hidden
from reconciler.model.drift import Drift
from reconciler.model.plan import Action, Cause, Change, FieldChange, OutsideChange, Plan, Touch
from reconciler.plan.convert import to_document
from reconciler.plan.indented import indented
from reconciler.render.drift_text import drift_json, drift_text
from reconciler.render.html.rows import plan_rows
from reconciler.render.html.text import visible_row
from reconciler.render.markdown import drift_markdown, plan_markdown
from reconciler.render.plan_text import plan_text
from reconciler.render.sentence import one_line
from reconciler.render.style import Style
from tests.render.unseen import BODY, TEXT, VALUE, near, seen

ADDRESS = Address("acme", "template", "top")
OFTEN = settings(max_examples=120, deadline=None, derandomize=True, database=None)
PAIRS = VALUE.flatmap(lambda value: st.tuples(st.just(value), VALUE | near(value)))


def _plan(change: Change) -> Plan:
    return Plan("shop", None, None, 1, "sqlite:///x", "current", "0", "0", (change,))


def _text(plan: Plan) -> str:
    return "\n".join(plan_text(plan, Style(False)))


def _narrow(plan: Plan) -> str:
    style = Style(False, 40, whole=True)
    return "\n".join(part for line in plan_text(plan, style) for part in style.lines(line))


def _markdown(plan: Plan) -> str:
    return plan_markdown(to_document(plan))


def _html(plan: Plan) -> str:
    """The data of the page as the script writes it: a text of several lines is a list of lines."""
    rows = [visible_row(head.whole()) for head in plan_rows(to_document(plan))]
    return json.dumps(rows, ensure_ascii=False)


def _json(plan: Plan) -> str:
    document = to_document(plan)["resource_changes"]
    assert json.loads(b"".join(indented(plan)))["resource_changes"] == document
    return json.dumps(document, sort_keys=True)


SHOWN: dict[str, Callable[[Plan], str]] = {
    "text": _text, "narrow": _narrow, "markdown": _markdown, "html": _html, "json": _json,
}  # fmt: skip


def _same(one: Any, other: Any) -> bool:
    return not [*differences({"": one}, {"": other})]


@pytest.mark.parametrize("name", SHOWN)
@OFTEN
@given(st.one_of(st.tuples(BODY, BODY), PAIRS.map(lambda pair: ({"x": pair[0]}, {"x": pair[1]}))))
def test_two_bodies_that_are_created(name: str, bodies: tuple[Any, Any]) -> None:
    one, other = bodies
    assume(json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    shown = [SHOWN[name](_plan(Change(ADDRESS, Action.CREATE, None, body))) for body in bodies]
    assert shown[0] != shown[1]


@pytest.mark.parametrize("name", SHOWN)
@OFTEN
@given(VALUE.flatmap(lambda value: st.tuples(st.just(value), VALUE | near(value), VALUE | near(value))))
def test_two_bodies_that_one_may_become(name: str, values: tuple[Any, Any, Any]) -> None:
    before, one, other = values
    assume(not _same(one, other) and not _same(before, one) and not _same(before, other))
    shown = []
    for after in (one, other):
        fields = tuple(FieldChange(*found, Cause.CONFIGURATION) for found in differences({"x": before}, {"x": after}))
        shown.append(SHOWN[name](_plan(Change(ADDRESS, Action.UPDATE, {"x": before}, {"x": after}, fields))))
    assert shown[0] != shown[1]


ALIKE = {
    "blank at the end": ("two", "two "), "tab at the end": ("two", "two\t"), "tab": ("\ttwo", "    two"), "carriage return": ("two", "two\r"),
    "separator": ("two\u2028x", "two x"), "next line": ("two\x85x", "two x"), "feed": ("a\fb", "a b"), "no-break": ("a\xa0b", "a b"),
    "wide space": ("a\u3000b", "a b"), "zero width": ("a\u200bb", "ab"), "direction": ("a\u202eb", "ab"), "joiner": ("a\u2060b", "ab"),
    "decomposed": ("\xe9", "e\u0301"), "Korean": ("\ud55c", "\u1112\u1161\u11ab"), "sign": ("\u212b", "\xc5"), "marks": ("a\u0323\u0301", "a\u0301\u0323"),
    "ligature": ("\ufb01nd", "find"), "full width": ("\uff21", "A"), "Cyrillic": ("\u0430dmin", "admin"), "Greek": ("\u039f", "O"),
    "number": ("\\u200b", "\u200b"), "mark for a tab": ("\u21e5x", "\tx"), "mark for a blank": ("x\xb7", "x "), "filler": ("a\u3164b", "ab"),
    "variant": ("a\ufe0f", "a"), "tag": ("a\U000e0041", "a"), "type": ("1", 1), "truth": ("true", True), "nothing": ("null", None),
    "blanks": ("a  b", "a b"),
}  # fmt: skip
SHAPES: dict[str, Callable[[Any], Any]] = {
    "value": lambda it: {"x": it},
    "line": lambda it: {"x": f"one\n{it if isinstance(it, str) else json.dumps(it) + ' '}\nthree"},
    "last line": lambda it: {"x": f"one\n{it if isinstance(it, str) else json.dumps(it) + ' '}"},
    "short list": lambda it: {"x": [it]},
    "long list": lambda it: {"x": ["a", "b", "c", "d", it, "e" * 90]},
    "in a map": lambda it: {"x": {"m": it}},
    "in a list of maps": lambda it: {"x": [{"m": it, "n": "e" * 90}]},
    "key": lambda it: {"x": {it if isinstance(it, str) else "y": "z"}},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sort", ALIKE)
def test_what_looks_alike_looks_different(sort: str, shape: str) -> None:
    """Not only the characters that are written differ: what is left of them for the eye does."""
    for before, after in (map(SHAPES[shape], ALIKE[sort]), map(SHAPES[shape], reversed(ALIKE[sort]))):
        fields = tuple(FieldChange(*found, Cause.CONFIGURATION) for found in differences(before, after))
        plan = _plan(Change(ADDRESS, Action.UPDATE, before, after, fields))
        for shown in (_text(plan), _markdown(plan)):
            went, came = _sides(shown)
            assert went != came, shown
        went, came = _html_sides(plan)
        assert went != came


def _sides(shown: str) -> tuple[list[str], list[str]]:
    """What the eye gets of the lines of a diff, of what goes and of what comes."""
    sides: dict[str, list[str]] = {"-": [], "+": []}
    for line in shown.split("\n"):
        sign, text = line.strip(" ")[:1], line.strip(" ")[1:]
        if sign == "~":
            sides["-"].append(seen(text.partition(" = ")[2].partition(" -> ")[0]))
            sides["+"].append(seen(text.partition(" -> ")[2]))
        elif sign in sides and not text.startswith("/+"):
            sides[sign].append(seen(text.removesuffix(" -> null")))
    return sides["-"], sides["+"]


def _html_sides(plan: Plan) -> tuple[list[str], list[str]]:
    went: list[str] = []
    came: list[str] = []
    for field in plan_rows(to_document(plan))[0].whole()["f"]:
        for part in field["d"]:
            for row in part["r"]:
                name = seen(f"{field['f']} {part['p']} ")
                if row[0] in (1, 2):
                    went.append(name + seen("".join(row[2])))
                if row[0] in (1, 3):
                    came.append(name + seen("".join(row[-1])))
    return went, came


@OFTEN
@given(TEXT.flatmap(lambda text: st.tuples(st.just(text), near(text))))
def test_each_text_has_a_form_of_its_own_in_which_all_is_seen(texts: tuple[str, str]) -> None:
    one, other = texts
    for show in (visible, visible_line, visible_value):
        a, b = (show(text.replace("\n", " ") if show is visible_line else text) for text in texts)
        assert (a == b) is (
            one == other or (show is visible_line and one.replace("\n", " ") == other.replace("\n", " "))
        )
        assert not any(map(is_hidden, a))
    assert not any(map(is_hidden, one_line(one)))


@OFTEN
@given(PAIRS)
def test_drift(values: tuple[Any, Any]) -> None:
    one, other = values
    assume(not _same(one, other) and not _same(one, 7) and not _same(other, 7))
    shown: list[list[str]] = [[], [], []]
    for value in values:
        field = FieldChange(("x",), "change", 7, value, Cause.OUTSIDE)
        findings = (
            OutsideChange(ADDRESS, "changed", {"x": 7}, {"x": value}, (field,), Touch()),
            OutsideChange(ADDRESS, "created", None, {"x": value}, (), Touch()),
        )
        for number, finding in enumerate(findings):
            drift = Drift("shop", None, 1, (finding,), 0)
            shown[number].append("\n".join(drift_text(drift, Style(False))))
            shown[2].append(drift_markdown(drift_json(drift)))
    for texts in (shown[0], shown[1], shown[2][::2], shown[2][1::2]):
        assert texts[0] != texts[1]


def test_a_cut_keeps_what_differs() -> None:
    """A comment holds four hundred lines of a change: those that differ, and not the first ones."""
    lines = [f"line {number}" for number in range(2000)]
    before, after = "\n".join(lines), "\n".join([*lines[:1500], "OR 1 = 1", *lines[1500:]])
    field = FieldChange(("sql",), "change", before, after, Cause.CONFIGURATION)
    shown = _markdown(_plan(Change(ADDRESS, Action.UPDATE, {"sql": before}, {"sql": after}, (field,))))
    assert "+   OR 1 = 1" in shown
    assert "1497 lines stay as they are" in shown
    assert len(shown) < 2000


def test_what_a_cut_leaves_out_has_a_digest() -> None:
    """Two bodies, and two findings of drift, that differ behind the last line of a comment."""
    bodies = [{"sql": "\n".join([*map(str, range(500)), last])} for last in ("-- one", "-- two")]
    shown = [_markdown(_plan(Change(ADDRESS, Action.CREATE, None, body))) for body in bodies]
    assert shown[0] != shown[1]
    found = [OutsideChange(ADDRESS, "created", None, body, (), Touch()) for body in bodies]
    drifts = [drift_markdown(drift_json(Drift("shop", None, 1, (one,), 0))) for one in found]
    assert drifts[0] != drifts[1]


def test_the_example_of_the_issue() -> None:
    """The WHERE becomes a part of the comment, and both lines looked as before."""
    before, after = "SELECT * FROM n -- public\nWHERE public = 1\n", "SELECT * FROM n -- public\u2028WHERE public = 1\n"
    field = FieldChange(("description",), "change", before, after, Cause.CONFIGURATION)
    plan = _plan(Change(ADDRESS, Action.UPDATE, {}, {}, (field,)))
    for shown in (_text(plan), _markdown(plan), _html(plan)):
        assert "\\u2028WHERE" in shown
