"""Command lines that are forked say and do what those say and do that are started: other tests rely on that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler import __version__
from tests import forked
from tests.conftest import ROOT, Db, Ran, command_environment, reconciler, started

LIMIT = {"target": "tenant", "per": "day", "requests": 1}
STATEMENT = "SELECT id FROM orders WHERE region = :region"
MANIFEST = {
    "version": 1,
    "tenant": "acme",
    "limits": {"one": LIMIT, "größer": LIMIT},
    "templates": {"t": {"type": "sql", "connector": "c", "sql": STATEMENT}},
}


def both(*arguments: str, cwd: Path, env: Mapping[str, str], stdin: str = "") -> tuple[Ran, Ran]:
    assert forked.may_fork(env)
    one = reconciler(*arguments, cwd=cwd, env=env, stdin=stdin)
    return one, started(*arguments, cwd=cwd, env=env, stdin=stdin)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["plan", "--help"], 0),
        (["no-such-command"], 64),
        (["validate", "acme.yaml"], 3),
        (["validate", "good.yaml", "--format", "json"], 0),
        (["plan", "good.yaml"], 0),
        (["plan", "good.yaml", "--detailed-exitcode", "--format", "json"], 2),
        (["plan", "-", "--format", "markdown"], 0),
        (["apply", "good.yaml"], 6),
        (["drift"], 1),
        (["explain", "limit.per"], 0),
        (["schema", "kind-limit"], 64),
        (["debug", "failpoints"], 0),
    ],
)
def test_the_same_answer(db: Db, folder: Path, arguments: list[str], code: int) -> None:
    good = json.dumps({"version": 1, "tenant": "acme", "limits": {"one": LIMIT}})
    (folder / "acme.yaml").write_text(json.dumps(MANIFEST, ensure_ascii=False), encoding="utf-8")
    (folder / "good.yaml").write_text(good)
    env = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}
    one, two = both(*arguments, cwd=folder, env=env, stdin=good)
    assert one == two
    assert one.code == code, one.text


def test_what_an_interpreter_reads_at_its_start_gets_one() -> None:
    assert forked.may_fork({"RECONCILER_PROJECT": "shop", "COLUMNS": "80"})
    assert not forked.may_fork({"PYTHONHASHSEED": "1"})
    assert not forked.may_fork({"LC_ALL": "C"})


def test_killed_and_out_of_time(db: Db, folder: Path) -> None:
    (folder / "good.yaml").write_text(json.dumps({"version": 1, "tenant": "acme", "limits": {"one": LIMIT}}))
    env = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}
    apply = ["apply", "good.yaml", "--auto-approve"]
    assert reconciler(*apply, cwd=folder, env={**env, "RECONCILER_FAILPOINT": "before_commit:kill"}).code == -9
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        reconciler(*apply, cwd=folder, env={**env, "RECONCILER_FAILPOINT": "before_commit:sleep:60"}, timeout=2)
    assert time.monotonic() - began < 30
    assert reconciler(*apply, cwd=folder, env=env).ok().code == 0  # so the lock is free: nobody sleeps on it


def test_many_at_once_end_each_for_itself(db: Db, folder: Path) -> None:
    (folder / "good.yaml").write_text(json.dumps({"version": 1, "tenant": "acme", "limits": {"one": LIMIT}}))
    own = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}
    slow = {**own, "RECONCILER_FAILPOINT": "before_lock:sleep:60"}
    arguments = ["apply", "good.yaml", "--auto-approve"]
    waiting = forked.start(arguments, folder, command_environment(slow), how=forked.How(session=True))
    ended = [forked.start(arguments, folder, command_environment(own)) for _ in range(3)]
    assert [one.communicate(60)[0].count("Generation 1 of project shop.") for one in ended].count(1) == 1
    assert [one.wait() for one in ended] == [0, 0, 0]
    assert waiting.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.1)
    assert os.getpgid(waiting.pid) == waiting.pid
    waiting.kill()
    assert waiting.wait(60) == -9
    assert "Generation" not in waiting.communicate()[0]


def test_a_parent_is_forked_from_a_process_that_has_imported_nothing(folder: Path) -> None:
    code = (
        "import sys; from tests import forked; forked.fork_parent();"
        "done = forked.run(['--version'], sys.argv[1], {}, '', 60);"
        "print(done.returncode, done.stdout.strip(), 'reconciler' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=command_environment(),
        timeout=60,
    )
    assert done.stdout == f"0 reconciler, version {__version__} False\n"


def test_code_in_place_of_a_command_ends_as_it_would_by_itself(folder: Path) -> None:
    def ran(code: str, before: str = "") -> tuple[int, str, str]:
        how = forked.How(before=before, code=code)
        done = forked.finished(forked.start(["one"], folder, command_environment(), "in", how=how), 60)
        return done.returncode, done.stdout, done.stderr.rpartition("\n")[0].rpartition("\n")[2]

    assert ran("import sys; print(sys.argv, sys.stdin.read())") == (0, "['-c', 'one'] in\n", "")
    assert ran("raise SystemExit(7)")[0] == 7
    assert ran("raise ValueError('no')") == (1, "", "ValueError: no")
    assert ran("import sys; raise SystemExit(sys.stdout is None)", "import os; os.close(1)")[0] == 1
