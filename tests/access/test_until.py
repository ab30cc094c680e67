"""Grants that end: the day decides at each decision, and a plan is judged on every day after which one ends."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask, Decision, decide, subject_of
from reconciler.access.effects import effects_of
from reconciler.access.rule import Subject
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.model.effects import NARROWED, WIDENED
from reconciler.model.plan import Action, Change
from tests.access.test_effects_of_models import BASE, Files, known, policy, text
from tests.conftest import Db
from tests.runtime.worlds import BOT, WORLD, World, in_world
from tests.store.support import Cli, cli_on

LAST = date(2026, 12, 31)
NEXT = LAST + timedelta(days=1)


def until(day: date | None) -> dict[str, Any]:
    return policy("route/*") | ({} if day is None else {"until": day.isoformat()})


def files(**policies: dict[str, Any]) -> Files:
    return {
        **{name: one for name, one in BASE.items() if name != "policy/a"},
        **{f"policy/{n}": p for n, p in policies.items()},
    }


def decided(tenant: Tenant) -> Decision:
    subject = subject_of(tenant, "bot")
    assert isinstance(subject, Subject)
    return decide(tenant, subject, Ask("route/fast"))


def test_the_day_decides_at_each_decision() -> None:
    today = [LAST]
    tenant = snapshot_of(known(files(a=until(LAST))), today=lambda: today[0]).tenant("acme")
    assert decided(tenant).allowed
    today[0] = NEXT
    found = decided(tenant)
    assert (found.allowed, found.reason, found.policy) == (False, "grant-ended", "policy/a")
    today[0] = LAST
    assert decided(tenant).allowed


def test_where_nobody_knows_the_day_it_has_ended() -> None:
    assert decided(snapshot_of(known(files(a=until(LAST)))).tenant("acme")).reason == "grant-ended"
    assert decided(snapshot_of(known(files(a=until(None)))).tenant("acme")).allowed


def test_one_without_an_end_goes_on() -> None:
    tenant = snapshot_of(known(files(a=until(LAST), b=until(None))), today=lambda: NEXT).tenant("acme")
    assert decided(tenant).policy == "policy/b"


EARLY, LATE = date(2026, 6, 1), date(2027, 6, 1)
EFFECTS: dict[str, tuple[Files, Files, date, set[str]]] = {
    "a grant that ends": (files(), files(a=until(LAST)), EARLY, {WIDENED}),
    "for longer": (files(a=until(LAST)), files(a=until(LATE)), EARLY, {WIDENED}),
    "for less long": (files(a=until(LATE)), files(a=until(LAST)), EARLY, {NARROWED}),
    "for good": (files(a=until(LAST)), files(a=until(None)), EARLY, {WIDENED}),
    "for good, by another name": (files(a=until(LAST)), files(b=until(None)), EARLY, {WIDENED}),
    "for longer, by another name": (files(a=until(LAST)), files(b=until(LATE)), EARLY, {WIDENED}),
    "the same by another name": (files(a=until(LAST)), files(b=until(LAST)), EARLY, set()),
    "with an end": (files(a=until(None)), files(a=until(LAST)), EARLY, {NARROWED}),
    "ended, and taken out": (files(a=until(LAST)), files(), NEXT, set()),
    "ended, and begun again": (files(a=until(LAST)), files(a=until(LATE)), NEXT, {WIDENED}),
    "beside one without an end": (files(a=until(None)), files(a=until(None), b=until(LAST)), EARLY, set()),
    "ended long ago": (files(), files(a=until(LAST)), NEXT, set()),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_a_plan_is_judged_on_every_day_after_which_one_ends(name: str) -> None:
    before, after, today, risks = EFFECTS[name]
    rows = known(before)
    changes = []
    for one in rows:
        address = f"{one.address.kind}/{one.address.name}"
        if before[address] != after.get(address):
            new = text(address, after[address]) if address in after else None
            action = Action.UPDATE if new else Action.DELETE
            changes.append(Change(one.address, action, text(address, before[address]), new, uid=one.uid))
    changes += [
        Change(one.address, Action.CREATE, None, one.live.json if one.live else "")
        for one in known({address: raw for address, raw in after.items() if address not in before})
    ]
    found = effects_of(rows, changes, "p", today=today)
    assert {risk for own in found.risks.values() for risk in own} == risks
    later = {"for longer": "more", "for less long": "less"}.get(name)
    assert later is None or found.notes == (f"acme: from 2027-01-01 on, callers may do {later} than without this plan",)


POLICY = """
version: 1
tenant: acme
connectors: {warehouse: {type: sql, dialect: sqlite, database: w.db}}
datasources: {sales: {type: database, connector: warehouse, tables: [orders]}}
templates: {top: {type: sql, datasource: sales, sql: SELECT id FROM orders}}
callers: {bot: {roles: [analyst], auth: {api_key: {}}}}
policies: {a: {effect: allow, subjects: any, actions: any, targets: any, until: "DAY"}}
"""
TESTS = "version: 1\ntenant: acme\naccess_tests: {t: {caller: bot, target: template/top, expect: allow}}\n"
TODAY, FOREVER = date.today() - timedelta(days=2), "2999-12-31"


@pytest.fixture
def call(db: Db, folder: Path) -> Cli:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nguards: {refuse: [access-widened]}\n")
    return cli_on(db.url, folder)


def test_explanations_tests_and_guards_count_the_day(call: Cli, folder: Path) -> None:
    def write(day: str) -> None:
        (folder / "acme.yaml").write_text(POLICY.replace("DAY", day))

    (folder / "tests.yaml").write_text(TESTS)
    write(TODAY.isoformat())
    failed = call("access", "test", "tests.yaml")
    assert (failed.code, "the policy that allowed it has ended" in failed.text) == (1, True)
    call("apply", "--auto-approve").ok()  # nobody may do more by a grant that has ended
    explained = call("access", "explain", "--caller", "bot", "template/top")
    assert "the policy that allowed it has ended. decided by: policy/a" in " ".join(explained.out.split())
    write(FOREVER)
    assert "access-widened" in call("plan", "--format", "json").ok().text
    assert call("apply", "--auto-approve").code == 6
    call("apply", "--auto-approve", "--allow-risk", "access-widened").ok()
    assert call("access", "test", "tests.yaml").code == 0


@pytest.mark.parametrize(
    ("day", "code"), [("2026-13-01", "invalid-date"), ("2026-W01-1", "invalid-date"), ("tomorrow", "invalid-date")]
)
def test_other_days_are_refused(day: str, code: str, call: Cli, folder: Path) -> None:
    (folder / "acme.yaml").write_text(POLICY.replace("DAY", day))
    assert code in call("validate", "--format", "json").text


def test_a_deny_does_not_end(call: Cli, folder: Path) -> None:
    (folder / "acme.yaml").write_text(POLICY.replace("allow", "deny").replace("DAY", FOREVER))
    found = call("validate")
    assert (found.code, "until" in found.err) == (3, True)


def test_a_running_server_goes_by_the_day(db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {**WORLD, "policies": {"read": {**WORLD["policies"]["read"], "until": LAST.isoformat()}}}
    today = [LAST]
    monkeypatch.setattr("reconciler.runtime.source._today", lambda: today[0])

    async def work(made: World) -> None:
        await made.look()
        decisions = []
        for day in (LAST, NEXT):
            today[0] = day
            tenant = made.source.current().snapshot.tenant("acme")
            subject = subject_of(tenant, BOT.name)
            assert isinstance(subject, Subject)
            decisions.append(decide(tenant, subject, Ask("template/top")).reason)
        assert decisions == ["allowed", "grant-ended"]

    in_world(db, folder, work, document)
