"""Signed heads, pushed by applies: to a file, a git note and a destination; a sink that fails is no broken trail."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from reconciler.secrets.heads import has_signature
from tests.conftest import Db, reconciler
from tests.history.test_trail import APPLY, applied, broken, cut, verified, write
from tests.store.support import Cli, cli_on


def settle(folder: Path, **heads: object) -> None:
    document = {"version": 1, "project": "shop", "audit": {"heads": heads}}
    (folder / "reconciler.yaml").write_text(json.dumps(document))


@pytest.fixture
def keyed(db: Db, folder: Path) -> Cli:
    plain, key = cli_on(db.url, folder), str(folder.parent / "keys.json")
    plain("secrets", "keys", "create", "--out", key).ok()
    return lambda *arguments, **more: plain(*arguments, **{"RECONCILER_KEY_FILE": key, **more})


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines() if line]


def test_each_apply_appends_a_head_that_shows_a_cut_tail(db: Db, keyed: Cli, folder: Path) -> None:
    settle(folder, file="heads.jsonl")
    applied(keyed, folder, 1, 2, 3)
    heads = lines(folder / "heads.jsonl")
    assert [one["seq"] for one in heads] == [1, 2, 3]
    assert all(has_signature(one, str(heads[0]["public_key"])) for one in heads)
    assert verified(keyed, "--checkpoint", "heads.jsonl")["verdict"] == "holds"
    cut(db, 2)
    assert "the checkpoint saw entry 3" in broken(keyed, "--checkpoint", "heads.jsonl")


def test_every_so_many_entries(keyed: Cli, folder: Path) -> None:
    settle(folder, file="heads.jsonl", every=3)
    for number in range(1, 8):
        write(folder, number)
        keyed(*APPLY).ok()
        if number == 4:
            keyed("keys", "issue", "acme/bot").ok()
    assert [one["seq"] for one in lines(folder / "heads.jsonl")] == [3, 6]


def test_a_note_of_the_commit(keyed: Cli, folder: Path) -> None:
    def git(*arguments: str) -> str:
        own = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        return subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout

    settle(folder, git_notes=True)
    git("init", "-q")
    for number in (1, 2):
        write(folder, number)
        git("add", "-A")
        git("commit", "-qm", f"limit {number}")
        keyed(*APPLY).ok()
        keyed("rollback", "1", "--auto-approve") if number == 2 else None
    note = git("notes", "--ref=reconciler-audit", "show")
    (folder.parent / "head.json").write_text(note)
    assert [json.loads(line)["seq"] for line in note.splitlines() if line] == [2, 3]
    assert verified(keyed, "--checkpoint", str(folder.parent / "head.json"))["verdict"] == "holds"


def test_a_destination_gets_it_through_the_outbox(db: Db, keyed: Cli, folder: Path) -> None:
    hook = {"type": "webhook", "url": "http://127.0.0.1:9/", "secret": "env://HOOK", "events": ["audit-head"]}
    document = {"version": 1, "project": "shop", "notifications": {"auditor": hook}}
    (folder / "reconciler.yaml").write_text(json.dumps(document))
    write(folder, 1)
    keyed(*APPLY, HOOK="whsec_" + "A" * 32).ok()
    ((text,),) = db.sql("SELECT event FROM outbox")
    sent = json.loads(text)
    assert (sent["type"], sent["data"]["head"]["seq"]) == ("reconciler.audit-head", 1)
    assert has_signature(sent["data"]["head"], sent["data"]["head"]["public_key"])


@pytest.mark.parametrize("file", ["folder", "../heads.jsonl"])
def test_a_sink_that_fails_is_called_that(keyed: Cli, folder: Path, file: str) -> None:
    (folder / "folder").mkdir()
    settle(folder, file=file)
    write(folder, 1)
    ran = keyed(*APPLY).ok()
    assert f"Warning: the head of entry 1 did not reach {file}: " in ran.err
    assert "The audit trail itself is written." in ran.err
    assert verified(keyed)["entries"] == 1
    assert not (folder.parent / "heads.jsonl").exists()


def test_the_operator_may_name_a_file_that_lies_elsewhere(keyed: Cli, folder: Path) -> None:
    outside = folder.parent / "elsewhere.jsonl"
    settle(folder, file="heads.jsonl")
    write(folder, 1)
    keyed(*APPLY, RECONCILER_AUDIT_HEADS=str(outside)).ok()
    assert [one["seq"] for one in lines(outside)] == [1]
    assert not (folder / "heads.jsonl").exists()


def test_a_file_of_heads_shows_that_an_older_copy_took_the_place_of_the_database(
    db: Db, keyed: Cli, folder: Path
) -> None:
    settle(folder, file="heads.jsonl")
    applied(keyed, folder, 1, 2, 3)
    cut(db, 1)
    for table in ("changes", "generations"):
        db.sql(f"DELETE FROM {table} WHERE {'generation' if table == 'changes' else 'number'} > 1")
    db.sql("UPDATE projects SET generation = 1")
    db.sql("UPDATE applied SET generation = 1")
    settle(folder)
    keyed("audit", "take-over", "--reason", "the copy goes on").ok()
    keyed("audit", "take-over", "--reason", "and on").ok()
    keyed("audit", "checkpoint", "--out", "point").ok()
    with (folder / "heads.jsonl").open("a") as file:
        file.write(json.dumps(json.loads((folder / "point").read_text())) + "\n")
    assert verified(keyed, "--checkpoint", "point")["verdict"] == "holds"  # what the last line alone would say
    assert "from entry 2 on: it is not the entry that the checkpoint saw" in broken(
        keyed, "--checkpoint", "heads.jsonl"
    )


def test_an_earlier_head_at_the_end_of_a_file_is_not_the_newest(db: Db, keyed: Cli, folder: Path) -> None:
    settle(folder, file="heads.jsonl")
    applied(keyed, folder, 1, 2, 3)
    file = folder / "heads.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[at] for at in (0, 2, 1)))
    cut(db, 2)
    assert "the checkpoint saw entry 3" in broken(keyed, "--checkpoint", "heads.jsonl")


@pytest.mark.parametrize(
    "change", [{"seq": -1}, {"seq": 1.5}, {"seq": True}, {"hash": 7}, {"hash": "x"}, {"signature": "é"}, {"key": "é"}]
)
def test_what_is_no_head_is_refused(keyed: Cli, folder: Path, change: dict[str, object]) -> None:
    applied(keyed, folder, 1)
    keyed("audit", "checkpoint", "--out", "point").ok()
    (folder / "point").write_text(json.dumps(json.loads((folder / "point").read_text()) | change))
    assert "point" in keyed("audit", "verify", "--checkpoint", "point").ok(8).err


def test_environments_share_a_file_of_heads(folder: Path) -> None:
    environments = {name: {"database": f"sqlite:///{folder}/{name}.db"} for name in ("dev", "eu")}
    audit = {"heads": {"file": "heads.jsonl"}}
    settings = {"version": 1, "project": "shop", "environments": environments, "audit": audit}
    (folder / "reconciler.yaml").write_text(json.dumps(settings))
    for name, numbers in (("dev", (1, 2, 3)), ("eu", (4,))):
        for number in numbers:
            write(folder, number)
            reconciler("apply", "--env", name, "--auto-approve", "--allow-undo", cwd=folder).ok()
    for name, seq in (("dev", 3), ("eu", 1)):
        shared = ("--env", name, "--checkpoint", "heads.jsonl", "--format", "json")
        ran = reconciler("audit", "verify", *shared, cwd=folder)
        assert (ran.ok().json["verdict"], ran.json["checkpoint"]) == ("holds", seq)
