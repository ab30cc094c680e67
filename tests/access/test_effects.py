"""The effect diff agrees with asking for every caller and every target before and after, over random states and changes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from msgspec.structs import replace

from reconciler.access.decide import Ask, decide, subject_of
from reconciler.access.effects import LISTED, REACHES, effects_of
from reconciler.access.planned import judged
from reconciler.access.rewired import rewired
from reconciler.access.rule import Subject
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.kinds.table import SPEC_VERSIONS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.effects import Judged
from reconciler.model.known import Known, Text
from reconciler.model.plan import Action, Change
from tests.access.model import Row, World
from tests.access.test_reference_model import ROLES, TENANT, body, made, policy, snapshot

PROJECT = "p1"
KINDS = ("caller", "policy", "plane", "template", "datasource", "connector")


class Case(NamedTuple):
    """A state, changes, and the state after them with the former name of each resource."""

    before: dict[str, Known]
    changes: list[Change]
    after: dict[str, Known]
    former: dict[str, str]


def with_token(chosen: random.Random, old: dict[str, Any]) -> dict[str, Any]:
    """A caller's body with roles that its token brings."""
    groups = {one: chosen.choice(ROLES) for one in chosen.sample(["g1", "g2", "g3"], chosen.randint(1, 3))}
    jwt: dict[str, Any] = {"issuer": "corp", "claims": chosen.choice([{"azp": "x"}, {"azp": "x", "env": "prod"}])}
    jwt |= {"roles_from": {"claim": "groups", "map": groups}} if chosen.random() < 0.8 else {}
    auth = {"jwt": jwt} | ({"api_key": {}} if chosen.random() < 0.5 else {})
    return body("caller", {"roles": [*old["roles"]], "labels": {**old["labels"]}, "auth": auth})


def rich(seed: int) -> World:
    """A state in which more is allowed than in the reference model's."""
    chosen, world = random.Random(seed), made(seed)
    for name, row in [*world.items()]:
        if chosen.random() < 0.8:
            world[name] = row = row._replace(project=PROJECT, settled=row.applied is None and row.is_there)
        if name.startswith("caller/") and row.body is not None and chosen.random() < 0.7:
            world[name] = row._replace(body=with_token(chosen, row.body))
    for number in range(chosen.randint(1, 3)):
        subjects: Any = chosen.choice(["any", {"roles": [chosen.choice(ROLES)]}, {"callers": ["bot"]}])
        targets: Any = chosen.choice(["any", {"labels": {"team": "sales"}}, {"names": ["template/t?", "plane/*"]}])
        raw = {"effect": "allow", "subjects": subjects, "actions": "any", "targets": targets}
        world[f"policy/z{number}"] = Row(body("policy", raw), PROJECT)
    return world


def known_of(world: World) -> dict[str, Known]:
    return dict(snapshot(world).tenant(TENANT).resources)


def other_body(chosen: random.Random, name: str, world: World) -> dict[str, Any]:
    """Another body of the same kind; often one that differs in one field only."""
    kind, old = name.partition("/")[0], world[name].body
    if kind == "policy":
        return policy(chosen, world)
    if kind == "caller" and chosen.random() < 0.6 and old is not None:
        return with_token(chosen, old)
    others: list[dict[str, Any]] = []
    while not others:
        fresh = made(chosen.randrange(10**9))
        others = [one.body for key, one in sorted(fresh.items()) if key.startswith(f"{kind}/") and one.body is not None]
    found = chosen.choice(others)
    if old is not None and found.get("type") == old.get("type") and chosen.random() < 0.6:
        field = chosen.choice(sorted({*found, *old} - {"sql", "type", "description"}))
        found = {key: value for key, value in {**old, field: found.get(field)}.items() if value is not None}
    return found


