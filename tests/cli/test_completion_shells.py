"""Completion in real shells: what stands in the line after Tab."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.shells import offered_by_fish, typed
from tests.conftest import BASE, reconciler

# what is typed, and what it becomes; each is the only word that fits
LINES = {
    "reconciler blame --env dev acme/c": "reconciler blame --env dev acme/connector/warehouse",
    "reconciler show --env=dev acme/l": "reconciler show --env=dev acme/limit/month",
    "reconciler plan --env d": "reconciler plan --env dev",
    "reconciler plan --env=d": "reconciler plan --env=dev",
    "reconciler plan --env dev --target acme/da": "reconciler plan --env dev --target acme/datasource/sales",
    "reconciler plan --env dev --tenant a": "reconciler plan --env dev --tenant acme",
    "reconciler list datasources": "reconciler list datasources",
    "reconciler list li": "reconciler list limit",
    "reconciler plan --format m": "reconciler plan --format markdown",
    "reconciler plan --format=m": "reconciler plan --format=markdown",
    "reconciler apply fir": "reconciler apply first.plan",
    "reconciler show fir": "reconciler show first.plan",
    "reconciler validate man": "reconciler validate manifests/",
    "reconciler validate manifests/a": "reconciler validate manifests/acme.yaml",
    "reconciler explain limit.con": "reconciler explain limit.concurrent",
    "reconciler schema over": "reconciler schema overlay",
    "reconciler rollb": "reconciler rollback",
    "reconciler plan --detailed": "reconciler plan --detailed-exitcode",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two environments, one of them live, and a saved plan."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "manifests").mkdir()
    (folder / "manifests" / "acme.yaml").write_text(BASE)
    (folder / "reconciler.yaml").write_text(
        "version: 1\nproject: shop\ninclude: [manifests/*.yaml]\nenvironments: {dev: {}, prod: {}}\n"
    )
    reconciler("plan", "--env", "dev", "--out", "first.plan", cwd=folder).ok()
    reconciler("apply", "first.plan", "--env", "dev", "--auto-approve", cwd=folder).ok()
    return folder


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_at_a_terminal(shop: Path, shell: str, line: str) -> None:
    assert typed(shell, line, shop) == LINES[line]


@pytest.mark.parametrize("line", LINES)
def test_fish(shop: Path, line: str) -> None:
    word = LINES[line].rpartition(" ")[2]
    assert word in offered_by_fish(line, shop)


def test_fish_offers_all_that_fit(shop: Path) -> None:
    assert offered_by_fish("reconciler plan --env ", shop) == ["dev", "prod"]
    assert offered_by_fish("reconciler blame --env dev acme/", shop) == [
        "acme/connector/warehouse",
        "acme/datasource/sales",
        "acme/limit/month",
    ]
    assert offered_by_fish("reconciler completion ", shop) == ["bash", "fish", "zsh"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_row_that_is_a_command_is_never_inserted(shop: Path, tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(shop, folder)
    with sqlite3.connect(folder / ".reconciler" / "dev.db") as connection:
        for name in ("$(touch pwned)", "`touch pwned`", "*", "a b", "\x1b[31mred", "a;touch pwned"):
            connection.execute("UPDATE resources SET name = ?, tenant = 'evil' WHERE kind = 'limit'", (name,))
            connection.commit()
            line = "reconciler blame --env dev evil"
            if shell == "fish":
                assert offered_by_fish(line, folder) == []
            else:
                assert typed(shell, line, folder) == line
    assert not (folder / "pwned").exists()
