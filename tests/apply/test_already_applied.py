"""An apply says whether it wrote: of many appliers of one plan one did, and the others name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apply.processes import limits
from tests.conftest import Db, Run

APPLY = ("apply", ".", "--auto-approve")
NOTHING = "Apply complete! Resources: 0 added, 0 changed, 0 destroyed."


@pytest.mark.parametrize(
    "command",
    [("plan", "."), ("rollback", "1"), ("revert", "2"), ("forget", "acme/limit/a"), ("adopt", "acme/limit/c")],
)
def test_the_second_time_it_says_whose_work_it_was(command: tuple[str, ...], db: Db, run: Run, folder: Path) -> None:
    manifest = folder / "acme.yaml"
    manifest.write_text(limits(a=1, c=1))
    run(*APPLY).ok()
    if command[0] == "adopt":
        run("forget", "acme/limit/c", "--auto-approve").ok()
    manifest.write_text(limits(a=2, b=1, **({} if command[0] == "adopt" else {"c": 1})))
    if command[0] != "plan":
        run(*APPLY).ok()
    run(*command, "--out", "some.plan").ok()
    first = run("apply", "some.plan", "--auto-approve", "--format", "json").ok().json
    assert (first["outcome"], "applied_before" in first) == ("applied", False)
    again = run("apply", "some.plan", "--auto-approve").ok()
    _, report = again.out.rsplit("\nAlready applied: this command wrote nothing. ", 1)
    said = f"Somebody has applied this plan already, as generation {first['generation']} (apply {first['apply_id']})."
    assert report.splitlines() == [said, "", NOTHING]
    told = run("apply", "some.plan", "--auto-approve", "--format", "json").ok().json
    assert (told["outcome"], told["generation"]) == ("already_applied", None)
    assert told["applied_before"] == {"generation": first["generation"], "apply_id": first["apply_id"]}
    assert db.sql("SELECT max(number) FROM generations") == [(first["generation"],)]


def test_what_others_did_in_other_steps_is_not_called_an_apply_of_this_plan(run: Run, folder: Path) -> None:
    manifest = folder / "acme.yaml"
    manifest.write_text(limits(a=1, b=1))
    run(*APPLY).ok()
    manifest.write_text(limits(a=2, b=2))
    run("plan", "--out", "both.plan").ok()
    for name in "ab":
        run(*APPLY, "--target", f"acme/limit/{name}").ok()
    out = run("apply", "both.plan", "--auto-approve").ok().out
    assert "Already applied: this command wrote nothing. All that this plan would write is live already." in out
    told = run("apply", "both.plan", "--auto-approve", "--format", "json").ok().json
    assert (told["outcome"], "applied_before" in told) == ("already_applied", False)


def test_a_plan_without_changes_is_no_plan_that_was_applied(run: Run, folder: Path) -> None:
    (folder / "acme.yaml").write_text(limits(a=1))
    run(*APPLY).ok()
    assert "Already applied" not in run(*APPLY).ok().out
    assert run(*APPLY, "--format", "json").ok().json["outcome"] == "no_changes"
