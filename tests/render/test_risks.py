"""Three levels of risk in every format: what is grave stands above what is not, whatever the plan's order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.risk import RISKS, Level, level_of
from reconciler.plan.convert import to_document
from reconciler.render.html.rows import plan_rows
from reconciler.render.markdown import plan_markdown
from reconciler.render.plan_text import plan_text
from reconciler.render.risks import EVIDENT, rank_of, risk_lines
from reconciler.render.style import Style

SHOWN = [risk for risk in RISKS if risk not in EVIDENT]
LEVELS = [*Level]


def _plan(*risks: tuple[str, ...]) -> Plan:
    changes = tuple(
        Change(Address("acme", "connector", f"c{n}"), Action.UPDATE, {"x": 1}, {"x": 2}, risks=tuple(names))
        for n, names in enumerate(risks)
    )
    return Plan("shop", None, None, 1, "sqlite:///x", "current", "0", "0", changes)


def test_a_moved_host_stands_above_a_lowered_limit() -> None:
    plan = _plan(("limit-lowered",), ("statement-changed",), ("endpoint-host-changed", "limit-lowered"))
    text = [*plan_text(plan, Style(False))]
    assert "  # (risks: endpoint-host-changed [high], limit-lowered [low])" in text
    assert text[-4:] == [
        "Risks: 1 high, 1 medium, 1 low.",
        "  high    acme/connector/c2: endpoint-host-changed [high], limit-lowered [low]",
        "  medium  acme/connector/c1: statement-changed [medium]",
        "  low     acme/connector/c0: limit-lowered [low]",
    ]
    comment = plan_markdown(to_document(plan))
    assert comment.index("- high: `acme/connector/c2`") < comment.index("- medium: `acme/connector/c1`")
    assert "- low:" not in comment.partition("<details>")[0], "what is low stays below the fold"
    rows = [head.whole() for head in plan_rows(to_document(plan))]
    assert [(row["n"], row["g"]) for row in rows] == [("c2", "High risk"), ("c1", "Medium risk"), ("c0", "Low risk")]


@settings(derandomize=True, database=None, deadline=None)
@given(st.lists(st.lists(st.sampled_from([*RISKS, "unheard-of"]), max_size=3, unique=True).map(tuple), max_size=40))
def test_no_order_puts_a_lesser_risk_first(risks: list[tuple[str, ...]]) -> None:
    plan = _plan(*risks)
    lines = [line.split()[0] for line in risk_lines(plan.changes)][1:]
    grave = [LEVELS.index(Level(word)) for word in lines if word != "and"]
    assert grave == sorted(grave)
    groups = [
        min((LEVELS.index(level_of(risk)) for risk in head.risks), default=9) for head in plan_rows(to_document(plan))
    ]
    assert groups == sorted(groups)
    assert all(
        LEVELS.index(level_of(one)) <= LEVELS.index(level_of(other))
        for one in SHOWN
        for other in SHOWN
        if rank_of(one) < rank_of(other)
    )


def test_an_unknown_risk_stands_among_those_of_its_level() -> None:
    lines = [*risk_lines(_plan(("limit-lowered",), ("unheard-of",), ("statement-changed",)).changes)]
    assert [line.split()[1] for line in lines[1:]] == [f"acme/connector/c{n}:" for n in (2, 1, 0)]
