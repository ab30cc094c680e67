"""A guardrail looks at the values of templates and at what comes back, by the rule that models obey; evidence has names and counts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.runtime.call import Answer
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db
from tests.runtime.worlds import BOT, WORLD, World, in_world

CARD = "4111 1111 1111 1111"
TOP = Ask("template/top")
ROWS = [
    {"name": "Ann", "card": CARD, "number": 4111111111111111, "n": 12, "none": None, "deep": [{"iban": f"x {CARD}"}]}
]


def guarded(action: str = "redact", **more: Any) -> dict[str, Any]:
    rail = {
        "targets": {"names": ["template/t*"]},
        "phases": ["input", "output"],
        "check": {"type": "pattern", "builtin": ["credit_card"]},
        "action": action,
        **more,
    }
    return {**WORLD, "guardrails": {"no-cards": rail}}


def answers(w: World, content: Any = ROWS) -> None:
    w.outside.does = lambda call: Answer(content, 1, 100)


async def ask(w: World, region: str = "north") -> Any:
    return (await w.mediator.access(BOT, TOP, {"region": region})).answer.content


async def refused(w: World, region: str = "north") -> Refusal:
    with pytest.raises(Refusal) as raised:
        await ask(w, region)
    return raised.value


def test_rows_are_redacted(db: Db, tmp_path: Path) -> None:
    async def work(w: World) -> None:
        answers(w)
        (row,) = await ask(w, f"n {CARD}"[:20])
        assert row == {
            "name": "Ann",
            "card": "[credit_card]",
            "number": "[credit_card]",
            "n": 12,
            "none": None,
            "deep": [{"iban": "x [credit_card]"}],
        }
        (found,) = await w.evidence()
        assert (found["outcome"], found["code"]) == ("success", "content-found no-cards=3")
        assert CARD not in str(found)
        assert CARD.replace(" ", "") not in str(found)

    in_world(db, tmp_path, work, guarded())


def test_values_are_redacted_before_they_go_out(db: Db, tmp_path: Path) -> None:
    async def work(w: World) -> None:
        await ask(w, CARD)
        assert w.outside.seen[0].values["region"] == "[credit_card]"

    in_world(db, tmp_path, work, guarded())


def test_a_blocked_value_reaches_nobody(db: Db, tmp_path: Path) -> None:
    async def work(w: World) -> None:
        refusal = await refused(w, CARD)
        assert (refusal.code, refusal.outcome, refusal.detail) == ("content-blocked", "blocked", "")
        assert w.outside.seen == []
        (found,) = await w.evidence()
        assert (found["decision"], found["reason"], found["detail"]) == ("deny", "content-blocked", "no-cards")
        assert CARD not in str(found)
        assert CARD.replace(" ", "") not in str(found)

    in_world(db, tmp_path, work, guarded("block"))


def test_a_blocked_result_was_done_and_goes_to_nobody(db: Db, tmp_path: Path) -> None:
    async def work(w: World) -> None:
        answers(w)
        refusal = await refused(w)
        assert (refusal.code, refusal.outcome) == ("content-blocked", "success")
        (found,) = await w.evidence()
        assert (found["outcome"], found["code"]) == ("success", "content-blocked no-cards=1")

    in_world(db, tmp_path, work, guarded("block"))


def test_a_warning_changes_nothing(db: Db, tmp_path: Path) -> None:
    async def work(w: World) -> None:
        answers(w)
        assert await ask(w) == ROWS
        assert (await w.evidence())[0]["code"] == "content-found no-cards=3"

    in_world(db, tmp_path, work, guarded("warn"))


@pytest.mark.parametrize("more", [{"phases": ["input"]}, {"targets": {"names": ["template/add"]}}, {"enabled": False}])
def test_elsewhere_it_looks_at_nothing(db: Db, tmp_path: Path, more: dict[str, Any]) -> None:
    async def work(w: World) -> None:
        answers(w)
        assert await ask(w) == ROWS
        assert (await w.evidence())[0]["code"] == ""

    in_world(db, tmp_path, work, guarded(**more))


def test_what_stands_behind_a_template_counts(db: Db, tmp_path: Path) -> None:
    async def work(w: World) -> None:
        answers(w)
        assert (await ask(w))[0]["card"] == "[credit_card]"

    in_world(db, tmp_path, work, guarded(targets={"names": ["connector/*"]}))


def test_a_large_result_is_redacted_too(db: Db, tmp_path: Path) -> None:
    async def work(w: World) -> None:
        w.outside.does = lambda call: Answer(ROWS * 2000, 2000, 10_000_000)
        found = await ask(w)
        assert all(one["card"] == "[credit_card]" for one in found)
        assert (await w.evidence())[0]["code"] == "content-found no-cards=20+"

    in_world(db, tmp_path, work, guarded())


def test_a_size_is_bounded(db: Db, tmp_path: Path) -> None:
    async def work(w: World) -> None:
        answers(w)
        assert (await refused(w)).code == "content-blocked"
        answers(w, [{"name": "Ann"}])
        assert await ask(w) == [{"name": "Ann"}]

    in_world(db, tmp_path, work, guarded("block", check={"type": "size", "max_bytes": 100}))


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM resources WHERE kind = 'guardrail'", "UPDATE resources SET spec = '{}' WHERE kind = 'guardrail'"],
)
def test_a_hand_takes_no_guardrail_away(db: Db, tmp_path: Path, change: str) -> None:
    """What was applied counts until an apply takes it back; one that nobody can read refuses."""

    async def work(w: World) -> None:
        answers(w)
        assert (await ask(w))[0]["card"] == "[credit_card]"
        await asyncio.to_thread(db.sql, change)
        await w.look()
        if "DELETE" in change:
            assert (await ask(w))[0]["card"] == "[credit_card]"
        else:
            assert (await refused(w)).code == "content-blocked"

    in_world(db, tmp_path, work, guarded())
