"""What is remembered is what was made, and large texts are not kept."""

from __future__ import annotations

from reconciler.remembered import LARGEST, remembered


def test_small_texts_are_worked_out_once_and_large_ones_each_time() -> None:
    made: list[str] = []

    @remembered(2)
    def shout(mark: str, text: str) -> str:
        made.append(text)
        return text.upper() + mark

    large = "x" * (LARGEST + 1)
    for _ in range(3):
        assert shout("!", "a") == "A!"
        assert shout("?", large) == large.upper() + "?"
    assert made.count("a") == 1
    assert made.count(large) == 3
    assert shout("?", "a") == "A?"
