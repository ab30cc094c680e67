"""Many real processes apply at once, directly and through a transaction-pooling proxy."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import forked
from tests.conftest import ROOT, Db, Ran, command_environment, new_postgres_database, reconciler

PROCESSES = 16


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """An empty database: the URL that applies use, and the one that looks at it directly."""
    if request.param == "sqlite":
        return (f"sqlite:///{tmp_path}/state.db",) * 2
    direct = new_postgres_database(request.getfixturevalue("postgres_server"))
    if request.param == "postgresql":
        return direct, direct
    return request.getfixturevalue("pgbouncer")(direct), direct


@pytest.mark.parametrize(
    ("scenario", "rounds"), [("same", 3), ("rows", 2), ("disjoint", 1), ("projects", 2), ("increments", 1)]
)
def test_races(pair: tuple[str, str], scenario: str, rounds: int) -> None:
    """The scenarios of tests/campaigns/races.py: processes that start at the same moment."""
    url, direct = pair
    arguments = ["-m", "tests.campaigns.races", scenario, "--url", url, "--direct", direct]
    arguments += ["--processes", str(PROCESSES), "--rounds", str(rounds)]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=command_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["rounds"] == rounds
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


class Many:
    """Command lines that run at the same time."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self._running: list[forked.Command] = []

    def start(self, *arguments: str, project: str = "shop", failpoint: str = "") -> None:
        own = {"RECONCILER_DATABASE_URL": self.url, "RECONCILER_PROJECT": project, "RECONCILER_FAILPOINT": failpoint}
        self._running.append(forked.start(arguments, self.folder, command_environment(own)))

    def end(self) -> list[Ran]:
        ended = []
        for process in self._running:
            out, err = process.communicate(timeout=120)
            ended.append(Ran(process.wait(), out, err))
            assert "Traceback" not in out + err
            assert "is locked" not in out + err
            assert "internal-error" not in err, err
        self._running.clear()
        return ended


@pytest.fixture
def many(pair: tuple[str, str], folder: Path) -> Iterator[Many]:
    made = Many(pair[0], folder)
    yield made
    made.end()


def limit(name: str, requests: int = 1, tenant: str = "acme") -> str:
    body = {"target": "tenant", "per": "day", "requests": requests}
    return json.dumps({"version": 1, "tenant": tenant, "limits": {name: body}})


def test_sixteen_command_lines_apply_the_same_to_an_empty_database(
    pair: tuple[str, str], many: Many, folder: Path
) -> None:
    (folder / "acme.yaml").write_text(limit("one"))
    for _ in range(PROCESSES):
        many.start("apply", "--auto-approve")
    ended = many.end()
    assert [ran.code for ran in ended] == [0] * PROCESSES, [ran.err for ran in ended if ran.code]
    assert sum("Generation 1 of project shop." in ran.out for ran in ended) == 1
    late = (
        "Already applied: this command wrote nothing. Somebody has applied this plan already, as generation 1 (",
        "No changes.",
    )
    assert sum(any(words in ran.out for words in late) for ran in ended) == PROCESSES - 1
    db = Db(pair[1])
    assert db.sql("SELECT number FROM generations") == [(1,)]
    assert list(db.rows()) == ["acme/limit/one"]


def test_sixteen_command_lines_apply_saved_plans_from_one_base(pair: tuple[str, str], many: Many, folder: Path) -> None:
    url, direct = pair
    manifest = folder / "acme.yaml"
    own = {"RECONCILER_DATABASE_URL": url, "RECONCILER_PROJECT": "shop"}
    manifest.write_text(limit("one"))
    reconciler("apply", "--auto-approve", cwd=folder, env=own).ok()
    for i in range(4):
        manifest.write_text(limit("one", 100 + i))
        reconciler("plan", "--out", f"{i}.plan", cwd=folder, env=own).ok()
    for i in range(PROCESSES):
        many.start("apply", f"{i % 4}.plan", "--auto-approve")
    ended = many.end()
    wrote = [i for i, ran in enumerate(ended) if "Generation 2 of project shop." in ran.out]
    assert len(wrote) == 1
    won = wrote[0] % 4
    assert [ran.code for ran in ended] == [0 if i % 4 == won else 4 for i in range(PROCESSES)]
    assert Db(direct).rows()["acme/limit/one"]["requests"] == 100 + won
    assert Db(direct).sql("SELECT max(number), count(*) FROM generations") == [(2, 2)]


