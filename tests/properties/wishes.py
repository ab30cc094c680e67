"""Random wishes of a project, one after the other, and what people do to rows by hand in between."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from .bodies import Body, Pick
from .reference import Key, owner_of
from .story import NAMES, TENANT, Story, Want, normalise

URL = "https://api.example.com"
Short = tuple[str, str]


def _body(pick: Pick, kind: str, bodies: dict[Short, Body], external: set[Short]) -> Body | None:
    """A small body that refers to what is there; None where there is nothing to refer to."""
    there = [*bodies, *external]
    body: Body
    if kind == "connector":
        body = dict(
            pick.of(({"type": "custom"}, {"type": "http", "base_url": URL}, {"type": "custom", "config": {"n": 1}}))
        )
    elif kind == "integration":
        body = {"provider": pick.of(("ollama", "custom")), "base_url": URL, "models": pick.some(("m", "n", "o"))}
    elif kind == "datasource":
        connectors = [name for one, name in there if one == "connector"]
        if not connectors:
            return None
        body = {"type": pick.of(("custom", "custom", "document")), "connector": pick.of(connectors)}
    elif kind == "template":
        able = [n for (k, n), b in bodies.items() if k == "connector" and b["type"] == "http"]
        if not able:
            return None
        body = {"type": "http", "connector": pick.of(able), "method": "GET", "path": pick.of(("/v1", "/v2"))}
    else:
        targets = [f"{one}/{name}" for one, name in there if one != "limit"]
        body = {"target": pick.of(("tenant", *targets)), "concurrent": pick.number(3)}
    pick.maybe(body, "description", "", "one", "two")
    if pick.number(40) == 39:
        body["protected"] = True
    return body


KINDS = ("connector", "integration", "datasource", "template", "limit")


def first(pick: Pick, names: tuple[str, ...], external: set[Short]) -> Want:
    want = Want()
    for kind in KINDS:
        for name in names:
            if pick.number(2) and (body := _body(pick, kind, want.bodies, external)):
                want.bodies[kind, name] = body
    return want


def following(pick: Pick, last: Want, external: set[Short]) -> Want:
    """Another wish that has to do with the last one: changed, dropped, renamed, let go of, new."""
    want = Want()
    keeps = pick.number(2) == 1 and all(new in last.bodies for new in last.moved.values())
    moves = dict(last.moved) if keeps else _renames(pick, last)
    targets = set(moves.values())
    for kind in KINDS:
        for name in NAMES:
            key = (kind, name)
            source = next((old for old, new in moves.items() if new == key), key)
            known = last.bodies.get(source) or last.bodies.get(key)
            fate = pick.number(8)
            if key in moves and key not in targets:
                continue  # renamed, and nothing takes its place
            if key in targets or (known and fate > 1) or (not known and fate == 7):
                same = known is not None and fate > 3 and _met(kind, known, want, external)
                body = dict(known) if same and known else _body(pick, kind, want.bodies, external)
                if body is not None:
                    want.bodies[key] = body
            elif known and fate == 1:
                want.let_go.add(key)
    # an entry stays only where its end is declared, or let go of, or leads on
    known = {*want.bodies, *want.let_go}
    while wrong := [old for old, new in moves.items() if new not in known and new not in moves]:
        for old in wrong:
            del moves[old]
    for old in [old for old in moves if old in want.bodies and old not in moves.values()]:
        del moves[old]
    while wrong := [old for old, new in moves.items() if new not in known and new not in moves]:
        for old in wrong:
            del moves[old]
    want.moved = moves
    return want


def _met(kind: str, body: Body, want: Want, external: set[Short]) -> bool:
    """Whether what the body refers to is still there, and of the right type."""
    there = {*want.bodies, *external}
    if kind == "datasource":
        return ("connector", body["connector"]) in there
    if kind == "template":
        return want.bodies.get(("connector", body["connector"]), {}).get("type") == "http"
    return kind != "limit" or body["target"] == "tenant" or tuple(body["target"].split("/")) in there


def _renames(pick: Pick, last: Want) -> dict[Short, Short]:
    """A chain, a circle or single ones, within a kind."""
    found: dict[Short, Short] = {}
    for kind in KINDS[:3]:
        there = [name for one, name in last.bodies if one == kind]
        form = pick.number(5)
        if not there or form == 0:
            continue
        first = pick.of(there)
        others = [name for name in NAMES if name != first]
        turn = pick.number(len(others))
        line = [first, *others[turn:], *others[:turn]]
        if form == 1:  # one rename
            line = line[:2]
        elif form == 2:  # a swap, mostly of two that are there
            line = [first, next((name for name in there if name != first), line[1]), first]
        else:  # a shift, a chain over names that nobody wants, or a circle of all
            line = line[: 3 + pick.number(2)] + ([first] if form == 4 else [])
        found |= {(kind, old): (kind, new) for old, new in pairwise(line)}
    return found


def adoptions(pick: Pick, want: Want, story: Story) -> None:
    """Takes over most of what is not ours; every second time as it is."""
    rows = story.rows()
    for key in want.bodies:
        place: Key = (TENANT, *key)
        if place in rows and place not in story.records.get("shop", {}) and pick.number(6):
            owner = owner_of(place, rows, story.records)
            want.adopt[key] = owner if owner else pick.of((None, "other"))
            raw = normalise(place, rows[place].raw)
            if raw and pick.number(2) and _met(key[0], raw, want, set()) and not _needed(key, want):
                want.bodies[key] = raw


def _needed(key: Short, want: Want) -> bool:
    """Whether another body counts on the type of this one."""
    return key[0] == "connector" and any(body.get("connector") == key[1] for body in want.bodies.values())


def hands(pick: Pick, story: Story, wanted: dict[Short, Body]) -> None:
    """Up to four things that somebody does to rows by plain SQL."""
    cast = "" if story.arena.database.is_sqlite else "::jsonb"
    for _ in range(pick.number(5)):
        rows = story.rows()
        here = "tenant = ? AND kind = ? AND name = ?"
        act = pick.number(9)
        if act == 8 or not rows:
            kind, name = pick.of(KINDS), pick.of(NAMES)
            if (TENANT, kind, name) not in rows:
                spec: Any = pick.of(
                    ({}, {"type": "custom"}, {"provider": "custom", "base_url": URL}, [1], {"target": "tenant"})
                )
                story.by_hand(
                    f"INSERT INTO resources (tenant, kind, name, spec) VALUES (?, ?, ?, ?{cast})",
                    TENANT, kind, name, json.dumps(spec),
                )  # fmt: skip
            continue
        key = pick.of(sorted(rows))
        kind, raw = key[1], rows[key].raw
        free = [name for name in NAMES if (key[0], kind, name) not in rows]
        if act <= 3:
            changed: Any = raw if isinstance(raw, dict) else {}
            if act == 0:
                changed = {**changed, "description": pick.of(("one", "two", "by hand"))}
            elif act == 1:
                changed = pick.of(
                    ([], {}, {**changed, "description": 5}, {**changed, "type": "http"}, {**changed, "x": [1.0]})
                )
            elif act == 2:
                changed = {**changed, "protected": pick.number(3) == 0}
            else:
                changed = wanted.get(key[1:], changed)
            story.by_hand(f"UPDATE resources SET spec = ?{cast} WHERE {here}", json.dumps(changed), *key)
        elif act == 4:
            story.by_hand(f"DELETE FROM resources WHERE {here}", *key)
        elif act == 5 and free:
            story.by_hand(
                "INSERT INTO resources (tenant, kind, name, spec, project, digest, digest_of) "
                f"SELECT tenant, kind, ?, spec, project, digest, digest_of FROM resources WHERE {here}",
                pick.of(free), *key,
            )  # fmt: skip
        elif act == 6 and free:
            story.by_hand(f"UPDATE resources SET name = ? WHERE {here}", pick.of(free), *key)
        elif act == 7 and not any(other[0] == "twin" for other in rows):
            story.by_hand(
                "INSERT INTO resources (tenant, kind, name, spec, uid, project) "
                f"SELECT 'twin', kind, name, spec, uid, project FROM resources WHERE {here}",
                *key,
            )


def opening(pick: Pick, story: Story) -> tuple[Want, set[Short]]:
    """Two projects apply something; returns what ours wanted, and what of the other it may refer to."""
    want = first(pick, NAMES, set())
    story.apply("shop", want, set())
    taken = {key[1:] for key in story.rows()}
    other = Want()
    for key in [(kind, name) for kind in KINDS[:3] for name in NAMES if (kind, name) not in taken]:
        if pick.number(3) == 1 and (
            body := _body(pick, key[0], other.bodies, {k for k in taken if k[0] == "connector"})
        ):
            other.bodies[key] = body
    story.apply("other", other, taken)
    return want, {key for key in other.bodies if key[0] == "connector" and pick.number(3) == 0}


def turn(pick: Pick, story: Story, last: Want, external: set[Short]) -> tuple[Want, set[Short]]:
    """People change rows, and then our project wants something else; returns it with what it declares external."""
    want = following(pick, last, external)
    hands(pick, story, want.bodies)
    adoptions(pick, want, story)
    return want, external - want.bodies.keys()
