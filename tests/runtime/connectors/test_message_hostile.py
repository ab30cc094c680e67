"""A bounded run of hostile values; the rest is `python -m tests.campaigns.messages`."""

from __future__ import annotations

from tests.runtime.connectors.message_hostile import carried


def test_hostile_values_are_text_or_refused() -> None:
    taken, refused = carried(300, seed=21)
    assert taken + refused == 900
    assert min(taken, refused) > 100