def test_of_sixteen_appliers_of_one_plan_fifteen_say_who_did_it(
    pair: tuple[str, str], many: Many, folder: Path
) -> None:
    (folder / "acme.yaml").write_text(limit("one"))
    own = {"RECONCILER_DATABASE_URL": pair[0], "RECONCILER_PROJECT": "shop"}
    reconciler("plan", "--out", "some.plan", cwd=folder, env=own).ok()
    for _ in range(PROCESSES):
        many.start("apply", "some.plan", "--auto-approve", "--format", "json")
    told = [ran.ok().json for ran in many.end()]
    (won,) = [one for one in told if one["outcome"] == "applied"]
    others = [one for one in told if one is not won]
    before = {"generation": 1, "apply_id": won["apply_id"]}
    assert [(one["outcome"], one["applied_before"]) for one in others] == [("already_applied", before)] * (
        PROCESSES - 1
    )
    assert Db(pair[1]).sql("SELECT apply_id FROM generations") == [(won["apply_id"],)]


CONNECTOR = {"type": "sql", "dialect": "postgresql", "dsn": "vault://kv/acme/warehouse#dsn"}
DATASOURCE = {"type": "database", "connector": "warehouse", "tables": ["public.orders"]}


class TestReferences:
    """The project `owner` deletes a connector; the project `user` starts to use it."""

    @pytest.fixture
    def owner_and_user(self, pair: tuple[str, str], folder: Path) -> tuple[Path, Path]:
        """A folder each; what they want to do next stands in `plan.json`."""
        owner, user = folder / "owner", folder / "user"
        for path in (owner, user):
            path.mkdir()

        def call(path: Path, *arguments: str) -> None:
            own = {"RECONCILER_DATABASE_URL": pair[0]}
            reconciler(*arguments, cwd=path, env=own).ok()

        (owner / "reconciler.yaml").write_text("version: 1\nproject: owner\ninclude: [acme.yaml]\n")
        (user / "reconciler.yaml").write_text(
            "version: 1\nproject: user\ninclude: [acme.yaml]\nexternal:\n  - address: acme/connector/warehouse\n"
        )
        document: dict[str, object] = {"version": 1, "tenant": "acme", "limits": json.loads(limit("l"))["limits"]}
        (owner / "acme.yaml").write_text(json.dumps({**document, "connectors": {"warehouse": CONNECTOR}}))
        call(owner, "apply", "--auto-approve")
        (owner / "acme.yaml").write_text(json.dumps(document))
        call(owner, "plan", "--out", "plan.json")
        (user / "acme.yaml").write_text(
            json.dumps({"version": 1, "tenant": "acme", "datasources": {"sales": DATASOURCE}})
        )
        call(user, "plan", "--out", "plan.json")
        return owner, user

    @pytest.mark.parametrize("first", ["delete", "use"])
    def test_never_dangling(
        self, pair: tuple[str, str], many: Many, owner_and_user: tuple[Path, Path], first: str
    ) -> None:
        """The one that comes first holds its transaction open until the other one waits for it."""
        owner, user = owner_and_user
        slow = "before_commit:sleep:2.5"
        for path, word in (
            ((owner, "delete"), (user, "use")) if first == "delete" else ((user, "use"), (owner, "delete"))
        ):
            many.folder = path
            many.start("apply", "plan.json", "--auto-approve", project="", failpoint=slow if word == first else "")
            if word == first:
                _wait_for_a_writer(pair[1])
        leading, following = many.end()
        assert leading.code == 0, leading.err
        rows = Db(pair[1]).rows()
        if first == "delete":
            assert following.code in {4, 6}
            assert "acme/datasource/sales refers to acme/connector/warehouse, which is not live" in following.err
            assert set(rows) == {"acme/limit/l"}
        else:
            assert following.code == 6
            assert "acme/datasource/sales, of the project 'user', refers to acme/connector/warehouse" in following.err
            assert set(rows) == {"acme/limit/l", "acme/connector/warehouse", "acme/datasource/sales"}

    def test_replaced_while_somebody_starts_to_use_it(
        self, pair: tuple[str, str], many: Many, owner_and_user: tuple[Path, Path]
    ) -> None:
        """The row that was waited for is gone, and another one has its name: no reference is missing, and none fits."""
        owner, user = owner_and_user
        (owner / "acme.yaml").write_text(
            json.dumps({"version": 1, "tenant": "acme", "connectors": {"warehouse": {**CONNECTOR, "type": "http"}}})
            .replace('"dialect": "postgresql", "dsn": "vault://kv/acme/warehouse#dsn"', '"base_url": "https://w.example.com"')
        )  # fmt: skip
        own = {"RECONCILER_DATABASE_URL": pair[0]}
        reconciler("plan", "--no-delete", cwd=owner, env=own).ok()
        many.folder = owner
        many.start(
            "apply", "--auto-approve", "--target", "acme/connector/warehouse", project="", failpoint="before_commit:sleep:2.5"
        )  # fmt: skip
        _wait_for_a_writer(pair[1])
        many.folder = user
        many.start("apply", "plan.json", "--auto-approve", project="")
        leading, following = many.end()
        assert (leading.code, following.code) == (0, 6), leading.err + following.err
        assert "would not fit what it refers to" in following.err
        assert set(Db(pair[1]).rows()) == {"acme/limit/l", "acme/connector/warehouse"}


