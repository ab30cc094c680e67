"""Many at once: every value gets a version of its own, and no secret is left under a retired key."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.credentials.keep import About, keep, reencrypt
from reconciler.errors import ReconcilerError
from reconciler.secrets.keys import add_key, promote_key, read_keys
from reconciler.secrets.secret import Secret
from reconciler.store import secrets as store
from tests.conftest import command_environment
from tests.secrets.support import ACTOR, Kept

WRITERS = 24
_context = multiprocessing.get_context("fork")


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each says, begun at the same moment in a process of its own; an error is its code."""
    barrier, results = _context.Barrier(len(works)), _context.Queue()

    def begin(number: int, work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results.put((number, work()))
        except ReconcilerError as error:
            results.put((number, error.problems[0].code))
        except BaseException as error:
            results.put((number, repr(error)))

    processes = [_context.Process(target=begin, args=pair) for pair in enumerate(works)]
    for process in processes:
        process.start()
    said = dict(results.get(timeout=120) for _ in works)
    for process in processes:
        process.join(30)
    return [said[number] for number in range(len(works))]


def setting(kept: Kept, value: str, times: int = 1) -> Callable[[], Any]:
    ring = kept.ring

    def work() -> list[int]:
        return [
            keep(kept.database, ring, "acme", "one", Secret(f"{value} {n}"), About(), ACTOR).version
            for n in range(times)
        ]

    return work


def trail(kept: Kept) -> list[dict[str, Any]]:
    return [json.loads(body) for (body,) in kept.db.sql("SELECT body FROM audit ORDER BY seq")]


def test_processes_that_set_one_secret_at_once(kept: Kept) -> None:
    """The unluckiest one loses twenty times and more, and is not lost for that."""
    versions = at_once(*(setting(kept, f"value {number}") for number in range(WRITERS)))
    assert sorted(version for (version,) in versions) == [*range(1, WRITERS + 1)]
    assert kept.value("one") == f"value {versions.index([WRITERS])} 0"
    entries = [entry for entry in trail(kept) if entry["event"] == "secret-set"]
    assert [entry["version"] for entry in entries] == [*range(1, WRITERS + 1)]
    assert len({entry["uid"] for entry in entries}) == 1


def test_command_lines_that_set_one_secret_at_once(here: Kept) -> None:
    def start(value: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", "secrets", "set", "acme/one", "--format", "json"],
            cwd=here.folder,
            env=command_environment(here.environment({})),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    processes = {value: start(value) for value in ("aaaaaa", "bbbbbb", "cccccc")}
    said = {value: process.communicate(value, timeout=120) for value, process in processes.items()}
    versions = {json.loads(out)["secret"]["version"]: value for value, (out, _) in said.items()}
    assert sorted(versions) == [1, 2, 3]
    assert here.value("one") == versions[3]


def test_setting_against_deleting(kept: Kept) -> None:
    """The trail tells one story, and the row is its end."""

    def deleting() -> int:
        gone = 0
        for _ in range(12):
            found = store.find(kept.database, "acme", "one")
            gone += found is not None and store.delete(kept.database, found, ACTOR)
        return gone

    said = at_once(setting(kept, "a", 8), deleting, setting(kept, "b", 8), deleting)
    assert [len(said[0]), len(said[2])] == [8, 8]
    now: tuple[str, int] | None = None
    events = []
    for entry in trail(kept):
        events.append(entry["event"])
        if entry["event"] == "secret-delete":
            assert now is not None
            assert now[0] == entry["uid"]
            now = None
        else:
            assert entry["version"] == (now[1] + 1 if now else 1)
            assert now is None or now[0] == entry["uid"]
            now = (entry["uid"], entry["version"])
    assert events.count("secret-set") == 16
    assert events.count("secret-delete") == said[1] + said[3]
    found = store.find(kept.database, "acme", "one")
    assert (found and (found.uid, found.version)) == now
    if found:
        assert kept.value("one")


@pytest.mark.parametrize("there", [False, True], ids=["new", "next"])
def test_setting_against_retiring_the_key(kept: Kept, there: bool) -> None:
    """By somebody whose key file is old: whoever comes second is refused."""
    if there:
        kept("set", "acme/one", stdin="old").ok()
    seen = set()
    for number in range(6):
        stale, old = setting(kept, f"value {number}"), kept.ring.primary.key_id
        promote_key(kept.key_file, add_key(kept.key_file))
        reencrypt(kept.database, kept.ring, ACTOR, lambda _: None)
        set_, retired = at_once(stale, lambda old=old: store.retire(kept.database, old, ACTOR))  # type: ignore[misc]
        under = [key for (key,) in kept.db.sql("SELECT key_id FROM secrets")]
        if retired is None:
            assert set_ == "key-retired"
            assert old not in under
            assert {key: use.retired_at is not None for key, use in store.key_uses(kept.database).items()}[old]
        else:
            assert retired == "key-in-use"
            assert isinstance(set_, list)
            assert under == [old]
        seen.add(retired)
        if not there and under:
            kept("delete", "acme/one", "--auto-approve").ok()
        elif under:
            assert kept.value("one")
    assert seen <= {None, "key-in-use"}


def test_whoever_has_an_old_key_file(kept: Kept) -> None:
    """What it seals after the rotation is found again; after the retirement it seals nothing."""
    stale, old = setting(kept, "with the old key"), read_keys(kept.key_file).primary
    promote_key(kept.key_file, add_key(kept.key_file))
    assert kept("reencrypt", "--format", "json").ok().json["rewrapped"] == 0
    stale()
    refused = kept("keys", "retire", old).ok(6)
    assert f"the key {old} still holds 1 secret" in refused.err
    assert "[key-in-use]" in refused.err
    assert kept("reencrypt", "--format", "json").ok().json["rewrapped"] == 1
    kept("keys", "retire", old).ok()
    with pytest.raises(ReconcilerError, match="is retired") as caught:
        stale()
    assert caught.value.exit_code == 6
    assert kept.value("one") == "with the old key 0"


def test_a_new_value_while_keys_change_is_not_overwritten(kept: Kept) -> None:
    """Nor passed over: what somebody with the old key file wrote meanwhile is taken up by the same run."""
    kept("set", "acme/one", stdin="first").ok()
    stale, old_ring = setting(kept, "meanwhile"), kept.ring
    new = add_key(kept.key_file)
    promote_key(kept.key_file, new)
    between = store.rewrapped
    calls = []

    def rewrapped(*arguments: Any) -> bool:
        if not calls:
            stale()
        calls.append(arguments)
        return between(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "rewrapped", rewrapped)
        result = reencrypt(kept.database, kept.ring, ACTOR, lambda _: None)
    assert (result.done, result.failed, result.left, len(calls)) == (1, (), 0, 2)
    assert kept.value("one") == "meanwhile 0"
    assert [key for (key,) in kept.db.sql("SELECT key_id FROM secrets")] == [new]
    assert old_ring.primary.key_id != new
