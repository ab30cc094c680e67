"""No apply lifts a freeze: random histories of renames, replacements, deletions and freezes, held against a small model."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
from msgspec import Struct, field

from reconciler.errors import ReconcilerError
from reconciler.model.address import Address
from reconciler.store.secrets import Actor
from reconciler.store.status import NotFrozen, UnknownTarget, freeze, freezes, read_status, unfreeze
from reconciler.store.transaction import Transaction
from tests.conftest import new_postgres_database
from tests.planner.support import CUSTOM, HTTP, wish
from tests.properties.arena import Arena, arena

ADA = Actor("ada")
NAMES = ("a", "b", "c", "d", "e")
TYPES = {"custom": CUSTOM, "http": HTTP}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest) -> Iterator[Arena]:
    url = new_postgres_database(request.getfixturevalue("postgres_server")) if request.param == "postgresql" else None
    with arena(request.param, url) as found:
        yield found


class Model(Struct):
    """``things`` says by name which thing it is, and of what type; a thing stays the same through moves and replacements."""

    things: dict[str, tuple[int, str]] = field(default_factory=dict)
    frozen: set[int] = field(default_factory=set)
    ahead: set[str] = field(default_factory=set)
    made: int = 0

    def create(self, name: str, type: str) -> None:
        self.made += 1
        self.things[name] = (self.made, type)

    def is_frozen(self, name: str) -> bool:
        return name in self.ahead or self.things[name][0] in self.frozen

    def move(self, moves: dict[str, str]) -> None:
        """A name that was frozen ahead of time stays frozen, and so does what leaves it."""
        self.frozen |= {self.things[old][0] for old in moves if old in self.ahead}
        taken = {old: self.things.pop(old) for old in moves}
        self.things |= {moves[old]: thing for old, thing in taken.items()}


def target(name: str) -> str:
    return f"acme/connector/{name}"


def applied(arena: Arena, model: Model, moves: dict[str, str]) -> None:
    bodies = {f"connector/{name}": TYPES[type] for name, (_, type) in model.things.items()}
    moved = [(f"connector/{old}", f"connector/{new}") for old, new in moves.items()]
    arena.apply(arena.plan(wish(bodies, moved=moved)))


def lives(arena: Arena) -> dict[str, str]:
    return dict(arena.sql("SELECT name, uid FROM resources ORDER BY name"))  # type: ignore[arg-type]


def frozen_uids(arena: Arena) -> set[str]:
    status = read_status(arena.database)
    return {uid for name, uid in lives(arena).items() if status.freeze_at(Address.parse(target(name)), uid)}


def agrees(arena: Arena, model: Model) -> None:
    found = lives(arena)
    assert [*found] == sorted(model.things)
    status = read_status(arena.database)
    told = {name for name, uid in found.items() if status.freeze_at(Address.parse(target(name)), uid)}
    assert told == {name for name in model.things if model.is_frozen(name)}
    listed = {entry.address for entry in freezes(arena.database) if entry.state == "in-force"}
    assert listed == {target(name) for name in told}


def change(pick: random.Random, arena: Arena, model: Model) -> dict[str, str]:
    """Change some names at once, and return the renames."""
    gone = pick.sample(sorted(model.things), k=min(len(model.things), pick.choice([0, 0, 1])))
    for name in gone:
        del model.things[name]
    here = sorted(model.things)
    olds = pick.sample(here, k=pick.randint(0, min(2, len(here))))
    news = pick.sample([name for name in NAMES if name not in here or name in olds], k=len(olds))
    moves = {old: new for old, new in zip(olds, news, strict=True) if old != new}
    model.move(moves)
    for name in pick.sample(NAMES, k=2):
        if name not in model.things and name not in moves and name not in gone:
            model.create(name, pick.choice([*TYPES]))
        elif name in model.things and pick.random() < 0.5:
            model.things[name] = (model.things[name][0], pick.choice([*TYPES]))
    return moves


def freeze_something(pick: random.Random, arena: Arena, model: Model) -> None:
    name = pick.choice(NAMES)
    if name in model.things:
        assert freeze(arena.database, target(name), "incident", ADA) is not model.is_frozen(name)
        if not model.is_frozen(name):
            model.frozen.add(model.things[name][0])
        return
    with pytest.raises(UnknownTarget):
        freeze(arena.database, target(name), "incident", ADA)
    if pick.random() < 0.8:
        freeze(arena.database, target(name), "incident", ADA, allow_unknown=True)
        model.ahead.add(name)


def unfreeze_something(pick: random.Random, arena: Arena, model: Model) -> None:
    name = pick.choice(sorted(model.things) or NAMES)
    if name in model.things and model.is_frozen(name):
        unfreeze(arena.database, target(name), "over", ADA)
        model.ahead.discard(name)
        model.frozen.discard(model.things[name][0])
    elif any(entry.state == "ended" and entry.freeze.target == target(name) for entry in freezes(arena.database)):
        unfreeze(arena.database, target(name), "over", ADA)  # that of a former one, which the list shows as gone
    elif name in model.things:
        with pytest.raises(NotFrozen):
            unfreeze(arena.database, target(name), "over", ADA)


@pytest.mark.parametrize("seed", range(4))
def test_no_apply_lifts_a_freeze(made: Arena, seed: int) -> None:
    made.reset()
    pick, model = random.Random(seed), Model()
    for name in NAMES[:3]:
        model.create(name, pick.choice([*TYPES]))
    applied(made, model, {})
    for _ in range(10):
        for _ in range(pick.randint(0, 2)):
            freeze_something(pick, made, model)
        if pick.random() < 0.3:
            unfreeze_something(pick, made, model)
        agrees(made, model)
        if model.things and pick.random() < 0.3:  # by hand: the next apply makes it anew, as the same thing
            made.sql("DELETE FROM resources WHERE name = ?", [pick.choice(sorted(model.things))])
            applied(made, model, {})
            agrees(made, model)
        before = frozen_uids(made)
        moves = change(pick, made, model)
        applied(made, model, moves)
        agrees(made, model)
        assert before & {*lives(made).values()} <= frozen_uids(made)


def test_a_replacement_keeps_the_freeze_and_one_command_lifts_both(made: Arena) -> None:
    made.reset()
    model = Model()
    model.create("a", "custom")
    applied(made, model, {})
    freeze(made.database, target("a"), "incident 7", ADA)
    first = lives(made)["a"]
    model.things["a"] = (1, "http")
    applied(made, model, {})
    second = lives(made)["a"]
    assert first != second
    (entry,) = freezes(made.database)
    assert (entry.address, entry.freeze.uid, entry.freeze.reason, entry.state) == (
        *(target("a"), second, "incident 7"),
        "in-force",
    )
    unfreeze(made.database, target("a"), "over", ADA)
    assert freezes(made.database) == []
    assert made.sql("SELECT count(*) FROM freezes WHERE lifted_at IS NULL") == [(0,)]


def test_a_name_used_again_gets_nothing_of_the_former_one(made: Arena) -> None:
    made.reset()
    model = Model()
    model.create("a", "custom")
    applied(made, model, {})
    freeze(made.database, target("a"), "incident 7", ADA)
    del model.things["a"]
    applied(made, model, {})
    (entry,) = freezes(made.database)
    assert (entry.address, entry.state) == (None, "ended")
    model.create("a", "custom")
    applied(made, model, {})
    agrees(made, model)
    with pytest.raises(ReconcilerError):  # what was frozen is gone, and this is another
        freeze(made.database, target("b"), "x", ADA)
    assert freeze(made.database, target("a"), "incident 8", ADA)


def test_a_freeze_during_an_apply_that_replaces_reaches_the_next_life(
    made: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait: it freezes the life that it finds, and the apply has recorded which one follows."""
    made.reset()
    model = Model()
    for name in NAMES:
        model.create(name, "custom")
    applied(made, model, {})
    plan = made.plan(wish({f"connector/{name}": HTTP for name in NAMES}))
    written, finish = threading.Event(), Transaction.finish

    def slowly(transaction: Transaction) -> None:
        written.set()
        time.sleep(0.5)
        finish(transaction)

    monkeypatch.setattr(Transaction, "finish", slowly)
    threads = [threading.Thread(target=made.apply, args=(plan,))]
    threads += [threading.Thread(target=freeze, args=(made.database, target(name), "x", ADA)) for name in NAMES]
    threads[0].start()
    assert written.wait(10)
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(frozen_uids(made)) == len(NAMES)