def _wait_for_a_writer(url: str) -> None:
    """Until an apply has its transaction open."""
    db = Db(url)
    busy = (
        "SELECT 1 FROM announcements"
        if db.is_sqlite
        else "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name ~ '^reconciler '"
    )
    deadline = time.monotonic() + 30
    while not db.sql(busy):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)


def test_adopting_from_nobody_at_once(pair: tuple[str, str], many: Many, folder: Path) -> None:
    """A row that nobody owns, and eight projects that take it over: one gets it."""
    own = {"RECONCILER_DATABASE_URL": pair[0]}
    reconciler("db", "upgrade", cwd=folder, env={**own, "RECONCILER_PROJECT": "any"}).ok()
    body = json.loads(limit("x"))["limits"]["x"]
    Db(pair[1]).sql(
        "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'limit', 'x', ?)", [json.dumps(body)]
    )
    (folder / "acme.yaml").write_text(json.dumps({**json.loads(limit("x")), "adopt": ["limit/x"]}))
    for i in range(8):
        many.start("apply", "--auto-approve", project=f"p{i}")
    codes = sorted(ran.code for ran in many.end())
    assert codes == [0, *[6] * 7]
    assert len(Db(pair[1]).sql("SELECT project FROM applied")) == 1


def test_deadlock_is_tried_again(postgres_server: str, folder: Path) -> None:
    """Somebody locks rows in the other order; PostgreSQL ends one of the two, and an apply that it ends goes on."""
    db = Db(new_postgres_database(postgres_server))

    def run(*arguments: str, **more: str) -> Ran:
        own = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop", **more}
        return reconciler(*arguments, cwd=folder, env=own)

    document = json.loads(limit("a"))
    document["limits"]["b"] = document["limits"]["a"]
    (folder / "acme.yaml").write_text(json.dumps(document))
    run("apply", "--auto-approve").ok()
    for body in document["limits"].values():
        body["requests"] = 7
    (folder / "acme.yaml").write_text(json.dumps(document))
    ended: list[Ran] = []
    with psycopg.connect(db.url) as other:
        other.execute("SET LOCAL deadlock_timeout = '20s'")  # so that the apply is the one that is ended
        other.execute("SELECT 1 FROM resources WHERE name = 'b' FOR UPDATE")
        thread = threading.Thread(target=lambda: ended.append(run("apply", "--auto-approve")))
        thread.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name ~ '^reconciler'"
        while not db.sql(waiting):
            pass
        other.execute("SELECT 1 FROM resources WHERE name = 'a' FOR UPDATE")
    thread.join()
    ended[0].ok()
    assert db.rows()["acme/limit/b"]["requests"] == 7
    assert db.sql("SELECT number FROM generations ORDER BY 1") == [(1,), (2,)]
