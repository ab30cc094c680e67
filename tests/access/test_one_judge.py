"""Over random states, everybody who is asked what would happen to a call gives one answer: mediator, lists of tools, `access
explain` of the command line and of the operators' API, and access tests; and it is that of the model."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from reconciler.access.decide import Ask
from reconciler.access.expected import verdict_of
from reconciler.access.judge import Caller
from reconciler.access.snapshot import Snapshot
from reconciler.cli import access as command
from reconciler.errors import Place
from reconciler.kinds.access_test import Case
from reconciler.kinds.access_test import Test as AccessTest
from reconciler.load.serve_file import OperatorToken
from reconciler.model.status import CallerKey, Freeze, Status, moment
from reconciler.runtime.call import Answer, Call
from reconciler.runtime.ledger.entries import Denial, Intent, Outcome
from reconciler.runtime.ledger.ledger import Admitted
from reconciler.runtime.mediator import Mediator, Refusal
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.source import InForce
from reconciler.runtime.surfaces import operators
from reconciler.runtime.surfaces.operator import Operator, OperatorsApi
from reconciler.secrets.scrub import Scrubber
from tests.access.model import Row, World, behind, judged, tool_name
from tests.access.test_reference_model import ROLES, TENANT, body, made, snapshot
from tests.store.support import cli

STATES = 80
KEY = "00ff"
REGION = {"region": {"type": "string", "from": "claims.region"}}
EVERYTHING = {"effect": "allow", "subjects": "any", "actions": "any", "targets": {"names": ["*/*"]}}


class Surroundings:
    """What stands about a mediator: one state in force, evidence that is kept in lists, connectors that answer."""

    def __init__(self, in_force: InForce) -> None:
        self.in_force = in_force
        self.denials: list[Denial] = []
        self.intents: list[Intent] = []

    def current(self) -> InForce:
        return self.in_force

    async def admit(self, intent: Intent) -> Admitted:
        self.intents.append(intent)
        return Admitted()

    def deny(self, denial: Denial) -> None:
        self.denials.append(denial)

    def settle(self, outcome: Outcome) -> None:
        assert outcome.outcome == "success"

    async def run(self, _evidence_id: str, _call: Call) -> Answer:
        return Answer([], 0, 2)

    def secrets(self, _tenant: str) -> Scrubber:
        return Scrubber("***", 1)


class State:
    """One random state, and everybody who may be asked about it."""

    def __init__(self, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chosen = random.Random(seed)
        self.world = self._world(seed)
        self.status = self._status()
        self.folder = folder
        parts: Any = Surroundings(InForce(snapshot(self.world), self.status))
        self.parts = parts
        self.mediator = Mediator(parts, parts, parts, b"k" * 32, Metrics())
        self.app = self._operators()
        monkeypatch.setattr(command, "_of_database", lambda _workspace: (self.fresh(), self.status))

    def fresh(self) -> Snapshot:
        """A snapshot of the same state in which nobody has decided anything."""
        return snapshot(self.world)

    def _world(self, seed: int) -> World:
        """A state that is mostly whole, so that much of it is allowed but for what this test is about."""
        world, chance = made(seed), self.chosen.random
        for number in range(3):
            world.setdefault(f"connector/c{number}", world["connector/c0"])
            world.setdefault(f"datasource/d{number}", world["datasource/d0"])
        templates = [name for name, row in world.items() if name.startswith("template/") and row.body]
        for name in templates:
            more: dict[str, Any] = {"tool_name": "one_tool"} if chance() < 0.2 else {}
            if chance() < 0.3:
                raw = {"type": "sql", "datasource": "d", "sql": "SELECT 1", "parameters": REGION}
                more["parameters"] = body("template", raw)["parameters"]
            world[name] = world[name]._replace(body={**(world[name].body or {}), **more}, project="p1")
        for name in ("caller/bot", "caller/other"):
            if chance() < 0.7:
                raw = {"auth": {"api_key": {"max_age_days": 1}}, "roles": ROLES}
                world[name] = world[name]._replace(body=body("caller", raw), settled=True, suspended=False)
        if chance() < 0.8:
            world = {name: row for name, row in world.items() if not name.startswith("policy/") or chance() < 0.3}
            world["policy/y9"] = Row(body("policy", EVERYTHING))
        return world

    def _status(self) -> Status:
        names = [
            "platform",
            f"tenant/{TENANT}",
            "tenant/other",
            f"key/{KEY}bot",
            f"{TENANT}/tool/t0",
            f"{TENANT}/tool/one_tool",
        ]
        names += [f"{TENANT}/{name}" for name in self.world if not name.startswith("policy/")]
        frozen = self.chosen.sample(names, self.chosen.choice([0, 0, 1, 2]))
        found = []
        for number, target in enumerate(frozen):
            is_resource = target.count("/") == 2 and "/tool/" not in target
            by_uid = is_resource and self.chosen.random() < 0.5
            uid = target.removeprefix(f"{TENANT}/") if by_uid else None
            shown = f"{TENANT}/{target.split('/')[1]}/former" if by_uid else target
            tenant = TENANT if by_uid else None
            found.append(
                Freeze(str(number), shown, "incident 7", "2026-01-02T03:04:05Z", "ada", tenant, uid, str(number))
            )
        ids = {name: f"{KEY}{name}" for name in ("bot", "other")}
        keys = {
            one: CallerKey(
                one, TENANT, name, f"caller/{name}", "", moment(datetime.now(UTC)), "ada", "2999-01-01T00:00:00Z"
            )
            for name, one in ids.items()
        }
        return Status(keys, tuple(found))

    def _operators(self) -> Any:
        places: Any = None
        app = Starlette(
            routes=operators.routes(OperatorsApi(self.parts, self.mediator, places, None, lambda: "", places))
        )
        who = Operator("ops", OperatorToken(sha256="0" * 64, scopes=("operate",)))

        async def proved(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "who": who}, receive, send)

        return proved

    def frozen(self, caller: Caller, ask: Ask) -> bool:
        """By the model: a freeze of anything that stands behind the call, by its name or as the same resource."""
        is_able = f"caller/{caller.name}" in self.world
        decided = is_able and judged_caller(self.world, caller.name)
        chain = (behind(self.world, ask.target, ask.action) or []) if decided else []
        names = {"platform", f"tenant/{TENANT}", f"key/{caller.key}", *(f"{TENANT}/{name}" for name in chain)}
        uids = {*chain}
        who = self.world.get(f"caller/{caller.name}")
        if who is not None and who.body is not None:
            names.add(f"{TENANT}/caller/{caller.name}")
            uids.add(f"caller/{caller.name}")
        template = next((name for name in chain if name.startswith("template/")), None)
        if template is not None:
            names.add(f"{TENANT}/tool/{tool_name(self.world, template)}")
        return any(one.target in names if one.uid is None else one.uid in uids for one in self.status.freezes)

    def expected(self, caller: Caller, ask: Ask) -> bool:
        """By the model, for a call with these claims."""
        if not judged(self.world, caller.name, {*caller.roles}, *ask).allowed or self.frozen(caller, ask):
            return False
        chain = behind(self.world, *ask) or []
        runs = self.world[next(name for name in chain if name.startswith("template/"))].body
        return "region" in (caller.claims or {}) or not (runs and runs["parameters"])

    async def by_mediator(self, caller: Caller, ask: Ask) -> tuple[bool, str]:
        before = len(self.parts.denials)
        try:
            await self.mediator.access(caller, ask, {})
        except Refusal as refusal:
            code = refusal.code
        else:
            return True, "allowed"
        (denial,) = self.parts.denials[before:]
        assert code == "not-found"
        return False, denial.reason

    async def by_operators(self, caller: Caller, ask: Ask) -> tuple[bool, str]:
        asked = {**_asks(caller), "target": ask.target, "action": ask.action, "key": caller.key}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://x") as client:
            found = (await client.post(f"/v1/tenants/{TENANT}/access/explain", json=asked)).json()
        return found["decision"] == "allow", found["reason"]

    def by_command(self, caller: Caller, ask: Ask) -> Mapping[str, Any]:
        more = [f"--role={role}" for role in caller.roles] + [f"--action={ask.action}"] * bool(ask.action)
        more += [f"--claim={name}={value}" for name, value in (caller.claims or {}).items()] + [f"--key={caller.key}"]
        asked = ("access", "explain", f"{TENANT}/{ask.target}", "--caller", caller.name, "--format", "json")
        found: Mapping[str, Any] = cli(*asked, *more, cwd=self.folder).ok().json
        return found

    def by_test(self, caller: Caller, ask: Ask, expect: str) -> bool:
        """Whether an access test that expects this passes."""
        raw: dict[str, Any] = {"target": ask.target, "action": ask.action, "arguments": {}, "expect": expect}
        test = AccessTest.model_validate({**_asks(caller), **raw})
        return verdict_of(_case(test), self.fresh()).passed


def _case(test: AccessTest) -> Case:
    """As if it stood in a file."""
    return Case("one", TENANT, test, Place("x", 1, 1), ("x", 0), lambda problem, _path: problem)


def _asks(caller: Caller) -> dict[str, Any]:
    return {"caller": caller.name, "roles": [*caller.roles], "claims": dict(caller.claims or {})}


def judged_caller(world: World, name: str) -> bool:
    row = world[f"caller/{name}"]
    return row.body is not None and row.settled and not row.suspended and row.body["enabled"]


def test_everybody_gives_one_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: Counter[str] = Counter()
    (folder / "reconciler.yaml").write_text(
        "version: 1\nproject: shop\nenvironments:\n  dev: {database: 'sqlite:///x.db'}\n"
    )
    for seed in range(STATES):
        state = State(seed, folder, monkeypatch)
        asyncio.run(_ask_all(state, counted))
    for outcome in ("allowed", "frozen", "tool-name-taken", "claim-missing", "suspended", "inactive"):
        assert counted[outcome] >= 3, counted


async def _ask_all(state: State, counted: Counter[str]) -> None:
    chosen = state.chosen
    for _ in range(5):
        claims = {"region": "eu"} if chosen.random() < 0.5 else {}
        roles = frozenset({chosen.choice(ROLES)}) if chosen.random() < 0.3 else frozenset()
        name = chosen.choice(["bot", "bot", "other", "other", "nobody"])
        caller = Caller(TENANT, name, f"{KEY}{name}", roles, claims)
        named = [name for name in state.world if name.startswith(("template/", "plane/"))]
        ask = Ask(chosen.choice([*named, *named, "template/none", "connector/c0"]))
        row = state.world.get(ask.target)
        if ask.target.startswith("plane/") and row is not None and row.body is not None:
            ask = Ask(ask.target, next(iter(row.body["actions"])))
        at = (state.world, state.status, caller, ask)
        allowed, reason = await state.by_mediator(caller, ask)
        counted[reason] += 1
        assert allowed == state.expected(caller, ask), (reason, at)
        assert await state.by_operators(caller, ask) == (allowed, reason), at
        found = state.by_command(caller, ask)
        assert (found["decision"] == "allow", found["reason"]) == (allowed, reason), at
        assert ("incident 7" in found["message"]) == (reason == "frozen"), at
        if reason != "frozen":
            assert state.by_test(caller, ask, "allow" if allowed else "deny"), at
        listed = {one.name for one in state.mediator.tools(caller).values()}
        for template in [name for name in named if name.startswith("template/")]:
            assert (template in listed) == state.expected(caller, Ask(template)), (template, at)
        tools = [*state.mediator.tools(caller)]
        test = AccessTest.model_validate({**_asks(caller), "tools": tools})
        if not state.status.freezes:
            assert verdict_of(_case(test), state.fresh()).passed, at