def changed(world: World, chosen: random.Random) -> Case:
    before = known_of(world)
    after, former = dict(before), {name: name for name in before}
    changes: list[Change] = []
    names = sorted(name for name, one in before.items() if one.live is not None)
    free = {kind: [f"{kind}/{letter}9" for letter in "tb"] for kind in KINDS}
    gone: list[str] = []
    arrived: list[tuple[str, Known, str | None]] = []
    for name in chosen.sample(names, min(len(names), chosen.randint(1, 4))):
        one, kind = before[name], name.partition("/")[0]
        if one.live is None or one.live.json == '{"no": "body"}':
            continue
        address, old = one.address, one.live.json
        does = chosen.choice(["update", "update", "delete", "move", "forget", "adopt", "replace"])
        if one.project != PROJECT and does != "adopt":
            continue
        gone.append(name)
        new_text = canonical(other_body(chosen, name, world)) if does in {"update", "replace"} else old
        target = name
        if does == "move" or (does == "update" and chosen.random() < 0.3):
            target = free[kind].pop() if free[kind] else name
        place = Address(TENANT, *target.split("/"))
        previous = None if target == name else address
        owner = (one.project or "") if does == "adopt" and one.project != PROJECT else None
        action = Action(does if does != "move" or previous else "update")
        end = None if does == "delete" else new_text
        changes.append(Change(place, action, old, end, previous=previous, adopted_from=owner, uid=one.uid))
        if does == "forget":
            arrived.append((name, one._replace(project=None, settled=False), name))
        elif does != "delete":
            suspended = one.suspended and does != "replace"
            text = Text(new_text, SPEC_VERSIONS[kind])
            arrived.append((target, Known(place, "u", text, PROJECT, True, None, suspended), name))
    for _ in range(chosen.choice([0, 0, 1, 2])):
        kind = chosen.choice(KINDS)
        like = [name for name in names if name.startswith(f"{kind}/")]
        if like and free[kind]:
            name = free[kind].pop()
            text = canonical(other_body(chosen, chosen.choice(like), world))
            place = Address(TENANT, *name.split("/"))
            changes.append(Change(place, Action.CREATE, None, text))
            arrived.append((name, Known(place, "", Text(text, 1), PROJECT, True), None))
    for name in gone:
        del after[name], former[name]
    for name, one, old_name in arrived:
        after[name] = one
        if old_name is not None:
            former[name] = old_name
    return Case(before, changes, after, former)


def subject(tenant: Tenant, name: str | None, roles: Iterable[str | None]) -> Subject | None:
    found = subject_of(tenant, name, frozenset(one for one in roles if one)) if name else "none"
    return None if isinstance(found, str) else found


def may(tenant: Tenant, who: Subject | None, ask: Ask | None) -> tuple[str, ...] | None:
    """What may be done there, and by what it is reached; None if nothing."""
    if who is None or ask is None:
        return None
    found = decide(tenant, who, ask)
    if not found.allowed:
        return None
    template = next(one for one in found.chain if one.known.address.kind == "template")
    data = [one for one in found.chain if one.known.address.kind == "datasource"] or [found.chain[-1]]
    return (found.action or "", *(one.name for one in (template, found.chain[-1], *data)))


def pairs(case: Case, kind: str) -> Iterator[tuple[str | None, str | None]]:
    now = {old: new for new, old in case.former.items()}
    for name in case.before:
        if name.startswith(f"{kind}/"):
            yield name, now.get(name)
    yield from ((None, name) for name in case.after if name.startswith(f"{kind}/") and name not in case.former)


def asks(before: Tenant, after: Tenant, case: Case) -> Iterator[tuple[Ask | None, Ask | None]]:
    for old, new in pairs(case, "template"):
        yield Ask(old) if old else None, Ask(new) if new else None
    for old, new in pairs(case, "plane"):
        for action in ("query", "retrieve", "search", "list", "invoke", "write"):
            yield Ask(old, action) if old else None, Ask(new, action) if new else None


def token_roles(tenant: Tenant, name: str | None) -> dict[str, str]:
    caller = tenant.resource(name) if name else None
    jwt: Any = caller.body["auth"].get("jwt") if caller is not None else None
    return dict(((jwt or {}).get("roles_from") or {}).get("map") or {})


Entry = tuple[str, bool, str, str]
"""Caller, widened, action, target."""


def brute(case: Case) -> tuple[set[Entry], dict[Entry, set[frozenset[str]]]]:
    """What callers gain and lose by themselves; and with which values of their tokens beside that."""
    sides = [snapshot_of(known.values()).tenant(TENANT) for known in (case.before, case.after)]
    own: set[Entry] = set()
    by_token: dict[Entry, set[frozenset[str]]] = {}
    for old, new in pairs(case, "caller"):
        name = (new or old or "").partition("/")[2]
        maps = token_roles(sides[0], old), token_roles(sides[1], new)
        values = sorted({*maps[0], *maps[1]})
        for count in range(len(values) + 1):
            for chosen in combinations(values, count):
                who = [
                    subject(side, one.partition("/")[2] if one else None, map(roles.get, chosen))
                    for side, one, roles in zip(sides, (old, new), maps, strict=True)
                ]
                for two in asks(*sides, case):
                    before, after = may(sides[0], who[0], two[0]), may(sides[1], who[1], two[1])
                    here = after and (after[0], *(case.former.get(one, "new") for one in after[1:]))
                    if before == here:
                        continue
                    for widened, found, ask in ((True, after, two[1]), (False, before, two[0])):
                        if found is not None and ask is not None:
                            entry = (name, widened, found[0], ask.target)
                            by_token.setdefault(entry, set()).add(frozenset(chosen))
                            if not chosen:
                                own.add(entry)
    return own, {entry: found for entry, found in by_token.items() if entry not in own}


