"""The judge of faults accepts a true sentence and no other."""

from __future__ import annotations

import pytest

from tests.faults.judge import Ended, Truth, judge

ID = "0b9f5d1e-6c1f-4a57-9d3a-111111111111"
NOT = "Interrupted; nothing was written."
WRITTEN = f"Interrupted; it was written before that: apply {ID}, generation 7."
UNKNOWN = f"Error: whether this was written is not known: apply {ID}: look it up with `reconciler audit show {ID}`."
TRACE = "Traceback (most recent call last):\n" + NOT
PYTHONS = 'Traceback (most recent call last):\n  File "<frozen abc>", line 92, in <module>\nKeyboardInterrupt\n'
"""Python's own, of an interrupt before it had read a line of ours."""
OURS = 'Traceback (most recent call last):\n  File "/x/reconciler/__main__.py", line 9, in main\nKeyboardInterrupt\n'


@pytest.mark.parametrize(
    ("code", "words", "found", "wrong"),
    [
        (130, NOT, 0, []),
        (130, NOT, 1, ["FALSE"]),
        (130, NOT, 2, ["FALSE"]),
        (130, WRITTEN, 2, []),
        (130, WRITTEN, 1, []),
        (130, WRITTEN, 0, ["FALSE"]),
        (0, "", 2, []),
        (0, "", 1, ["FALSE"]),
        (0, "", 0, ["FALSE"]),
        (-9, "", 1, []),
        (1, "Error: failed", 0, ["SILENT"]),
        (9, UNKNOWN, 0, ["UNKNOWN"]),
        (1, TRACE, 0, ["FOREIGN"]),
        (1, PYTHONS, 0, []),
        (1, PYTHONS, 2, ["FALSE"]),
        (1, OURS, 0, ["FOREIGN", "SILENT"]),
        (1, "Error: What was used of limits is not known.\n" + NOT, 0, []),
    ],
)
def test_a_sentence_is_held_against_what_is_true(code: int, words: str, found: int, wrong: list[str]) -> None:
    reasons = judge(Ended(code, "", words, 1.0), Truth(0, 2, found), 10.0)
    assert [reason.partition(":")[0] for reason in reasons] == wrong


def test_an_unknown_outcome_has_an_id_and_a_code() -> None:
    assert judge(Ended(9, "", UNKNOWN, 1.0), Truth(0, 2, 2), 10.0, can_be_asked=False) == []
    assert len(judge(Ended(1, "", "whether this was written is not known", 1.0), Truth(0, 2, 2), 10.0, 0, False)) == 2


def test_time_is_bounded() -> None:
    assert "LATE" in judge(Ended(0, "", "", 11.0), Truth(0, 2, 2), 10.0)[0]
    assert "LATE" in judge(Ended(-9, "", "", 11.0, late=True), Truth(0, 2, 0), 10.0)[0]
