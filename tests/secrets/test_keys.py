"""Key files: made once, changed whole, read only where nobody else may."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconciler.errors import IntegrityFailed, ReconcilerError, Refused, UsageError
from reconciler.secrets.keys import add_key, create_keys, promote_key, read_keys, retire_key
from reconciler.secrets.ring import ring_of
from tests.conftest import ROOT, command_environment

KEY = base64.b64encode(bytes(range(32))).decode()
GOOD = {"format_version": "1", "primary": "a", "keys": {"a": KEY, "b": KEY}, "retired": ["b"]}


def test_a_life_of_keys(key_file: Path) -> None:
    first = read_keys(key_file).primary
    second = add_key(key_file)
    assert read_keys(key_file).state(second) == "decrypt-only"
    promote_key(key_file, second)
    assert (read_keys(key_file).state(first), read_keys(key_file).state(second)) == ("decrypt-only", "primary")
    retire_key(key_file, first)
    retire_key(key_file, first)
    keys = read_keys(key_file)
    assert keys.state(first) == "retired"
    assert len(keys.by_id[first]) == 32  # it still verifies what it signed
    assert len({*keys.by_id.values()}) == 2
    ring = ring_of(keys, None)
    assert ring is not None
    with pytest.raises(Refused, match=f"the key {first} is retired"):
        ring.by_id(first)
    with pytest.raises(Refused, match="is retired"):
        promote_key(key_file, first)
    with pytest.raises(Refused, match="is primary"):
        retire_key(key_file, second)
    for change in (promote_key, retire_key):
        with pytest.raises(UsageError, match="has no key 'k-none'"):
            change(key_file, "k-none")
    assert read_keys(key_file) == keys


def test_nobody_else_may_read(key_file: Path, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        create_keys(tmp_path / "other.json")
        add_key(tmp_path / "other.json")
        assert stat.S_IMODE((tmp_path / "other.json").stat().st_mode) == 0o600
    finally:
        os.umask(old)
    for mode in (0o640, 0o604, 0o660, 0o620, 0o601, 0o644, 0o777):
        key_file.chmod(mode)
        for use in (read_keys, add_key):
            with pytest.raises(Refused, match="others may read") as caught:
                use(key_file)
            assert caught.value.problems[0].hint == f"chmod 600 {key_file}"
    key_file.chmod(0o400)
    read_keys(key_file)


def test_never_overwritten(key_file: Path, tmp_path: Path) -> None:
    before = key_file.read_bytes()
    with pytest.raises(Refused, match="never overwritten"):
        create_keys(key_file)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="never overwritten"):
        create_keys(tmp_path / "link")
    with pytest.raises(ReconcilerError, match="No such file"):
        create_keys(tmp_path / "none" / "keys.json")
    assert key_file.read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in GOOD.items() if k != key}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"text"',
        b"[" * 100_000,
        b"{" + b" " * (1 << 21) + b"}",
        without("primary"),
        without("keys"),
        {**GOOD, "primary": "c"},
        {**GOOD, "primary": None},
        {**GOOD, "primary": ["a"]},
        {**GOOD, "keys": []},
        {**GOOD, "keys": {}},
        {**GOOD, "keys": {"a": None}},
        {**GOOD, "keys": {"a": 5}},
        {**GOOD, "keys": {"a": "no base64"}},
        {**GOOD, "keys": {"a": "é" * 44}},
        {**GOOD, "keys": {"a": KEY, "b": KEY[:40]}},
        {**GOOD, "keys": {"a": KEY, "": KEY}},
        {**GOOD, "keys": {"a": KEY, "k" * 65: KEY}},
        {**GOOD, "keys": {"a": KEY, "transit:a/b": KEY}},
        {**GOOD, "keys": {"a": KEY, "\x1b[31m": KEY}},
        {**GOOD, "keys": {"a": KEY, "b\n": KEY}},
        {**GOOD, "retired": "b"},
        {**GOOD, "retired": {"b": True}},
        {**GOOD, "retired": [["b"]]},
        {**GOOD, "retired": ["a"]},
        {**GOOD, "retired": None},
    ],
    ids=lambda content: repr(content)[:60],
)
def test_what_is_no_key_file(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(0o600)
    for use in (read_keys, add_key, lambda path: promote_key(path, "b"), lambda path: retire_key(path, "b")):
        before = path.read_bytes()
        with pytest.raises(IntegrityFailed, match="is not a key file") as caught:
            use(path)
        assert KEY not in str(caught.value)
        assert path.read_bytes() == before


def test_what_is_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    for content in (GOOD, without("retired"), without("format_version"), {**GOOD, "comment": "ours"}):
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        assert read_keys(path).primary == "a"
    assert add_key(path)
    assert json.loads(path.read_text())["comment"] == "ours"
    path.write_text(json.dumps({**GOOD, "format_version": "2"}))
    with pytest.raises(Refused, match="newer format"):
        read_keys(path)


def test_no_file_at_all(tmp_path: Path) -> None:
    """A project file of a pull request may name anything: none of it is waited for, or read without end."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(IntegrityFailed, match="is not a key file"):
            read_keys(path)
    for path in (tmp_path, tmp_path / "none", tmp_path / "none" / "none", Path("x" * 5000)):
        with pytest.raises(ReconcilerError, match="can't read the key file") as caught:
            read_keys(path)
        assert "keys create" in str(caught.value.problems[0].hint)


