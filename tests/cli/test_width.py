"""Text fits the terminal that it is written to, whatever it says; in a pipe it stays as it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from reconciler.diff.visible import GOES_ON
from reconciler.render.width import cells
from tests.cli.terminal import COLOUR, lasting
from tests.cli.terminal import at_terminal as run_at_terminal
from tests.conftest import reconciler

MANIFEST = """\
version: 1
tenant: acme
connectors:
  a-connector-whose-name-is-as-long-as-names-may-be-in-this-house: {type: sql, dialect: postgresql, dsn: "vault://kv/acme/warehouse#dsn", description: "%s"}
datasources:
  sales: {type: database, connector: a-connector-whose-name-is-as-long-as-names-may-be-in-this-house, tables: [public.orders]}
templates:
  orders:
    type: sql
    datasource: sales
    sql: |
      SELECT an_unchanged_column_with_a_long_name_number_1, an_unchanged_column_with_a_long_name_number_2, THE_END
      FROM public.orders
      WHERE region = %s
"""
WIDE = "日本語のとても長い説明文です。👍 und ein Wort é " * 3
HOSTILE = "\x1b[2J\x1b]0;pwned\x07 \u202eevil\u202c \u200b " + WIDE
WIDTHS = [40, 80, 120, 200]
ADDRESS = "acme/connector/a-connector-whose-name-is-as-long-as-names-may-be-in-this-house"


def at_terminal(arguments: list[str], cwd: Path, width: int, **extra: str) -> tuple[int, str]:
    code, seen = run_at_terminal(arguments, cwd, width, **extra)
    return code, lasting(seen)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Applied; then changed outside by somebody hostile, and in the files."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "a.yaml").write_text(MANIFEST % (WIDE, "'north'"))
    reconciler("apply", ".", "--auto-approve", cwd=folder).ok()
    with sqlite3.connect(folder / ".reconciler" / "state.db") as connection:
        connection.execute(
            "UPDATE resources SET spec = json_set(spec, '$.description', ?) WHERE kind = 'connector'", (HOSTILE,)
        )
    changed = "'south' AND channel IN ('a changed line that is longer than eighty columns', 'of a terminal', 'LAST')"
    (folder / "a.yaml").write_text(MANIFEST % (WIDE + "NEW", changed))
    reconciler("plan", ".", "--out", "p.plan", cwd=folder).ok()
    return folder


COMMANDS = {
    "plan": ["plan", "."],
    "plan -v": ["plan", ".", "-v"],
    "show plan": ["show", "p.plan"],
    "show": ["show", ADDRESS],
    "show all": ["show"],
    "drift": ["drift"],
    "history": ["history"],
    "history 1": ["history", "1"],
    "list": ["list"],
    "blame": ["blame", ADDRESS],
    "validate": ["validate", "."],
    "explain": ["explain", "connector.http"],
    "unknown target": ["plan", ".", "--target", "acme/connector/" + "nothing" * 8],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_wider_than_the_terminal(shop: Path, name: str, width: int) -> None:
    _, seen = at_terminal(COMMANDS[name], shop, width)
    assert seen.strip()
    assert "Traceback" not in seen
    lines = [COLOUR.sub("", line) for line in seen.split("\n")]
    assert [line for line in lines if cells(line) > width] == []
    assert not set("".join(lines)) & set("\x1b\x07\u202e\u202c\u200b"), "nothing hostile reached the terminal"


@pytest.mark.parametrize("width", WIDTHS)
def test_what_changed_is_whole_and_what_did_not_may_be_cut(shop: Path, width: int) -> None:
    _, seen = at_terminal(["plan", "."], shop, width)
    piped = reconciler("plan", ".", cwd=shop).ok().out
    bare = COLOUR.sub("", seen).replace(" ", "").replace("\n", "").replace(GOES_ON, "")
    for line in piped.splitlines():
        if "an_unchanged_column" not in line:
            assert line.replace(" ", "") in bare, line
    assert ("…" in bare) is (width < 120), "the unchanged line of the statement"
    assert "THE_END" in bare
    whole = COLOUR.sub("", at_terminal(["plan", ".", "-v"], shop, width)[1])
    assert "…" not in whole


def test_a_pipe_gets_each_line_as_it_is(shop: Path) -> None:
    for narrow in ({}, {"COLUMNS": "40"}):
        out = reconciler("plan", ".", cwd=shop, env=narrow).ok().out
        assert f"  # {ADDRESS} will be updated in-place\n" in out
        assert "…" not in out
        assert max(map(len, out.splitlines())) > 190
    blamed = reconciler("blame", "acme/template/orders", cwd=shop).ok().out
    assert "THE_END" in next(line for line in blamed.splitlines() if line.startswith("sql"))


def test_columns_has_the_last_word(shop: Path) -> None:
    _, seen = at_terminal(["plan", "."], shop, 200, COLUMNS="50")
    assert max(cells(COLOUR.sub("", line)) for line in seen.split("\n")) <= 50
    for nonsense in ("", "0", "-5", "wide", "²"):
        _, seen = at_terminal(["drift"], shop, 60, COLUMNS=nonsense)
        assert max(cells(COLOUR.sub("", line)) for line in seen.split("\n")) <= 60


def test_documents_are_never_wrapped(shop: Path) -> None:
    for arguments in (
        ["plan", ".", "--format", "json"],
        ["export", "--target", "acme/template/orders"],
        ["plan", ".", "--format", "markdown"],
        ["graph", "."],
    ):
        piped = reconciler(*arguments, cwd=shop).ok().out
        assert max(map(len, piped.split("\n"))) > 40
        assert at_terminal(arguments, shop, 40)[1] == piped


@pytest.mark.parametrize("width", WIDTHS)
def test_errors_fit_too(tmp_path: Path, width: int) -> None:
    (tmp_path / "a.yaml").write_text(
        f"version: 1\ntenant: acme\nlimits:\n  month: {{target: tenant, per: month, requests: 1, labels: {{a: {'日本' * 40}}}, per_: x}}\n"
    )
    code, seen = at_terminal(["validate", "."], tmp_path, width)
    assert code == 3
    lines = COLOUR.sub("", seen).rstrip().split("\n")
    assert max(map(cells, lines)) <= width
    source = next(index for index, line in enumerate(lines) if line.startswith("  4 | "))
    before = lines[source + 1].index("^")
    assert cells(lines[source].partition("per_")[0]) == before
