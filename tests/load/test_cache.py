"""The cache: right under any edit, worth nothing once damaged or somebody else's, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.load import extracts
from reconciler.load.cache import MAGIC, VARIABLE
from reconciler.load.chunks import LEAST, SMALL, chunks
from reconciler.load.loaded import Loaded
from tests.conftest import reconciler

from .support import HEAD, assert_same, attempt, bodies, loaded, open_project, write

SQL = "{type: sql, dialect: postgresql, dsn: 'vault://kv/${tenant}/db#dsn'"
FILES = {
    "reconciler.yaml": "version: 1\nproject: shop\n",
    "a.yaml": f"{HEAD}connectors:\n  a: {SQL}}}\n",
    "b.yaml": f"{HEAD}datasources:\n  b: {{type: database, connector: a, tables: [public.t]}}\n",
    "c.yaml": f"{HEAD}templates:\n  c: {{type: sql, datasource: b, sql: 'SELECT 1 FROM public.t'}}\n",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


def load(folder: Path) -> Loaded | None:
    found = attempt(open_project(folder))
    return found if isinstance(found, Loaded) else None


def read_anew(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are validated from now on."""
    seen: list[str] = []
    extract = extracts.extract
    monkeypatch.setattr(
        extracts, "extract", lambda chunk, frame: (seen.append(Path(chunk.file).name), extract(chunk, frame))[1]
    )
    return seen


def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "p", FILES)
    assert load(tmp_path / "p")
    seen = read_anew(monkeypatch)
    assert load(tmp_path / "p")
    assert seen == []
    write(tmp_path / "p", {"a.yaml": FILES["a.yaml"].replace("}\n", ", max_rows: 7}\n")})
    found = load(tmp_path / "p")
    assert seen == ["a.yaml"]
    assert found
    assert bodies(found)["acme/connector/a"]["max_rows"] == 7
    (tmp_path / "p" / "c.yaml").unlink()
    again = load(tmp_path / "p")
    assert again
    assert len(again.configuration.resources) == 2


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("b.yaml", "public.t", "public.other"),  # the template's table is not listed any more
        ("a.yaml", "postgresql", "mysql"),  # another dialect reads the statement
        ("a.yaml", SQL, "{type: http, base_url: 'https://a.example.com'"),
        ("a.yaml", "  a:", "  z:"),  # what b refers to is gone
        ("b.yaml", "  b:", "  z:"),
        ("a.yaml", "version: 1", "version: 2"),
    ],
)
def test_rules_that_look_at_other_files_are_judged_again(tmp_path: Path, file: str, old: str, new: str) -> None:
    write(tmp_path / "p", FILES)
    before = load(tmp_path / "p")
    assert before
    write(tmp_path / "p", {file: FILES[file].replace(old, new)})
    whole = None
    try:
        whole = loaded(tmp_path / "p", {})
    except Exception:
        assert load(tmp_path / "p") is None
    else:
        found = load(tmp_path / "p")
        assert found
        assert_same(found, whole)


def test_settings_and_environments_have_caches_of_their_own(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "p", FILES)
    assert load(tmp_path / "p")
    first = [*cache.glob("*.pack")]
    write(tmp_path / "p", {"reconciler.yaml": FILES["reconciler.yaml"] + "defaults: {connectors: {max_rows: 9}}\n"})
    found = load(tmp_path / "p")
    assert found
    assert bodies(found)["acme/connector/a"]["max_rows"] == 9
    assert [*cache.glob("*.pack")] != first
    assert len([*cache.glob("*.pack")]) == 1  # the older one of the same project is gone


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(at: float) -> object:
    def flip(data: bytes) -> bytes:
        place = int(len(data) * at)
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return flip


@pytest.mark.parametrize("damage", [_cut, lambda _d: b"", lambda d: MAGIC + d, *(_flip(n / 40) for n in range(40))])
def test_a_damaged_pack_is_as_good_as_none(tmp_path: Path, cache: Path, damage: object) -> None:
    write(tmp_path / "p", FILES)
    before = load(tmp_path / "p")
    (pack,) = cache.glob("*.pack")
    pack.write_bytes(damage(pack.read_bytes()))  # type: ignore[operator]
    after = load(tmp_path / "p")
    assert before
    assert after
    assert_same(after, before)


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "p", FILES)
    cache.mkdir()
    cache.chmod(0o777)
    assert load(tmp_path / "p")
    assert not [*cache.iterdir()]


def test_a_pack_is_private_and_lies_outside_of_the_project(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "p", FILES)
    assert load(tmp_path / "p")
    (pack,) = cache.glob("*.pack")
    assert pack.stat().st_mode & 0o777 == 0o600
    assert cache.stat().st_mode & 0o777 == 0o700
    assert not [p for p in (tmp_path / "p").rglob("*") if p.suffix == ".pack"]


def test_a_folder_that_can_not_be_written_is_no_error(tmp_path: Path) -> None:
    write(tmp_path / "p", FILES)
    for place in ("", "/proc/none", str(tmp_path / "p" / "a.yaml")):
        reconciler("validate", cwd=tmp_path / "p", env={VARIABLE: place}).ok()


def test_files_are_cut_between_documents_and_nowhere_else() -> None:
    one = HEAD + "connectors:\n" + "".join(f"  a{i}: {SQL}}}\n" for i in range(300))
    text = "\n".join(["---"] * 2) + "\n" + "---\n".join([one] * 9)
    cut = [*chunks("f.yaml", text.encode())]
    assert len(text) > SMALL
    assert len(cut) > 3
    assert b"".join(chunk.data for chunk in cut) == text.encode()
    assert all(len(chunk.data) >= LEAST for chunk in cut[:-1])
    assert [chunk.before for chunk in cut] == [b"".join(c.data for c in cut[:n]).count(b"\n") for n in range(len(cut))]


@pytest.mark.parametrize("bound", ["x: &a 1\n", "...\n%YAML 1.2\n---\n"])
def test_what_concerns_all_documents_keeps_a_file_whole(bound: str) -> None:
    text = "a: 1\n" * 20_000 + "---\n" + bound + "---\nb: 2\n"
    assert len([*chunks("f.yaml", text.encode())]) == 1


def test_large_files_of_many_documents_by_both_ways(tmp_path: Path) -> None:
    parts = [
        f"version: 1\ntenant: t{n}\nconnectors:\n" + "".join(f"  a{i}: {SQL}}}\n" for i in range(300)) for n in range(8)
    ]
    files = {"reconciler.yaml": FILES["reconciler.yaml"], "all.yaml": "---\n".join(parts)}
    found = loaded(tmp_path / "p", files)
    assert len(found.configuration.resources) == 2400
    assert os.path.getsize(tmp_path / "p" / "all.yaml") > SMALL
