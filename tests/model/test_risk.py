"""The table of risks: its order and its levels."""

from __future__ import annotations

from reconciler.model.risk import RISKS, Level, level_of


def test_no_risk_stands_below_one_of_a_lower_level() -> None:
    order = [*Level]
    ranks = [order.index(level_of(risk)) for risk in RISKS]
    assert ranks == sorted(ranks)


def test_levels() -> None:
    assert [level.value for level in Level] == ["high", "medium", "low"]
    assert level_of("endpoint-host-changed") is Level.HIGH
    assert {level_of(risk) for risk in ("limit-lowered", "access-narrowed")} == {Level.LOW}


def test_an_unknown_risk_is_medium() -> None:
    assert level_of("made-up") is Level.MEDIUM
