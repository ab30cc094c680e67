"""Which files count: the project's file and how it is found, what it includes, and what paths select."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import ReconcilerError, UsageError
from reconciler.load.loaded import Loaded
from tests.load.support import HEAD, bodies, loaded, write


def manifest(*names: str, tenant: str = "acme") -> str:
    limits = ", ".join(f"{name}: {{target: tenant, per: day, requests: 1}}" for name in names)
    return f"version: 1\ntenant: {tenant}\nlimits: {{{limits}}}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def opened(*paths: str, environment: str | None = None, **options: Any) -> Loaded:
    """As a command opens and loads it."""
    return Workspace(Options(**options), paths).load(environment)


def names(found: Loaded | Iterable[Any] | None) -> list[str]:
    addresses = found.configuration.resources if isinstance(found, Loaded) else found or ()
    return [address.name for address in addresses]


# -- finding the project


@pytest.mark.parametrize("below", [".", "sub", "sub/deep/deeper"])
def test_the_project_is_found_upward_from_the_working_directory(
    tmp_path: Path, below: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        {
            "p/reconciler.yaml": "version: 1\nproject: shop\n",
            "p/a.yaml": manifest("a"),
            "p/sub/deep/deeper/b.yaml": manifest("b"),
        },
    )
    monkeypatch.chdir(tmp_path / "p" / below)
    found = opened()
    assert found.configuration.project == "shop"
    assert names(found) == ["a", "b"]
    assert (found.selected, found.deletes) == (None, True)


def test_the_project_is_found_upward_from_a_path(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "p/reconciler.yaml": "version: 1\nproject: shop\n",
            "p/a.yaml": manifest("a"),
            "p/sub/b.yaml": manifest("b", "c"),
        },
    )
    for path in ("p/sub", "p/sub/b.yaml", str(tmp_path / "p/sub")):
        found = opened(path)
        assert found.configuration.project == "shop"
        assert names(found) == ["a", "b", "c"]
        assert names(found.selected) == ["b", "c"] or sorted(names(found.selected)) == ["b", "c"]
        assert found.deletes is False


def test_the_nearest_project_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "reconciler.yaml": "version: 1\nproject: outer\n",
            "a.yaml": manifest("a"),
            "p/reconciler.yaml": "version: 1\nproject: inner\n",
            "p/b.yaml": manifest("b"),
        },
    )
    assert opened().configuration.project == "outer"
    assert names(opened()) == ["a"]  # a project inside of another is not part of it
    assert opened("p").configuration.project == "inner"
    assert names(opened("p")) == ["b"]


def test_the_option_names_the_project(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "p/reconciler.yaml": "version: 1\nproject: shop\n",
            "p/a.yaml": manifest("a"),
            "p/b.yaml": manifest("b"),
            "other.yaml": "version: 1\nproject: other\n",
        },
    )
    for given in ("p", "p/reconciler.yaml"):
        assert names(opened(project=given)) == ["a", "b"]
        assert names(opened("p/b.yaml", project=given).selected) == ["b"]
    write(tmp_path, {"c.yaml": manifest("c")})
    found = opened(project="other.yaml")
    assert (found.configuration.project, names(found)) == ("other", ["c"])
    with pytest.raises(UsageError, match="no project file"):
        opened(project="nowhere")


def test_paths_of_two_projects(tmp_path: Path) -> None:
    write(tmp_path, {f"{name}/reconciler.yaml": "version: 1\n" for name in "ab"})
    with pytest.raises(UsageError, match="different projects"):
        opened("a", "b")


def test_the_name_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.yaml": manifest("a")})
    assert opened().configuration.project == "default"
    monkeypatch.setenv("RECONCILER_PROJECT", "by-environment")
    assert opened().configuration.project == "by-environment"
    write(tmp_path, {"reconciler.yaml": "version: 1\nproject: shop\n"})
    assert opened().configuration.project == "shop"
    monkeypatch.setenv("RECONCILER_PROJECT", "No Name")
    write(tmp_path, {"reconciler.yaml": "version: 1\n"})
    with pytest.raises(UsageError, match="is not a name"):
        opened()


# -- which files


def test_without_include_every_file_below_counts(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "version: 1\n", "a.yaml": manifest("a"), "sub/b.yml": manifest("b"), ".hidden.yaml": "x: [", ".git/c.yaml": "x: [",
        "c.json": "x: [", "README.md": "x: [", "sub/reconciler.yaml.txt": "x: [", "other/reconciler.yaml": "x: [", "other/d.yaml": "x: [",
    }  # fmt: skip
    found = loaded(tmp_path, files)
    assert names(found) == ["a", "b"]
    assert found.configuration.files == tuple(str(tmp_path / name) for name in ("a.yaml", "sub/b.yml"))


def test_include_names_files(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "",
        "a.yaml": manifest("a"),
        "m/b.yaml": manifest("b"),
        "m/deep/c.yaml": manifest("c"),
        "m/d.txt": manifest("d"),
    }
    for include, expected in {
        "['*.yaml']": ["a"], "['m/*.yaml']": ["b"], "['m/**/*.yaml']": ["b", "c"], "['**/*.yaml']": ["a", "b", "c"], "[a.yaml, m/d.txt]": ["a", "d"],
        "[a.yaml, '*.yaml', './a.yaml']": ["a"], "['**/**/**/**/*.yaml']": ["a", "b", "c"],
        "[a.yaml, {path: 'nowhere/*.yaml', optional: true}]": ["a"], "[{path: a.yaml}]": ["a"],
    }.items():  # fmt: skip
        assert names(loaded(tmp_path, {**files, "reconciler.yaml": f"version: 1\ninclude: {include}\n"})) == expected


def test_a_link_inside_of_the_project_is_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "reconciler.yaml": "version: 1\ninclude: ['m/*.yaml']\n",
            "shared/a.yaml": manifest("a"),
            "m/b.yaml": manifest("b"),
        },
    )
    (tmp_path / "m/a.yaml").symlink_to("../shared/a.yaml")
    assert names(loaded(tmp_path, {})) == ["a", "b"]


def test_folders_that_lead_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, {"m/a.yaml": manifest("a")})
    (tmp_path / "m/again").symlink_to("..")
    assert names(loaded(tmp_path, {})) == ["a"]
    assert names(loaded(tmp_path, {"reconciler.yaml": "version: 1\ninclude: ['**/*.yaml']\n"})) == ["a"]


def test_documents_of_one_file(tmp_path: Path) -> None:
    text = f"---\n{manifest('a')}---\n# nothing\n---\n{manifest('a', tenant='globex')}--- \n{manifest('b')}...\n"
    assert [str(a) for a in loaded(tmp_path, {"a.yaml": text}).configuration.resources] == [
        "acme/limit/a",
        "acme/limit/b",
        "globex/limit/a",
    ]


def test_default_tenant(tmp_path: Path) -> None:
    text = "version: 1\nlimits: {a: {target: tenant, per: day, requests: 1}}\n"
    files = {
        "reconciler.yaml": "version: 1\ndefault_tenant: acme\n",
        "a.yaml": text + "---\n" + manifest("b", tenant="globex"),
    }
    assert [str(a) for a in loaded(tmp_path, files).configuration.resources] == ["acme/limit/a", "globex/limit/b"]


def test_three_tenants_share_a_document(tmp_path: Path) -> None:
    text = "version: 1\ntenants: [a, b, c]\nlimits: {l: {target: tenant, per: day, requests: 1, description: 'of ${tenant}'}}\nadopt: [limit/l]\nremoved: [{from: limit/x}]\nmoved: [{from: limit/o, to: limit/l}]\n"
    found = loaded(tmp_path, {"a.yaml": text})
    assert {address: body["description"] for address, body in bodies(found).items()} == {
        "a/limit/l": "of a",
        "b/limit/l": "of b",
        "c/limit/l": "of c",
    }
    configuration = found.configuration
    for entries in (configuration.adoptions, configuration.removals):
        assert [entry.address.tenant for entry in entries] == ["a", "b", "c"]
    assert [(str(m.old), str(m.new)) for m in configuration.moves] == [(f"{t}/limit/o", f"{t}/limit/l") for t in "abc"]


# -- paths


def test_paths_select_what_they_hold(tmp_path: Path) -> None:
    write(tmp_path, {
        "reconciler.yaml": "version: 1\nenvironments: {e: {overlays: [over]}}\n", "m/a.yaml": manifest("a"), "m/b.yaml": manifest("b", "c"), "n/d.yaml": manifest("d"),
        "over/x.yaml": f"{HEAD}limits: {{d: {{requests: 2}}, a: null}}\n",
    })  # fmt: skip
    for paths, expected in {
        ("m",): ["b", "c"], ("m/b.yaml",): ["b", "c"], ("n", "m/b.yaml"): ["b", "c", "d"], ("over",): ["d"], ("over/x.yaml",): ["d"],
        ("m/../n",): ["d"], ("./n/",): ["d"], ("m/a.yaml",): [],
    }.items():  # fmt: skip
        found = opened(*paths, environment="e")
        assert sorted(names(found.selected)) == expected
        assert names(found) == ["b", "c", "d"]
        assert found.deletes is False


@pytest.mark.parametrize("path", [".", "./", "sub/.."])
def test_the_folder_of_the_project_is_the_whole_project(tmp_path: Path, path: str) -> None:
    write(tmp_path, {"reconciler.yaml": "version: 1\n", "a.yaml": manifest("a"), "sub/b.yaml": manifest("b")})
    found = opened(path)
    assert (found.selected, found.deletes) == (None, True)
    found = opened(path, "sub")
    assert (sorted(names(found.selected)), found.deletes) == (["a", "b"], False)


def test_without_a_project_a_folder_is_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    write(tmp_path, {"m/a.yaml": manifest("a"), "n/b.yaml": manifest("b"), "c.yaml": manifest("c")})
    for paths, deletes in {
        (): True, (".",): True, ("m",): True, ("m", "n"): True, ("m/a.yaml",): False, ("m", "c.yaml"): False, ("-",): False, ("m", "-"): False,
    }.items():  # fmt: skip
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(manifest("d").encode())))
        found = opened(*paths)
        assert (found.deletes, found.selected) == (deletes, None), paths
    assert names(opened("m", "n")) == ["a", "b"]
    assert names(opened("m", "m/a.yaml", "m")) == ["a"]  # a file counts once, however often it is named


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root every folder can be read, so the system says no by itself."""
    write(tmp_path, {"m/a.yaml": manifest("a"), "n/b.yaml": manifest("b")})
    allowed = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("n"):
            raise PermissionError(13, "Permission denied", path)
        return allowed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ReconcilerError, match="can't read n: Permission denied"):
        loaded(tmp_path, {}, paths=["."])
