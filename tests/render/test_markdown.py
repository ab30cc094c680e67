"""Markdown for reviews: what a CommonMark parser makes of it, hostile text, and the budget."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec.structs import replace

from reconciler.errors import Place
from reconciler.model.address import Address
from reconciler.model.plan import Action, Blocker, Cause, Change, FieldChange, OutsideChange, Plan, Touch
from reconciler.plan.convert import to_document
from reconciler.render.markdown import drift_markdown, plan_markdown
from tests.plan.plans import PLANS

GOLDEN = Path(__file__).parent / "golden"
TOUCH = Touch("eve", "2026-03-01T02:00:00Z")
OURS = re.compile(
    r"<!-- reconciler plan [a-z0-9 -]+ -->|</?details>|<summary>(<code>(\+|~|-|-/\+|=&gt;|&lt;=|\.)</code> )?[a-z0-9/ -]+</summary>"
)
SQL = "SELECT c.name\nFROM customers c\nWHERE c.region = :region"


def plan(*changes: Change, **more: Any) -> Plan:
    known: dict[str, Any] = {
        "project": "shop", "environment": "prod", "lineage": None, "generation": 4, "database": "postgresql://db/shop",
        "database_state": "current", "configuration": "c", "tool_version": "1.0", "changes": changes,
    }  # fmt: skip
    return Plan(**{**known, **more})


def update(address: str, *fields: FieldChange, **more: Any) -> Change:
    body = {field.path[0]: field.before for field in fields}
    after = {field.path[0]: field.after for field in fields}
    return Change(Address.parse(address), Action.UPDATE, body, after, fields=fields, unchanged=3, **more)


def field(name: str, before: Any, after: Any, cause: Cause = Cause.CONFIGURATION) -> FieldChange:
    return FieldChange((name,), "change", before, after, cause)


EXAMPLE = plan(
    Change(Address("acme", "limit", "day"), Action.CREATE, None, {"target": "tenant", "per": "day", "requests": 5}),
    update("acme/template/top", field("sql", SQL, SQL.replace("region", "country")), source=Place("a.yaml", 7, 3)),
    update("acme/limit/month", field("cost_usd", "100", "200", Cause.BOTH), outside=TOUCH, risks=("overwrites-outside", "limit-raised")),
    Change(Address("globex", "connector", "old"), Action.DELETE, {"type": "custom", "config": {"n": 1}}, None, risks=("deletes",)),
    Change(Address("globex", "connector", "new"), Action.MOVE, {}, {}, previous=Address("globex", "connector", "was")),
    blockers=(Blocker("protected", "globex/connector/old is protected", "set `protected: false` first"),),
    outside=(OutsideChange(Address("acme", "limit", "month"), "changed", {}, {}, (), TOUCH),),
    notes=("the configuration would undo a rollback",),
)  # fmt: skip


def tokens(text: str) -> list[Token]:
    """Every token, inline ones too."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        found += [token, *(token.children or ())]
    return found


def harmless(text: str) -> None:
    """Nothing but our own HTML, no link, no image, and no mention outside of code."""
    for token in tokens(text):
        if token.type in {"html_block", "html_inline"}:
            for line in token.content.strip().splitlines():
                assert OURS.fullmatch(line.strip()) or OURS.fullmatch(token.content.strip()), token.content
        assert token.type not in {"link_open", "image"}, token
        if token.type == "text":
            assert "@" not in token.content
            assert "http" not in token.content
    html = "".join(token.content for token in tokens(text) if token.type == "html_block")
    assert html.count("<details>") == html.count("</details>") or "cut here" in text


def test_golden(request: pytest.FixtureRequest) -> None:
    path = GOLDEN / "plan.md"
    text = plan_markdown(to_document(EXAMPLE))
    assert path.read_text() == text, "look at it, and write the new one if it is right"
    harmless(text)


def test_nothing_to_do() -> None:
    text = plan_markdown(to_document(plan()))
    assert "### Plan for `shop` in `prod`: no changes" in text
    assert "|" not in text


def test_what_is_risky_stands_first_and_open() -> None:
    text = plan_markdown(to_document(EXAMPLE))
    fold = text.index("<details>")
    assert text.index("`globex/connector/old` will be destroyed: **deletes**") < fold
    assert text.index("An apply would be refused") < fold
    order = [
        text.index(f"</code> {address} ") for address in ("globex/connector/old", "acme/limit/month", "acme/limit/day")
    ]
    assert order == sorted(order)


HOSTILE = [
    "```\n# not a title\n```", "````` x `````", "`", "<script>alert(1)</script>", "</summary></details><img src=x onerror=alert(1)>",
    "@everyone https://evil.example [x](https://evil.example) ![x](https://evil.example/x.png)", "::set-output name=x::y",
    "\x1b[31mred\x1b[0m", "\u202eabc\u202c", "| a | b |\n| --- | --- |", "\u2028# line", "-->", "a\r\nb", "~~~~\nx", "    code",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    changes = (
        Change(Address("acme", "limit", "a"), Action.CREATE, None, {"description": text, text: {text: text}}),
        update("acme/limit/b", field("sql", f"SELECT 1\n{text}", f"{text}\nSELECT 2"), field("description", text, text + "x"), outside=Touch(text, text), source=Place(text, 1, 1), adopted_from=text, risks=(text,)),
    )  # fmt: skip
    hostile = plan(
        *changes, project=text, environment=text, database=text, notes=(text,), blockers=(Blocker("x", text, text),),
        outside=(OutsideChange(Address("acme", "limit", "a"), "changed", {}, {}, (), Touch(text, text)),),
    )  # fmt: skip
    shown = plan_markdown(to_document(hostile))
    harmless(shown)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len([t for t in tokens(shown) if t.type == "fence"]) == 2
    assert len([t for t in tokens(shown) if t.type == "heading_open"]) == 1
    finding = {"address": "acme/limit/a", "finding": "changed", "by": text, "at": text, "fields": [
        {"path": [text], "field": text, "op": "change", "before": text, "after": f"{text}\n{text}"}]}  # fmt: skip
    harmless(drift_markdown({"project": text, "environment": text, "clean": 0, "findings": [finding]}))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(PLANS)
def test_any_plan(made: Plan) -> None:
    text = plan_markdown(to_document(made), 20_000)
    assert len(text) <= 20_000
    harmless(text)


@pytest.mark.parametrize("budget", [2_000, 10_000, 65_000])
def test_five_thousand_changes_fit_the_budget(budget: int) -> None:
    body = {"target": "tenant", "per": "day", "requests": 5, "description": "x" * 200}
    many = [Change(Address(f"t{n % 60}", "limit", f"n{n}"), Action.CREATE, None, body) for n in range(5000)]
    many[4321] = replace(many[4321], action=Action.DELETE, old=body, new=None, risks=("deletes",))
    text = plan_markdown(to_document(plan(*many)), budget)
    assert len(text) <= budget
    if budget > 2_000:
        harmless(text)
        assert "`t1/limit/n4321` will be destroyed: **deletes**" in text
        assert "</code> t1/limit/n4321 will be destroyed" in text, "the risky one is shown whole"
        left = re.search(r"\*\*(\d+) more changes\*\* did not fit", text)
        assert left is not None
        assert int(left[1]) + text.count("<details>") == 5000


def test_a_statement_of_thousands_of_lines_is_cut() -> None:
    sql = "\n".join(f"line {n}" for n in range(5000))
    text = plan_markdown(to_document(plan(update("acme/template/a", field("sql", "x\ny", sql)))))
    assert "more lines" in text
    assert len(text) < 20_000