def test_it_is_what_asking_for_everything_finds() -> None:
    counted = {"own": 0, "token": 0, "way": 0, "none": 0}
    for seed in range(500):
        chosen = random.Random(seed)
        case = changed(rich(seed), chosen)
        result = effects_of(case.before.values(), case.changes, PROJECT)
        own, by_token = brute(case)
        listed = result.effects.listed
        entries = {
            (one.caller, one.widened, reach.action, reach.target): one
            for one in listed
            if not one.roles and one.way is None
            for reach in one.reaches
        }
        assert entries.keys() == own, (seed, case.changes)
        roles = {
            (one.caller, one.widened, reach.action, reach.target)
            for one in listed
            if one.roles and one.way is None
            for reach in one.reaches
        }
        assert roles == by_token.keys(), (seed, case.changes)
        counts = {True: 0, False: 0}
        for one in listed:
            counts[one.widened] += one.count
            assert one.count == len(one.reaches)
            assert one.causes, (seed, one)
            assert {*one.causes} <= {change.address for change in case.changes}
        assert counts == {True: result.effects.widened, False: result.effects.narrowed}
        causes = {a for one in listed for a in one.causes}
        assert causes <= {*result.risks} <= causes | rewired(case.changes), seed
        counted["own"] += len(own)
        counted["token"] += len(by_token)
        counted["way"] += sum(one.way is not None for one in listed)
        counted["none"] += not listed
    assert min(counted.values()) > 5, counted


def template(name: str, **fields: Any) -> Change:
    raw = {"type": "http", "connector": "api", "method": "GET", "path": "/x", **fields}
    return Change(Address(TENANT, "template", name), Action.CREATE, None, body("template", raw))


def created(kind: str, name: str, raw: dict[str, Any]) -> Change:
    return Change(Address(TENANT, kind, name), Action.CREATE, None, body(kind, raw))


CONNECTOR = created("connector", "api", {"type": "http", "base_url": "https://x.example"})
CALLER = created("caller", "bot", {"auth": {"api_key": {}}})
ANY = created("policy", "any", {"effect": "allow", "subjects": "any", "actions": "any", "targets": "any"})


def known_after(*changes: Change) -> list[Known]:
    return [Known(one.address, "u", Text(one.new_text or "", 1), PROJECT, True) for one in changes]


def test_rows_are_read_only_where_a_change_bears_on_access() -> None:
    asked: list[tuple[Any, Any]] = []

    def read(tenants: Any, besides: Any) -> list[Known]:
        asked.append((tenants, besides))
        return []

    limit = created("limit", "a", {"target": "tenant", "per": "day", "requests": 1})
    assert judged([limit], PROJECT, read) == Judged()
    assert not asked
    judged([CONNECTOR], PROJECT, read)
    judged([CONNECTOR, CALLER], PROJECT, read)
    assert asked == [({TENANT}, set()), ({TENANT}, {TENANT})]


def test_the_first_caller_of_a_tenant() -> None:
    rows = known_after(CONNECTOR, template("t"), ANY)
    found = judged([CALLER], PROJECT, lambda tenants, besides: rows if besides else [])
    assert found.risks == {CALLER.address: frozenset({"access-widened"})}


def test_many_are_counted_and_the_first_are_listed() -> None:
    """A tenant that is made at once: what is new is the cause only where no caller and no policy is."""
    templates = [template(f"t{number:03}") for number in range(2 * REACHES)]
    callers = [CALLER, *(created("caller", f"b{number:04}", {"auth": {"api_key": {}}}) for number in range(LISTED))]
    found = effects_of([], [CONNECTOR, *templates, *callers, ANY], PROJECT)
    effects = found.effects
    assert (effects.widened, effects.narrowed) == (len(templates) * len(callers), 0)
    assert (effects.subjects, len(effects.listed)) == (LISTED + 1, LISTED)
    first = effects.listed[0]
    assert (first.caller, first.count, len(first.reaches)) == ("b0000", 2 * REACHES, REACHES)
    assert [one.target for one in first.reaches] == [f"template/t{number:03}" for number in range(REACHES)]
    assert first.causes == (callers[1].address, ANY.address)
    assert {*found.risks} == {ANY.address, *(one.address for one in callers)}
    fresh = effects_of(known_after(CONNECTOR, CALLER, ANY), [template("new")], PROJECT)
    assert fresh.risks == {template("new").address: frozenset({"access-widened"})}


