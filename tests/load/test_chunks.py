"""Chunks are read apart from each other: the problems of a project are those of its files composed as a whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from reconciler.errors import ConfigurationInvalid
from reconciler.load import chunks, compose
from reconciler.load.cache import VARIABLE
from reconciler.load.loaded import Loaded
from tests.load.support import attempt, loaded, open_project, problems, write

TENANTS = 6
TENANT = """version: 1
tenant: t{n}
connectors:
  db: {{type: sql, dialect: postgresql, dsn: 'vault://kv/${{tenant}}/db#dsn'}}
datasources:
  sales: {{type: database, connector: db, tables: [public.orders, public.items]}}
templates:
  top:
    type: sql
    datasource: sales
    sql: SELECT a FROM public.orders WHERE b = :b
    parameters: {{b: {{type: string, max_length: 9}}}}
limits:
  calls: {{target: template/top, per: day, requests: {n}1}}
  spend: {{target: tenant, per: day, cost_usd: 10}}
"""
ACCESS = "callers:\n  bot: {{roles: [r{n}], auth: {{jwt: {{issuer: corp, claims: {{a: b}}}}}}}}\n"
# none ends the reading of its file: a chunk that can't be parsed ends with itself, and a file composed as a whole with it
FAULTS = [
    ("type: database", "typ: database"),
    ("connector: db", "connector: bd"),
    ("type: sql,", "type: sqll,"),
    ("public.orders,", "public.order,"),
    ("requests:", "request:"),
    ("target: template/top", "target: template/topp"),
    ("  calls:", "  spend:"),
    ("tenant: t1", "tenant: t0"),
    ("sql: SELECT", "sql: DELETE"),
    ("sql: SELECT", "sql: SELECT ("),
    ("= :b", "= :c"),
    ("version: 1", "version: 2"),
    ("cost_usd: 10", "cost_usd: ${{var.nope}}"),
    ("  spend:", "  spend: &x"),
    ("limits:", 'adopt: [limit/nope]\nlimits:'),
    ("limits:", 'removed: [{from: limit/calls}]\nlimits:'),
    ("limits:", 'external: [limit/unused]\nlimits:'),
    ("limits:", "tenants: [a]\nlimits:"),
    ("roles: [r", "roles: [r, r"),
    ("limits:", "policies:\n  p: {effect: deny, subjects: {roles: [r99]}, actions: any, targets: any}\nlimits:"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every document is a chunk, unless something keeps its file whole."""
    monkeypatch.setattr(chunks, "SMALL", 1)
    monkeypatch.setattr(chunks, "LEAST", 1)


def documents() -> list[str]:
    return [(TENANT + ACCESS).format(n=n) for n in range(TENANTS)]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("seed", range(40))
def test_problems_are_those_of_whole_files(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    texts = documents()
    for old, new in dice.sample(FAULTS, dice.choice([0, 1, 1, 2, 3])):
        at = dice.randrange(TENANTS)
        texts[at] = texts[at].replace(old, new, 1)
    cut = dice.randrange(TENANTS + 1)
    named = {"a.yaml": texts[:cut], "b/b.yaml": texts[cut:]}
    files = {name: "---\n".join(some) for name, some in named.items() if some}
    if dice.random() < 0.5:
        files["over/prod.yaml"] = "version: 1\ntenant: t2\nlimits:\n  " + dice.choice(
            ["spend: {cost_usd: 5}", "spend: null", "calls: {nope: 1}", "callz: {requests: 1}"]
        )
    settings = "version: 1\nproject: shop\nenvironments: {prod: {overlays: [over]}, dev: {}}\n"
    files = {"reconciler.yaml": settings, "over/none.yaml": "", **files}
    # loads it chunk by chunk, from the cache and thoroughly, and compares
    problems(tmp_path, files, environment=dice.choice(["prod", "dev"]))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(("old", "new"), FAULTS)
def test_each_fault_alone(tmp_path: Path, old: str, new: str) -> None:
    texts = documents()
    texts[-1] = texts[-1].replace(old, new.replace("t0", f"t{TENANTS - 1}"), 1)
    problems(tmp_path, {"a.yaml": "---\n".join(texts)})


@pytest.mark.usefixtures("small_chunks")
def test_a_quote_that_is_open_ends_its_chunk_only(tmp_path: Path) -> None:
    texts = documents()
    texts[1] = texts[1].replace("version: 1", 'version: 1\nopen: "x')
    write(tmp_path, {"a.yaml": "---\n".join(texts)})
    found = attempt(open_project(tmp_path), None, [str(tmp_path)])
    assert isinstance(found, ConfigurationInvalid)
    line = texts[0].count("\n") + 3
    assert [one.message for one in found.problems] == [
        f"a quote is not closed before the next document; it was opened in line {line}"
    ]


def test_only_chunks_with_problems_are_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{number}.yaml": text for number, text in enumerate(documents())}
    project = {"reconciler.yaml": "version: 1\nproject: shop\n"}
    broken = files["3.yaml"].replace("connector: db", "connectr: db")
    write(tmp_path, {**project, **files, "3.yaml": broken})
    composed: list[str] = []
    parse = compose.parse_source
    monkeypatch.setattr(
        compose, "parse_source", lambda name, *rest: (composed.append(Path(name).name), parse(name, *rest))[1]
    )
    made: list[str] = []
    from reconciler.load import extracts

    extract = extracts.extract
    monkeypatch.setattr(
        extracts, "extract", lambda chunk, frame: (made.append(Path(chunk.file).name), extract(chunk, frame))[1]
    )
    for expected in (["0.yaml", "1.yaml", "2.yaml", "3.yaml", "4.yaml", "5.yaml"], ["3.yaml"]):
        made.clear()
        composed.clear()
        assert isinstance(attempt(open_project(tmp_path)), ConfigurationInvalid)
        assert composed == ["3.yaml"]
        assert made == expected
    write(tmp_path, files)
    assert isinstance(attempt(open_project(tmp_path)), Loaded)


def test_a_lone_carriage_return_keeps_a_file_whole(tmp_path: Path) -> None:
    text = "---\n".join(documents()).replace("\nconnectors:", "\rconnectors:", 1) * 30
    assert len([*chunks.chunks("a.yaml", text.encode())]) == 1
    assert len([*chunks.chunks("a.yaml", text.replace("\r", "\r\n").encode())]) > 1


def test_extracts_and_drafts_together(tmp_path: Path) -> None:
    files = {f"{number}.yaml": text for number, text in enumerate(documents())}
    files["3.yaml"] += "external: [limit/other]\n"
    assert len(loaded(tmp_path, files).configuration.resources) == 6 * TENANTS


@pytest.mark.usefixtures("small_chunks")
def test_a_name_in_two_chunks_is_declared_twice(tmp_path: Path) -> None:
    texts = documents()
    texts[3] = texts[3].replace("tenant: t3", "tenant: t1")
    found = problems(tmp_path, {"a.yaml": "---\n".join(texts), "b.yaml": texts[5].replace("t5", "t9")})
    assert {code for code, _ in found} == {"duplicate-address"}
    assert len(found) == 6
