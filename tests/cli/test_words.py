"""What is typed at the prompt: no command, a peer's word, a typo, a folder, an environment, colours."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli import COMMANDS
from reconciler.cli.suggest import COMMANDS_OF_PEERS, OPTIONS_OF_PEERS
from tests.conftest import BASE, Db, Run, reconciler

PROJECT = "version: 1\nproject: shop\nenvironments: {dev: {}, prod: {}}\n"


def test_alone_it_prints_the_help(tmp_path: Path) -> None:
    alone = reconciler(cwd=tmp_path).ok(0)
    assert alone.out == reconciler("--help", cwd=tmp_path).ok().out == reconciler("help", cwd=tmp_path).ok().out
    assert alone.err == ""


def test_help_of_a_command(tmp_path: Path) -> None:
    for words in (["plan"], ["db", "upgrade"], ["secrets", "keys", "create"]):
        asked = reconciler("help", *words, cwd=tmp_path).ok()
        assert asked.out == reconciler(*words, "--help", cwd=tmp_path).ok().out
    assert "did you mean `reconciler plan`?" in reconciler("help", "plna", cwd=tmp_path).ok(64).err


def test_version(tmp_path: Path) -> None:
    assert reconciler("version", cwd=tmp_path).ok().out == reconciler("--version", cwd=tmp_path).ok().out
    document = reconciler("version", "--format", "json", cwd=tmp_path).ok().json
    assert document["format_version"] == "1.0"
    assert f"version {document['version']}" in reconciler("version", cwd=tmp_path).out


TYPOS = [
    ("plna", "`reconciler plan`"),
    ("valdate", "`reconciler validate`"),
    ("db upgrad", "`reconciler db upgrade`"),
    ("secrets key create", "`reconciler secrets keys`"),
    ("plan --enviroment dev", "--env"),
    ("plan --environment dev", "--env"),
    ("plan --tennant a", "--tenant"),
    ("plan --tar x", "--target"),
    ("plan --detailed-exit-code", "--detailed-exitcode"),
    ("plan --json", "--format json"),
    ("plan -o json", "--format"),
    ("apply -auto-approve", "--auto-approve"),
    ("apply --yes", "--auto-approve"),
    ("apply --lock_timeout 3", "--lock-timeout"),
    ("plan --chdir x", "-C"),
    ("list --workspace dev", "--env"),
]


@pytest.mark.parametrize(("line", "meant"), TYPOS)
def test_a_typo_suggests_the_nearest(line: str, meant: str, tmp_path: Path) -> None:
    assert f"did you mean {meant}" in reconciler(*line.split(), cwd=tmp_path).ok(64).err


@pytest.mark.parametrize("line", COMMANDS_OF_PEERS)
def test_words_of_peers_are_answered(line: str, tmp_path: Path) -> None:
    assert line.split()[0] not in COMMANDS
    ran = reconciler(*line.split(), "--format", "json", cwd=tmp_path).ok(64)
    assert ran.json["errors"][0]["hint"] == COMMANDS_OF_PEERS[line]


def test_an_option_that_the_command_does_not_have_is_not_suggested(tmp_path: Path) -> None:
    for option in ("--environment", "--tenannt"):  # schema has no --env, and hides --tenant
        assert "did you mean" not in reconciler("schema", option, "dev", cwd=tmp_path).ok(64).err
    assert all(ours.startswith("-") for ours in OPTIONS_OF_PEERS.values())


MEANINGLESS = ["schema --env dev", "schema --database x", "init --project x", "graph --database x", "lint --database x"]


@pytest.mark.parametrize("line", MEANINGLESS)
def test_options_appear_only_where_they_mean_something(line: str, tmp_path: Path) -> None:
    command, option, _ = line.split()
    assert option not in reconciler(command, "--help", cwd=tmp_path).ok().out
    assert f"No such option '{option}' (see" in reconciler(*line.split(), cwd=tmp_path).ok(64).err


def test_another_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / "acme.yaml").write_text(BASE)
    assert "Plan: 3 to add" in reconciler("-C", "a b", "plan", ".", cwd=tmp_path).ok().out
    saved = reconciler("-C", "a b", "plan", ".", "--out", "x.plan", cwd=tmp_path).ok().out
    assert "reconciler -C 'a b' apply x.plan" in saved
    missing = reconciler("-C", "none", "plan", cwd=tmp_path).ok(64)
    assert "none: No such file or directory" in missing.err


@pytest.fixture
def environments(folder: Path) -> Path:
    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "acme.yaml").write_text(BASE)
    return folder


def test_the_environment_is_chosen_by_flag_variable_and_project(environments: Path) -> None:
    def of(*arguments: str, **env: str) -> str:
        return reconciler("plan", *arguments, cwd=environments, env=env).ok().out.splitlines()[0]

    missing = reconciler("plan", cwd=environments).ok(64).err
    assert "[environment-missing]" in missing
    assert "RECONCILER_ENV" in missing
    assert "default_environment" in missing
    assert "environment prod" in of(RECONCILER_ENV="prod")
    (environments / "reconciler.yaml").write_text(PROJECT + "default_environment: dev\n")
    assert "environment dev" in of()
    assert "environment prod" in of(RECONCILER_ENV="prod")
    assert "environment dev" in of("--env", "dev", RECONCILER_ENV="prod")
    checked = reconciler("validate", "--format", "json", cwd=environments).ok().json
    assert len(checked["environments"]) == 2, "validate checks every environment, whatever the default is"


def test_a_default_environment_is_one_of_the_projects(environments: Path) -> None:
    (environments / "reconciler.yaml").write_text(PROJECT + "default_environment: prd\n")
    ran = reconciler("validate", cwd=environments).ok(3)
    assert "did you mean `prod`?" in ran.err
    assert "[unknown-environment]" in ran.err
    (environments / "reconciler.yaml").write_text("version: 1\n")
    assert "unset RECONCILER_ENV" in reconciler("plan", cwd=environments, env={"RECONCILER_ENV": "dev"}).ok(64).err


COLOURS = [
    ({"FORCE_COLOR": "1"}, [], True),
    ({"FORCE_COLOR": "1", "CI": "true"}, [], True),
    ({"FORCE_COLOR": "0"}, [], False),
    ({"FORCE_COLOR": ""}, [], False),
    ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
    ({"FORCE_COLOR": "1"}, ["--no-color"], False),
    ({}, [], False),
]


@pytest.mark.parametrize(("env", "options", "coloured"), COLOURS)
def test_colours_in_a_pipe(env: dict[str, str], options: list[str], coloured: bool, tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(BASE)
    assert ("\x1b[" in reconciler("plan", ".", *options, cwd=tmp_path, env=env).ok().out) is coloured
    (tmp_path / "acme.yaml").write_text(BASE.replace("per: month", "per: week"))
    assert ("\x1b[" in reconciler("plan", ".", *options, cwd=tmp_path, env=env).ok(3).err) is coloured


def test_a_database_in_the_environment_counts_from_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    (project / "reconciler.yaml").write_text("version: 1\nproject: shop\n")
    (project / "acme.yaml").write_text(BASE)
    env = {"RECONCILER_DATABASE_URL": "sqlite:///live.db"}
    reconciler("apply", "--auto-approve", cwd=project, env=env).ok()
    assert (project / "live.db").exists()
    below = reconciler("plan", cwd=project / "deep", env=env).ok()
    assert "No changes." in below.out
    assert not (project / "deep" / "live.db").exists()
    absolute = {"RECONCILER_DATABASE_URL": f"sqlite:///{project}/live.db"}
    assert "No changes." in reconciler("plan", cwd=project / "deep", env=absolute).ok().out
    named = reconciler("plan", "--database", "sqlite:///../live.db", cwd=project / "deep").ok()
    assert "No changes." in named.out, (
        "a path on the command line counts from the working directory, as every path there"
    )


def test_no_folder_is_made_by_surprise(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(BASE)
    assert "(new and empty)" in reconciler("plan", ".", "--database", "sqlite:///typo/live.db", cwd=tmp_path).ok().out
    ran = reconciler("apply", ".", "--auto-approve", "--database", "sqlite:///typo/live.db", cwd=tmp_path).ok(1)
    assert "there is no folder" in ran.err
    assert "mkdir -p" in ran.err
    ran = reconciler("plan", ".", "--out", "typo/x.plan", cwd=tmp_path).ok(1)
    assert "there is no folder typo" in ran.err
    reconciler("plan", ".", cwd=tmp_path).ok()
    assert [path.name for path in tmp_path.iterdir()] == ["acme.yaml"]
    reconciler("apply", ".", "--auto-approve", cwd=tmp_path).ok()
    assert (tmp_path / ".reconciler" / ".gitignore").read_text() == "*\n"


def test_the_store_in_the_environment_counts_from_the_project_too(run: Run, base: Path, folder: Path, db: Db) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\n")
    (folder / "deep").mkdir()
    run("apply", "--auto-approve").ok()
    env = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_RUNTIME_URL": "sqlite:///own.db"}
    for command in (["evidence", "list"], ["list"], ["status"], ["show", "acme/limit/month"]):
        text = reconciler(*command, cwd=folder / "deep", env=env).text
        assert "deep" not in text, command


def test_init_in_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("file/sub", "/proc/none"):
        ran = reconciler("init", folder, cwd=tmp_path).ok(1)
        assert "can't make the folder" in ran.err
        assert "[file-not-written]" in ran.err


def test_drift_says_how_to_take_over_what_was_created_outside(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    db.sql("UPDATE resources SET name = 'other' WHERE name = 'month'")
    out = run("drift").ok(2).out
    if "was created outside" in out:
        assert "reconciler adopt acme/limit/other" in out
