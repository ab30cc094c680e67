"""The law of money with kills, cut streams, a provider that ignores its bound and changing prices: a short run of the campaign."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns.money import campaign
from tests.campaigns.money_serve import campaign as through_serve
from tests.conftest import Db


def test_no_window_is_billed_more_than_its_limit(db: Db, tmp_path: Path) -> None:
    found = campaign(db, tmp_path / "campaign", clients=16, replicas=2, seconds=6.0)
    broken = ("without_intent", "still_held", "passed_the_limit", "counted_too_little")
    assert {name: found[name] for name in broken if found[name]} == {}
    assert found["reservations"] == 0
    assert found["billed"] > 20
    assert found["seen"]["cut"] > 0
    assert found["kills"] > 0
    # a provider that ignores its bound is found out, at most by the calls that were in flight
    assert found["overshoots"] <= found["above_the_bound"] <= 16


def test_no_limit_is_passed_through_serve(tmp_path: Path) -> None:
    """Every endpoint, streaming or not, with replicas that are killed and restarted with other prices."""
    state, store = (Db(f"sqlite:///{tmp_path}/{name}.db") for name in ("state", "runtime"))
    found = through_serve(state, store, tmp_path, clients=12, replicas=2, seconds=6.0)
    assert {name: found[name] for name in ("passed_the_limit", "still_held", "counted_too_little") if found[name]} == {}
    assert found["reservations"] == 0
    assert found["billed"] > 10
    assert found["kills"] > 0
