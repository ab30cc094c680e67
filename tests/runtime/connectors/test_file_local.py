"""Folders of the machine: what is read and written, links, FIFOs and races, and what stays outside."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from reconciler.runtime.call import Answer, Failed, Permits
from reconciler.runtime.checks import check_alone
from tests.runtime.calls import resource
from tests.runtime.connectors.file_support import Files, code, content, local, permits


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "2025").mkdir(parents=True)
    (tmp_path / "root" / "2025" / "q1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    return tmp_path / "root"


def names(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


def test_a_file_is_written_read_listed_and_deleted(root: Path) -> None:
    files = local(root)
    answer = files.call("write", "{y}/{n}.txt", values={"y": "2026", "n": "note", "text": "hällo"})
    assert content(answer) == {"path": "2026/note.txt", "size": 6, "media_type": "text/plain"}
    assert files.effect
    read = files.call("read", "{y}/{n}.txt", values={"y": "2026", "n": "note"})
    assert content(read) == {"path": "2026/note.txt", "size": 6, "media_type": "text/plain", "text": "hällo"}
    assert not files.effect
    listed = content(files.call("list"))
    assert [(one["name"], one["size"]) for one in listed] == [("2025/q1.csv", 8), ("2026/note.txt", 6)]
    assert listed[0]["modified"].endswith("Z")
    assert content(files.call("list", "2026")) == listed[1:]
    assert content(files.call("list", "none/here")) == []
    for _ in range(2):  # a missing file is deleted, as stores say it
        assert content(files.call("delete", "2026/note.txt")) == {"path": "2026/note.txt"}
    assert code(files.call("read", "2026/note.txt")) == "no-such-file"


def test_json_is_written_as_a_file(root: Path) -> None:
    files = local(root)
    answer = files.call("write", "a.json", schema={"type": "object"}, body={"b": [1, "ü"]})
    assert content(answer) == {"path": "a.json", "size": 14, "media_type": "application/json"}
    assert (root / "a.json").read_text() == '{"b":[1,"ü"]}'


def test_bytes_that_are_no_text_are_base64(root: Path) -> None:
    (root / "x.png").write_bytes(b"\x89PNG\xff")
    read = content(local(root).call("read", "x.png"))
    assert read == {"path": "x.png", "size": 5, "media_type": "image/png", "base64": "iVBOR/8="}


def test_an_existing_file_stays_unless_the_template_replaces_it(root: Path) -> None:
    files = local(root)
    refused = files.call("write", "2025/q1.csv", values={"text": "new"})
    assert isinstance(refused, Failed)
    assert (refused.code, refused.outcome) == ("file-exists", "failure")
    assert (root / "2025" / "q1.csv").read_text() == "a,b\n1,2\n"
    content(files.call("write", "2025/q1.csv", values={"text": "new"}, if_exists="replace"))
    assert (root / "2025" / "q1.csv").read_text() == "new"
    assert names(root) == ["2025", "2025/q1.csv"]  # nothing is left of the writes


def test_one_of_many_writers_wins(root: Path) -> None:
    """The look before is no guard: a link is made only where the name is free."""
    found: list[Answer | Failed] = []

    def write(number: int) -> None:
        found.append(local(root).call("write", "one.txt", values={"text": str(number)}))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(isinstance(one, Answer) for one in found) == [False] * 11 + [True]
    assert {one.code for one in found if isinstance(one, Failed)} == {"file-exists"}


@pytest.mark.parametrize("too_large", ["fail", "cut"])
def test_a_file_above_the_bound(root: Path, too_large: str) -> None:
    (root / "big.txt").write_text("ä" * 100)
    answer = local(root).call("read", "big.txt", max_bytes=11, too_large=too_large)
    if too_large == "fail":
        assert code(answer) == "file-too-large"
        return
    assert content(answer) == {"path": "big.txt", "size": 200, "media_type": "text/plain", "text": "ä" * 5}
    assert isinstance(answer, Answer)
    assert answer.cut


def test_bounds_of_writes_and_lists(root: Path) -> None:
    files = local(root)
    refused = files.call("write", "a.txt", values={"text": "x" * 11}, max_bytes=10)
    assert (code(refused), files.effect) == ("file-too-large", False)
    for number in range(5):
        (root / f"{number}.txt").write_text("")
    some = files.call("list", max_results=3)
    assert isinstance(some, Answer)
    assert ([one["name"] for one in some.content], some.rows, some.cut) == (["0.txt", "1.txt", "2.txt"], 3, True)
    every = files.call("list", max_results=6)
    assert isinstance(every, Answer)
    assert (every.rows, every.cut) == (6, False)


def test_the_datasource_is_the_extent(root: Path) -> None:
    files = local(root)
    (root / "other.csv").write_text("x")
    (root / "2025" / "x.txt").write_text("x")
    own = {"prefix": "2025/", "paths": ["*.csv"]}
    assert [one["name"] for one in content(files.call("list", datasource=own))] == ["q1.csv"]
    assert content(files.call("read", "{n}", values={"n": "q1.csv"}, datasource=own))["text"] == "a,b\n1,2\n"
    assert code(files.call("read", "{n}", values={"n": "x.txt"}, datasource=own)) == "path-not-in-datasource"
    assert (
        code(files.call("write", "{n}", values={"n": "y.txt", "text": ""}, datasource=own)) == "path-not-in-datasource"
    )
    assert code(files.call("read", "{n}", values={"n": "../other.csv"}, datasource=own)) == "invalid-path"
    assert code(files.call("list", datasource={"prefix": "../outside"})) == "invalid-path"
    documents = {"type": "document", "collections": ["2025"]}
    assert [one["name"] for one in content(files.call("list", datasource=documents))] == ["2025/q1.csv", "2025/x.txt"]
    assert code(files.call("read", "{n}", values={"n": "other.csv"}, datasource=documents)) == "path-not-in-datasource"


def test_no_link_is_followed(root: Path) -> None:
    outside = root.parent / "outside"
    (root / "file").symlink_to(outside / "secret.txt")
    (root / "folder").symlink_to(outside)
    (root / "2025" / "up").symlink_to("..")
    files = local(root)
    for path in ("file", "folder/secret.txt", "2025/up/2025/q1.csv"):
        assert code(files.call("read", path)) in {"no-such-file", "file-not-permitted"}
        assert isinstance(files.call("write", path, values={"text": "x"}, if_exists="replace"), Failed)
        files.call("delete", path)
    assert isinstance(files.call("write", "folder/new.txt", values={"text": "x"}), Failed)
    assert [one["name"] for one in content(files.call("list"))] == ["2025/q1.csv"]
    assert content(files.call("list", "folder")) == []
    assert names(outside) == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "secret"


def test_a_root_that_is_a_link_or_not_permitted(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    assert code(local(tmp_path / "alias").call("list")) == "unreachable"
    nobody = Files({"provider": "local", "root": str(root)}, permits(tmp_path / "outside"))
    assert code(nobody.call("list")) == "file-not-permitted"
    beside = Files({"provider": "local", "root": f"{root}-more"}, permits(root))
    assert code(beside.call("list")) == "file-not-permitted"
    inside = Files({"provider": "local", "root": f"{root}/2025"}, permits(root))
    assert [one["name"] for one in content(inside.call("list"))] == ["q1.csv"]
    with pytest.raises(Failed, match="can't be opened"):
        local(root / "gone").ping()
    local(root).ping()


def test_a_folder_of_the_tenant(tmp_path: Path) -> None:
    for tenant in ("acme", "other"):
        (tmp_path / tenant).mkdir()
        (tmp_path / tenant / "own.txt").write_text(tenant)
    own = permits()._replace(permits=Permits(file_roots=(tmp_path / "${tenant}",)).of("acme"))
    assert (
        content(Files({"provider": "local", "root": str(tmp_path / "acme")}, own).call("read", "own.txt"))["text"]
        == "acme"
    )
    assert code(Files({"provider": "local", "root": str(tmp_path / "other")}, own).call("list")) == "file-not-permitted"


def test_nothing_but_regular_files_is_opened(root: Path) -> None:
    os.mkfifo(root / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(root / "socket"))
    files = local(root)
    started = time.monotonic()
    for name in ("fifo", "socket", "2025"):
        assert code(files.call("read", name, seconds=5)) == "file-not-permitted"
        assert code(files.call("write", name, values={"text": ""}, if_exists="replace")) == "file-not-permitted"
        assert code(files.call("delete", name)) == "file-not-permitted"
    assert time.monotonic() - started < 10
    assert [one["name"] for one in content(files.call("list"))] == ["2025/q1.csv"]
    listening.close()
    devices = Files({"provider": "local", "root": "/dev"}, permits(Path("/dev")))
    assert code(devices.call("read", "zero")) == "file-not-permitted"


def test_databases_of_the_server_are_nothing_for_templates(root: Path) -> None:
    (root / "runtime.db").write_text("x")
    os.link(root / "runtime.db", root / "hard.txt")
    found = (root / "runtime.db").stat()
    control = frozenset({(found.st_dev, found.st_ino), ("path", str(root / "runtime.db"))})
    files = Files({"provider": "local", "root": str(root)}, permits(root)._replace(control=control))
    for name in ("runtime.db", "runtime.db-wal", "runtime.db-shm", "runtime.db-journal", "hard.txt"):
        assert code(files.call("read", name)) in {"control-database", "no-such-file"}
        assert code(files.call("write", name, values={"text": "x"}, if_exists="replace")) == "control-database"
        assert code(files.call("delete", name)) == "control-database"
    assert code(files.call("read", "hard.txt")) == "control-database"
    assert names(root) == ["2025", "2025/q1.csv", "hard.txt", "runtime.db"]


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(root: Path) -> None:
    """A folder and a link to one outside are exchanged all the time, while files are read and written below it."""
    outside, done = root.parent / "outside", threading.Event()
    (root / "now").mkdir()
    (root / "now" / "secret.txt").write_text("inside")
    (root / "link").symlink_to(outside)
    one, other = (os.fsencode(root / name) for name in ("now", "link"))
    libc = ctypes.CDLL(None)

    def exchange() -> None:
        while not done.is_set():
            assert libc.renameat2(-100, one, -100, other, 2) == 0  # RENAME_EXCHANGE

    thread = threading.Thread(target=exchange)
    thread.start()
    files, seen = local(root), set[Any]()
    try:
        for number in range(150):
            answer = files.call("read", "now/secret.txt")
            seen.add(answer.content["text"] if isinstance(answer, Answer) else answer.code)
            files.call("write", "now/{n}", values={"n": f"{number}.txt", "text": "x"})
    finally:
        done.set()
        thread.join()
    assert seen <= {"inside", "no-such-file", "file-not-permitted"}
    assert names(outside) == ["secret.txt"]


def test_what_a_killed_write_left_is_seen_by_nobody_and_removed(root: Path) -> None:
    left, recent = root / ".reconciler-old", root / ".reconciler-new"
    left.write_text("half"), recent.write_text("half")
    os.utime(left, (time.time() - 7200,) * 2)
    files = local(root)
    assert [one["name"] for one in content(files.call("list"))] == ["2025/q1.csv"]
    assert code(files.call("read", "{n}", values={"n": ".reconciler-new"})) == "invalid-path"
    content(files.call("write", "new.txt", values={"text": "x"}))
    assert (left.exists(), recent.exists()) == (False, True)


def test_a_slow_file_ends_within_the_time_of_the_call(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.read

    def slow(file: int, size: int) -> bytes:
        time.sleep(0.2)
        return real(file, 1)

    monkeypatch.setattr("reconciler.runtime.connectors.file_local.os.read", slow)
    started = time.monotonic()
    answer = local(root).call("read", "2025/q1.csv", seconds=0.5)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("timeout", "timeout")
    assert time.monotonic() - started < 5


def test_a_name_that_is_taken_after_the_look_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.runtime.connectors.file_local._Local._exists", lambda *_: False)
    assert code(local(root).call("write", "2025/q1.csv", values={"text": "new"})) == "file-exists"
    assert (root / "2025" / "q1.csv").read_text() == "a,b\n1,2\n"


def test_a_file_that_ends_early_is_no_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.runtime.connectors.file_local.os.read", lambda _file, _size: b"")
    assert code(local(root).call("read", "2025/q1.csv")) == "invalid-response"


def test_two_gigabytes_cost_no_memory(root: Path) -> None:
    with (root / "big.bin").open("wb") as file:
        file.truncate(2**31)
    files = local(root)

    async def main() -> int:
        await files.called("read", "2025/q1.csv")
        tracemalloc.start()
        try:
            assert code(await files.called("read", "big.bin")) == "file-too-large"
            assert content(await files.called("read", "big.bin", too_large="cut"))["size"] == 2**31
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert asyncio.run(main()) < 32 * 1024 * 1024


def test_health_is_asked_of_the_folder(root: Path) -> None:
    raw = {"type": "file", "provider": "local", "root": str(root)}
    good = asyncio.run(check_alone(resource("connector", raw), permits(root)))
    assert good is not None
    assert good.state == "healthy"
    bad = asyncio.run(check_alone(resource("connector", {**raw, "root": f"{root}/gone"}), permits(root)))
    assert bad is not None
    assert bad.state == "failing"
    unreferenced = {"type": "file", "provider": "s3", "bucket": "b"}
    alone = asyncio.run(check_alone(resource("connector", unreferenced), permits()))
    assert alone is not None
    assert "identity of the machine" in alone.reason
