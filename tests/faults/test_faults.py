"""What a command says of what it wrote is true and in time, whatever happens to it; `tests.campaigns.faults` does more.

Each test is an example of its kind; the random ones have fixed seeds.
"""

from __future__ import annotations

import signal

import pytest

from tests.campaigns.faults import Campaign, Run
from tests.faults.commands import Case
from tests.faults.disturb import Disturbance
from tests.faults.judge import Said
from tests.faults.proxy import Fault

INT, TERM, STOP = signal.SIGINT, signal.SIGTERM, signal.SIGSTOP


def case(campaign: Campaign, name: str) -> Case:
    return next(one for one in campaign.cases() if one.name == name)


def right(campaign: Campaign, name: str, what: Disturbance) -> Run:
    run = campaign.once(case(campaign, name), what)
    assert not run.wrong, f"{name}; {what}: {run.wrong}\n{run.words}"
    return run


@pytest.mark.parametrize("number", range(8))
def test_by_chance(campaign: Campaign, number: int) -> None:
    cases = campaign.cases()
    one = cases[number * 5 % len(cases)]
    run = campaign.by_chance(one, 1000 + number)
    assert not run.wrong, f"{one.name}; {run.what}: {run.wrong}\n{run.words}"


LOST = (
    "secrets set acme/fresh",
    "freeze acme/connector/api",
    "keys issue acme/bot",
    "project rename shop",
    "db upgrade (empty)",
)


@pytest.mark.parametrize("name", LOST)
def test_a_lost_reply_to_commit_is_looked_up(on_postgresql: Campaign, name: str) -> None:
    run = right(on_postgresql, name, Disturbance(Fault("drop reply")))
    assert (run.true, run.said) == ("written", Said.DONE)


@pytest.mark.parametrize("name", LOST)
def test_a_commit_that_never_arrives_wrote_nothing(on_postgresql: Campaign, name: str) -> None:
    run = right(on_postgresql, name, Disturbance(Fault("drop")))
    assert (run.true, run.said) == ("not written", Said.NOT_WRITTEN)


def test_an_outcome_that_nobody_can_look_up_is_unknown_and_has_an_id(on_postgresql: Campaign) -> None:
    run = right(on_postgresql, "project rename shop", Disturbance(Fault("drop reply", refuse=True)))
    assert (run.true, run.said) == ("written", Said.UNKNOWN)


def test_an_interrupt_while_the_outcome_is_looked_up(on_postgresql: Campaign) -> None:
    run = right(on_postgresql, "apply .", Disturbance(Fault("hold reply", seconds=3), signal=INT, moment=1.3))
    assert run.true == "written"


@pytest.mark.parametrize("sent", [INT, TERM])
@pytest.mark.parametrize("name", ["apply .", "unfreeze acme/caller/bot"])
def test_a_signal_after_the_commit(campaign: Campaign, name: str, sent: signal.Signals) -> None:
    run = right(campaign, name, Disturbance(signal=sent, failpoint="after_commit"))
    assert run.true == "written"


@pytest.mark.parametrize("sent", [INT, TERM])
def test_a_signal_before_the_commit(campaign: Campaign, sent: signal.Signals) -> None:
    run = right(campaign, "apply .", Disturbance(signal=sent, failpoint="before_commit"))
    assert (run.true, run.said) == ("not written", Said.NOT_WRITTEN)


def test_a_signal_during_a_slow_webhook(on_postgresql: Campaign) -> None:
    run = right(on_postgresql, "apply .", Disturbance(hook=on_postgresql.hook, signal=INT, moment=1.5))
    assert (run.true, run.said) == ("written", Said.WRITTEN)


def test_a_signal_after_a_notification_was_queued(on_postgresql: Campaign) -> None:
    run = right(on_postgresql, "drift --notify", Disturbance(hook=on_postgresql.hook, signal=TERM))
    assert (run.true, run.said) == ("written", Said.WRITTEN)


def test_secrets_of_which_some_were_rewrapped(on_postgresql: Campaign) -> None:
    run = right(on_postgresql, "secrets reencrypt", Disturbance(Fault("drop", nth=3)))
    assert (run.true, run.said) == ("written in part", Said.WRITTEN)


@pytest.mark.parametrize("stdout", ["/dev/full", "a closed pipe", "none"])
@pytest.mark.parametrize("name", ["apply .", "keys issue acme/bot", "secrets keys add", "init new"])
def test_output_that_nobody_gets(on_postgresql: Campaign, name: str, stdout: str) -> None:
    run = right(on_postgresql, name, Disturbance(stdout=stdout))
    assert run.true == "written" or name == "apply ."


@pytest.mark.parametrize("name", ["init new", "fmt acme.yaml", "schema --out", "secrets keys create --out"])
def test_a_full_disk(on_postgresql: Campaign, name: str) -> None:
    right(on_postgresql, name, Disturbance(disk=0))


def test_a_full_disk_under_sqlite(campaign: Campaign) -> None:
    right(campaign, "secrets rotate acme/s1", Disturbance(disk=4096))


def test_a_stopped_applier_loses_its_lock_and_writes_nothing(on_postgresql: Campaign) -> None:
    run = right(on_postgresql, "apply .", Disturbance(signal=STOP, failpoint="before_commit"))
    assert run.true == "not written"
    assert run.said is Said.NOT_WRITTEN


def test_terminated_sessions_leak_no_words_of_drivers(on_postgresql: Campaign) -> None:
    run = right(on_postgresql, "apply .", Disturbance(terminate=True, failpoint="before_commit"))
    assert (run.true, run.said) == ("not written", Said.NOT_WRITTEN)


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5, 0.65])
def test_an_interrupt_while_modules_load_leaves_no_traceback(on_postgresql: Campaign, share: float) -> None:
    right(on_postgresql, "fmt acme.yaml", Disturbance(signal=INT, moment=share))