def test_a_link_stays_a_link(key_file: Path, tmp_path: Path) -> None:
    """A mounted secret is one: what it points to is changed, under one lock whatever it is called."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.json"
    link.symlink_to(key_file)
    identity = add_key(link)
    assert link.is_symlink()
    assert not key_file.is_symlink()
    assert identity in read_keys(key_file).by_id
    assert [*(tmp_path / "elsewhere").iterdir()] == [link]


ADDING = "import sys; from pathlib import Path; from reconciler.secrets.keys import add_key\nfor _ in range({}): print(add_key(Path(sys.argv[1])), flush=True)"


def adding(path: Path, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADDING.format(times), str(path)],
        env=command_environment({"PYTHONPATH": str(ROOT)}),
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_add_keys_at_once_lose_none(key_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(key_file)
    processes = [adding(path, 40) for path in (key_file, link, key_file, link)]
    said = {line for process in processes for line in process.communicate(timeout=120)[0].split()}
    assert len(said) == 160
    assert {*read_keys(key_file).by_id} - {read_keys(key_file).primary} == said
    assert [*tmp_path.glob(".keys*")] == []


@pytest.mark.parametrize("seed", range(6))
def test_killed_in_the_middle_it_is_whole(key_file: Path, seed: int) -> None:
    """With every key that was said to be there; what a dead process leaves is as private as the file itself."""
    process = adding(key_file, 100_000)
    assert process.stdout is not None
    dice = Random(seed)
    said = [process.stdout.readline().strip() for _ in range(dice.randrange(1, 60))]
    for _ in range(dice.randrange(200_000)):  # no sleep: some microseconds to some milliseconds of work
        pass
    os.kill(process.pid, signal.SIGKILL)
    said += process.communicate()[0].split()
    keys = read_keys(key_file)
    assert set(said) <= {*keys.by_id}
    assert len(keys.by_id) - 1 - len(said) in (0, 1)  # one may have been written and not said any more
    assert all(stat.S_IMODE(left.stat().st_mode) == 0o600 for left in key_file.parent.glob(".keys*"))
    assert add_key(key_file) in read_keys(key_file).by_id


ZEROS, SAME, PERIODIC = (base64.b64encode(key).decode() for key in (bytes(32), b"k" * 32, bytes(range(8)) * 4))


@pytest.mark.parametrize("weak", [ZEROS, SAME, PERIODIC], ids=["zeros", "one byte", "eight bytes"])
@pytest.mark.parametrize("primary", ["k-weak", "k-good"])
def test_a_key_that_repeats_itself_is_refused(tmp_path: Path, weak: str, primary: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"format_version": "1", "primary": primary, "keys": {"k-weak": weak, "k-good": KEY}}))
    file.chmod(0o600)
    with pytest.raises(Refused, match=r"the key k-weak in .* repeats itself") as caught:
        read_keys(file)
    assert caught.value.problems[0].code == "key-weak"
    assert weak not in str(caught.value)


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    file, other = tmp_path / "keys.json", base64.b64encode(bytes(range(1, 33))).decode()
    file.write_text(f'{{"format_version": "1", "primary": "k-1", "keys": {{"k-1": "{KEY}", "k-1": "{other}"}}}}')
    file.chmod(0o600)
    with pytest.raises(Refused, match="has 'k-1' twice"):
        read_keys(file)


def test_a_file_of_another_user_is_refused(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: key_file.stat().st_uid + 1)
    with pytest.raises(Refused, match="belongs to another user") as caught:
        read_keys(key_file)
    assert caught.value.problems[0].code == "key-permissions"
