"""What a command line selects by is known, or somebody says so; an option that would narrow nothing is refused."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from reconciler.cli import COMMANDS
from tests.conftest import Run, reconciler

MANIFEST = """
version: 1
tenant: acme
connectors: {warehouse: {type: sql, dialect: sqlite, database: w.db}}
datasources: {sales: {type: database, connector: warehouse, tables: [orders]}}
templates: {top: {type: sql, datasource: sales, sql: SELECT id FROM orders}}
callers: {bot: {roles: [analyst], auth: {api_key: {}}}}
"""
TESTS = "version: 1\ntenant: acme\naccess_tests: {t: {caller: bot, target: template/top, expect: deny}}\n"


@pytest.fixture
def applied(run: Run, folder: Path) -> Run:
    (folder / "acme.yaml").write_text(MANIFEST)
    (folder / "tests.yaml").write_text(TESTS)
    run("apply", ".", "--auto-approve").ok()
    return run


UNKNOWN = [
    ("list", "--tenant", "acmme"),
    ("list", "--target", "acme/template/topp"),
    ("list", "templatess"),
    ("show", "--tenant", "acmme"),
    ("show", "acme/template/topp"),
    ("blame", "acme/template/topp"),
    ("adopt", "acme/template/topp"),
    ("forget", "acme/template/topp"),
    ("export", "--tenant", "acmme"),
    ("graph", "--target", "acme/template/topp"),
    ("plan", "--tenant", "acmme"),
    ("apply", "--target", "acme/template/topp"),
    ("drift", "--tenant", "acmme"),
    ("rollback", "1", "--tenant", "acmme"),
    ("history", "--tenant", "acmme"),
    ("history", "--target", "acme/template/topp"),
    ("history", "1", "--tenant", "acmme"),
    ("freeze", "--list", "--tenant", "acmme"),
    ("freeze", "acme/template/topp", "--reason", "x"),
    ("keys", "list", "acme/bott"),
    ("keys", "revoke", "acme/bott"),
    ("secrets", "list", "--tenant", "acmme"),
    ("secrets", "expiring", "--tenant", "acmme"),
    ("validate", "--tenant", "acmme"),
    ("lint", "--tenant", "acmme"),
    ("access", "test", "tests.yaml", "--tenant", "acmme"),
    ("explain", "conector"),
    ("schema", "manifst"),
]


def test_an_unknown_name_is_an_error_with_a_suggestion(applied: Run) -> None:
    for arguments in UNKNOWN:
        done = applied(*arguments)
        assert done.code not in {0, 2}, arguments
        assert "did you mean" in done.err, arguments


NOTED = [
    ("secrets", "access-log", "--tenant", "acmme"),
    ("access", "explain", "acmme/template/top", "--caller", "bot"),
    ("access", "explain", "acme/template/topp", "--caller", "bot"),
    ("access", "explain", "acme/template/top", "--caller", "bott"),
    ("access", "explain", "acme/template/top", "--caller", "bot", "--role", "analist"),
    ("access", "explain", "acme/template/top", "--caller", "bot", "--role", "analist", "--offline"),
]


def test_a_question_about_what_is_not_there_is_answered_with_a_note(applied: Run) -> None:
    """It may have been there once, and what would happen is an answer."""
    for arguments in NOTED:
        done = applied(*arguments).ok()
        assert (done.err.startswith("Note: the "), "did you mean" in done.err) == (True, True), arguments
    assert applied("access", "explain", "acme/template/top", "--caller", "bot", "--role", "analyst").ok().err == ""


def test_a_tenant_without_secrets_is_known(applied: Run) -> None:
    for arguments in (("list",), ("expiring",), ("access-log",)):
        assert "Note" not in applied("secrets", *arguments, "--tenant", "acme").ok().err


def test_history_is_narrowed_to_generations_of_what_is_selected(applied: Run, folder: Path) -> None:
    more = "limits: {month: {target: tenant, per: month, requests: 9}}\n"
    (folder / "acme.yaml").write_text(MANIFEST + more)
    applied("apply", ".", "--auto-approve").ok()
    (folder / "globex.yaml").write_text(f"version: 1\ntenant: globex\n{more}")
    applied("apply", ".", "--auto-approve").ok()

    def numbers(*arguments: str) -> list[int]:
        found = applied("history", *arguments, "--format", "json").ok().json["generations"]
        return [one["number"] for one in found]

    assert numbers() == [3, 2, 1]
    assert numbers("--tenant", "acme") == [2, 1]
    assert numbers("--tenant", "globex") == [3]
    assert numbers("--target", "acme/limit/month") == [2]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = {
    path: command
    for name in COMMANDS
    for path, command in commands(click.Group(commands={name: import_module(f"reconciler.cli.{name}").command}))
}
REFUSING = [
    (path, option)
    for path, command in EVERY.items()
    for option in command.params
    if isinstance(option, click.Option) and option.name in {"tenants", "targets"} and option.hidden
]
ARGUMENTS = {
    ("keys", "issue"): ("acme/bot",),
    ("keys", "list"): ("acme/bot",),
    ("keys", "revoke"): ("acme/bot",),
    ("evidence", "show"): ("x",),
    ("secrets", "keys", "create"): ("--out", "k"),
    ("audit", "checkpoint"): ("--out", "c"),
    ("unfreeze",): ("platform", "--reason", "x"),
    ("suspend",): ("acme/template/x", "--reason", "x"),
    ("resume",): ("acme/template/x", "--reason", "x"),
    ("approvals", "approve"): ("x", "--reason", "x"),
    ("approvals", "deny"): ("x", "--reason", "x"),
    ("project", "rename"): ("a", "b"),
    ("db", "backup"): ("b.db",),
    ("access", "explain"): ("template/x", "--caller", "x"),
    ("access", "test"): ("t.yaml",),
}


@pytest.mark.parametrize(
    ("path", "option"), REFUSING, ids=lambda one: " ".join(one) if isinstance(one, tuple) else one.opts[0]
)
def test_an_option_that_would_narrow_nothing_is_refused(
    tmp_path: Path, path: tuple[str, ...], option: click.Option
) -> None:
    wanted = (one for one in EVERY[path].params if isinstance(one, click.Argument) and one.required)
    arguments = ARGUMENTS.get(path) or tuple("acme/template/x" for _ in wanted)
    done = reconciler(*path, *arguments, option.opts[0], "acme/template/x", cwd=tmp_path)
    assert (done.code, f"takes no {option.opts[0]}: it would narrow nothing" in done.err) == (64, True)


def test_which_commands_narrow_by_what() -> None:
    """The others either refuse both or have neither."""
    shown = {
        option: sorted(
            " ".join(path)
            for path, command in EVERY.items()
            for one in command.params
            if isinstance(one, click.Option) and option in one.opts and not one.hidden
        )
        for option in ("--tenant", "--target")
    }
    both = [
        "apply",
        "drift",
        "export",
        "graph",
        "history",
        "lint",
        "list",
        "plan",
        "revert",
        "rollback",
        "show",
        "validate",
    ]
    of_tenants = ["access explain", "access test", "convert", "evidence list", "evidence show", "freeze", "models"]
    of_tenants += ["status", "usage", *(f"approvals {name}" for name in ("approve", "deny", "list", "show"))]
    of_tenants += [f"secrets {name}" for name in ("access-log", "expiring", "list")]
    # evidence is narrowed by what was called, `template/top` or `tool/x`
    assert shown == {"--tenant": sorted([*both, *of_tenants]), "--target": sorted([*both, "evidence list"])}
