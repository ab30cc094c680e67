"""Any sequence of edits, applies, hands in the database, going back and dying, against the reference model."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from reconciler.history.checks import checks

from .arena import Arena
from .bodies import Dice, Pick
from .life import Life
from .steps import STEPS
from .strategies import EXAMPLES, dice

EACH = 30
"""Steps of one sequence."""


def machine(arena: Arena, folder: Path) -> type[RuleBasedStateMachine]:
    class Lives(RuleBasedStateMachine):
        life: Life

        @initialize(data=dice(300))
        def begins(self, data: Dice) -> None:
            self.life = Life(arena, folder, Pick(data, ()))

        @rule(step=st.sampled_from(sorted(STEPS)), data=dice(300))
        def goes_on(self, step: str, data: Dice) -> None:
            STEPS[step](self.life, Pick(data, ()))

        def teardown(self) -> None:
            """Whatever somebody did to live rows, history replays to what was applied."""
            for check in checks(arena.database, {}, None):
                assert check.name not in {"schema", "history"} or not check.findings, check.findings

    return Lives


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_lives(request: pytest.FixtureRequest, kind: str, manifests: Path) -> None:
    """The suite takes a tenth of these sequences; tests/campaigns/lives.py runs hundreds."""
    arena = request.getfixturevalue(kind)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: machine(arena, manifests)(),
        settings=settings(
            max_examples=max(1, round(40 * EXAMPLES)),
            stateful_step_count=EACH,
            deadline=None,
            derandomize=True,
            database=None,
            print_blob=True,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
