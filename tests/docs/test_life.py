"""docs/life-of-a-field.md shows every form of one field as the program makes it."""

from __future__ import annotations

from tests.docs.life import PAGE, fresh


def test_the_page_shows_every_form() -> None:
    assert PAGE.read_text() == fresh(), "run: python -m tests.docs.life"