def test_an_invalid_policy_that_goes_gives_back_everything() -> None:
    address = Address(TENANT, "policy", "bad")
    rows = [
        *known_after(CONNECTOR, template("t"), CALLER, ANY),
        Known(address, "u", Text('{"no": 1}', 1), PROJECT, False),
    ]
    found = effects_of(rows, [Change(address, Action.DELETE, '{"no": 1}', None)], PROJECT)
    assert found.effects.widened == 1
    assert found.risks == {address: frozenset({"access-widened"})}


def test_a_template_that_reaches_another_connector_does_something_else() -> None:
    other = created("connector", "other", {"type": "http", "base_url": "https://y.example"})
    rows, now = known_after(CONNECTOR, other, template("t"), CALLER, ANY), template("t", connector="other").new_text
    found = effects_of(rows, [Change(template("t").address, Action.UPDATE, template("t").new_text, now)], PROJECT)
    assert [(one.widened, one.reaches[0].through) for one in found.effects.listed] == [
        (True, "connector/other"),
        (False, "connector/api"),
    ]


def updated(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    return Change(Address(TENANT, kind, name), Action.UPDATE, body(kind, before), body(kind, after))


def known_before(*changes: Change) -> list[Known]:
    return [Known(one.address, "u", Text(one.old_text or "", 1), PROJECT, True) for one in changes]


def lines(found: Judged) -> list[tuple[object, ...]]:
    return [(one.caller, one.roles, one.way, one.widened, one.count) for one in found.effects.listed]


def by_token(groups: Iterable[str], **more: Any) -> dict[str, Any]:
    """A caller to whom tokens bring roles, each by a group of the same name."""
    roles_from = {"claim": "groups", "map": {one: one for one in groups}}
    return {"auth": {"jwt": {"issuer": "corp", "claims": {"azp": "bot"}, "roles_from": roles_from, **more}}}


def role_allow(name: str, *roles: str, target: str = "template/*") -> Change:
    raw = {"effect": "allow", "subjects": {"roles": [*roles]}, "actions": "any", "targets": {"names": [target]}}
    return created("policy", name, raw)


def many_roles(roles: list[str], secret: str) -> list[Known]:
    """A datasource and a template behind each role, and `secret`, which asks for a role that no policy names."""
    made = [CONNECTOR, role_allow("read", "z2", target="template/secret"), reading("secret")]
    made += [created("datasource", "secret", data(access_roles=[secret]))]
    for one in roles:
        made += [created("datasource", one, data(access_roles=[one])), reading(one)]
        made += [role_allow(one, one, target=f"template/{one}")]
    return known_after(*made, created("caller", "bot", by_token([*roles, "z1", "z2"])))


def reading(name: str) -> Change:
    """A template that reads the datasource of the same name."""
    return created("template", name, {"type": "http", "datasource": name, "method": "GET", "path": "/x"})


def data(**fields: Any) -> dict[str, Any]:
    return {"type": "api", "connector": "api", **fields}


def test_only_roles_that_concern_what_changes_are_combined() -> None:
    change = updated("datasource", "secret", data(access_roles=["nobody"]), data(access_roles=["z1"]))
    rows = many_roles([f"a{number:02}" for number in range(40)], "nobody")
    found = effects_of(rows, [change], PROJECT)
    assert lines(found) == [("bot", ("z1", "z2"), None, True, 1)]
    assert (found.risks, found.notes) == ({change.address: frozenset({"access-widened"})}, ())


def test_what_is_not_compared_counts_as_wider() -> None:
    """Where more roles decide about what changes than can be combined, it fails closed and says so."""
    groups = [f"a{number:02}" for number in range(40)]
    rows = many_roles(groups, "nobody")
    caller = updated("caller", "bot", by_token([*groups, "z1"]), by_token([*groups, "z1", "z2"]))
    rows = [one for one in rows if one.address != caller.address] + known_before(caller)
    found = effects_of(rows, [caller], PROJECT)
    assert found.risks == {caller.address: frozenset({"access-widened"})}
    said = "not all combinations of the 41 roles that tokens may bring were compared"
    assert found.notes == (f"{TENANT}/caller/bot: {said}",)

    # a caller that stays as it is: the change of what all of its roles may do
    wide = role_allow("wide", "b", *groups).new_text
    address = Address(TENANT, "policy", "wide")
    policies = [role_allow(f"w{one}", one, target="template/se*") for one in groups]
    rows = [*many_roles(groups, "nobody"), *known_after(*policies)]
    found = effects_of(rows, [Change(address, Action.CREATE, None, wide)], PROJECT)
    assert "access-widened" in found.risks[address]
    assert found.notes


def test_a_weaker_proof_admits_all_that_tokens_bring() -> None:
    strict = {"issuer": "corp", "claims": {"azp": "bot", "org": "a"}}
    rows = known_after(CONNECTOR, template("t"), role_allow("read", "g"))
    for weaker in ({"claims": {"azp": "bot"}}, {"issuer": "other", "claims": strict["claims"]}):
        change = updated("caller", "bot", by_token(["g"], **strict), by_token(["g"], **(strict | weaker)))
        found = effects_of([*rows, *known_before(change)], [change], PROJECT)
        assert ("bot", ("g",), "jwt", True, 1) in lines(found)
        assert "access-widened" in found.risks[change.address]


def test_a_key_brings_no_roles() -> None:
    rows = known_after(CONNECTOR, template("t"), role_allow("read", "g"))
    before, after = by_token(["g"]), by_token(["g"])
    after["auth"]["api_key"] = {}
    change = updated("caller", "bot", before, after)
    assert effects_of([*rows, *known_before(change)], [change], PROJECT) == Judged()


def test_a_template_that_reads_another_datasource_does_something_else() -> None:
    narrow, wide = created("datasource", "narrow", data(paths=["/x"])), created("datasource", "wide", data())
    for after, through in (({"datasource": "wide"}, "datasource/wide"), ({}, "connector/api")):
        raw = {"type": "http", "method": "GET", "path": "/x"}
        change = updated("template", "t", {**raw, "datasource": "narrow"}, {**raw, **(after or {"connector": "api"})})
        rows = [*known_after(CONNECTOR, CALLER, ANY, narrow, wide), *known_before(change)]
        found = effects_of(rows, [change], PROJECT)
        assert found.effects.listed[0].reaches[0].through == through
        assert "access-widened" in found.risks[change.address]
    # only renamed
    moved = Change(
        Address(TENANT, "datasource", "slim"), Action.MOVE, narrow.new_text, narrow.new_text, previous=narrow.address
    )
    change = updated("template", "t", {**raw, "datasource": "narrow"}, {**raw, "datasource": "slim"})
    rows = [*known_after(CONNECTOR, CALLER, ANY, narrow), *known_before(change)]
    assert effects_of(rows, [moved, change], PROJECT) == Judged()


def test_a_search_whose_text_goes_to_another_model_provider_does_something_else() -> None:
    openai = {"provider": "openai", "credential": "env://KEY"}
    integrations = created("integration", "main", openai), created("integration", "spare", openai)
    store = created("connector", "store", {"type": "vector", "engine": "qdrant", "url": "https://q.example"})
    source = created(
        "datasource",
        "docs",
        {"type": "vector", "connector": "store", "collection": "c", "classification": "internal"},
    )

    def search(integration: str) -> dict[str, Any]:
        embed = {"integration": integration, "model": "m", "text": "a"}
        return {"type": "vector", "datasource": "docs", "operation": "search", "embed": embed}

    change = updated("template", "t", search("main"), search("spare"))
    rows = [*known_after(store, source, *integrations, CALLER, ANY), *known_before(change)]
    found = effects_of(rows, [change], PROJECT)
    assert found.effects.listed[0].reaches[0].through == "integration/spare"
    assert "access-widened" in found.risks[change.address]


def test_a_uid_that_comes_back_is_as_suspended_as_it_was() -> None:
    """A rollback creates what it deleted with its former uid, and with what operators decided about that."""
    back = replace(template("back"), restored_uid="u1")
    rows = known_after(CONNECTOR, CALLER, ANY)
    assert effects_of(rows, [back], PROJECT).effects.widened == 1
    assert effects_of(rows, [back], PROJECT, {(TENANT, "u1")}).effects.widened == 0
    assert effects_of(rows, [back], PROJECT, {("another", "u1")}).effects.widened == 1
    asked: list[Any] = []

    def suspended(uids: Any) -> Any:
        asked.append(uids)
        return uids

    assert judged([back], PROJECT, lambda _tenants, _besides: rows, suspended).effects.widened == 0
    assert judged([template("new")], PROJECT, lambda _tenants, _besides: rows, suspended).effects.widened == 1
    assert asked == [{(TENANT, "u1")}]
