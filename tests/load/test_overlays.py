"""Environments: overlays over the base, folder after folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import reconciler
from tests.load.support import DSN, HEAD, bodies, loaded, problems

BASE = f"""{HEAD}
connectors:
  db:
    type: sql
    dialect: postgresql
    dsn: {DSN}
    pool_size: 7
    max_rows: 10
    labels: {{team: a, type: internal, level: one}}
    options: {{role: reader, nested: {{a: 1, b: 2}}}}
  api:
    type: http
    base_url: https://api.example.com
    auth: {{type: basic, username: u, password: encrypted://p}}
    allowed_methods: [GET, POST]
    headers: {{X-A: a, X-B: b}}
limits:
  month: {{target: tenant, per: month, requests: 1}}
"""
PROJECT = "version: 1\nenvironments:\n  dev:\n  prod: {overlays: [prod, more]}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def overlaid(folder: Path, over: str, more: str = "", environment: str = "prod") -> dict[str, Any]:
    files = {"reconciler.yaml": PROJECT, "a.yaml": BASE, "prod/b.yaml": HEAD + over, "more/c.yaml": HEAD + more}
    return bodies(loaded(folder, files, environment))


def db(folder: Path, over: str, more: str = "") -> Any:
    return overlaid(folder, f"connectors: {{db: {over}}}\n", f"connectors: {{db: {more}}}\n" if more else "")[
        "acme/connector/db"
    ]


def test_maps_merge_by_key_at_every_depth(tmp_path: Path) -> None:
    body = db(tmp_path, "{pool_size: 9, labels: {team: b, site: x}, options: {nested: {b: 3, c: {d: 4}}}}")
    assert (body["pool_size"], body["max_rows"], body["dsn"]) == (9, 10, DSN)
    assert body["labels"] == {"team": "b", "type": "internal", "level": "one", "site": "x"}
    assert body["options"] == {"role": "reader", "nested": {"a": 1, "b": 3, "c": {"d": 4}}}


def test_null_removes(tmp_path: Path) -> None:
    body = db(tmp_path, "{pool_size: null, labels: {team: null, unknown: null}, options: {nested: {a: null}}}")
    assert body["pool_size"] == 5  # the default again
    assert body["labels"] == {"type": "internal", "level": "one"}
    assert body["options"] == {"role": "reader", "nested": {"b": 2}}
    assert db(tmp_path, "{labels: null, description: null}")["labels"] == {}


def test_null_of_what_is_not_there_removes_nothing(tmp_path: Path) -> None:
    body = overlaid(tmp_path, "limits: {month: {labels: {a: null, d: x}}}")["acme/limit/month"]
    assert body["labels"] == {"d": "x"}


def test_null_removes_a_resource(tmp_path: Path) -> None:
    assert set(overlaid(tmp_path, "connectors: {db: null, api: null}\n")) == {"acme/limit/month"}
    assert set(overlaid(tmp_path, "connectors: {db: null}\n", environment="dev")) == {
        "acme/connector/api",
        "acme/connector/db",
        "acme/limit/month",
    }


def test_a_later_folder_may_bring_back_what_an_earlier_one_removed(tmp_path: Path) -> None:
    body = db(tmp_path, "null", f"{{type: sql, dialect: mysql, dsn: '{DSN}'}}")
    assert (body["dialect"], body["pool_size"], body["labels"]) == ("mysql", 5, {})


def test_lists_and_scalars_replace(tmp_path: Path) -> None:
    body = overlaid(tmp_path, "connectors: {api: {allowed_methods: [PUT], base_url: https://b.example.com}}\n")
    assert body["acme/connector/api"]["allowed_methods"] == ["PUT"]
    assert body["acme/connector/api"]["base_url"] == "https://b.example.com"
    assert body["acme/connector/api"]["headers"] == {"X-A": "a", "X-B": "b"}


def test_another_type_replaces_the_whole_body(tmp_path: Path) -> None:
    body = db(tmp_path, "{type: http, base_url: https://db.example.com, headers: null}")
    assert body["type"] == "http"
    assert body["labels"] == {}
    assert not {"dsn", "pool_size", "options"} & set(body)


def test_another_type_of_a_part_replaces_that_part(tmp_path: Path) -> None:
    body = overlaid(tmp_path, "connectors: {api: {auth: {type: bearer, token: encrypted://t}}}\n")["acme/connector/api"]
    assert body["auth"] == {"type": "bearer", "token": "encrypted://t"}
    body = overlaid(tmp_path, "connectors: {api: {auth: {username: v}}}\n")["acme/connector/api"]
    assert body["auth"] == {"type": "basic", "username": "v", "password": "encrypted://p"}


def test_a_label_that_is_called_type_is_only_a_label(tmp_path: Path) -> None:
    assert db(tmp_path, "{labels: {type: external}}")["labels"] == {"team": "a", "type": "external", "level": "one"}


def test_folders_count_in_their_order(tmp_path: Path) -> None:
    body = db(tmp_path, "{pool_size: 8, max_rows: 20}", "{pool_size: 9, labels: {team: c}}")
    assert (body["pool_size"], body["max_rows"], body["labels"]["team"]) == (9, 20, "c")


def test_another_type_counts_from_its_folder_on(tmp_path: Path) -> None:
    body = db(tmp_path, "{type: http, base_url: https://x.example.com}", "{timeout_seconds: 7}")
    assert (body["type"], body["base_url"], body["timeout_seconds"]) == ("http", "https://x.example.com", 7)
    assert body["labels"] == {}


def test_several_files_of_one_folder(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": PROJECT,
        "a.yaml": BASE,
        "prod/b.yaml": f"{HEAD}connectors: {{db: {{pool_size: 9}}}}\n---\n{HEAD}limits: {{month: {{requests: 2}}}}\n",
        "prod/deep/c.yml": f"{HEAD}connectors: {{api: {{headers: {{X-A: c}}}}}}\n",
        "more/d.yaml": HEAD,
    }
    found = bodies(loaded(tmp_path, files, "prod"))
    assert found["acme/connector/db"]["pool_size"] == 9
    assert found["acme/limit/month"]["requests"] == 2
    assert found["acme/connector/api"]["headers"] == {"X-A": "c", "X-B": "b"}


def test_a_new_resource_of_an_overlay(tmp_path: Path) -> None:
    over = "limits: {day: {target: tenant, per: day, requests: 3}}\n"
    assert overlaid(tmp_path, over)["acme/limit/day"]["requests"] == 3
    assert "acme/limit/day" not in overlaid(tmp_path, over, environment="dev")


def test_an_environment_without_the_overlay_is_the_base(tmp_path: Path) -> None:
    files = {"reconciler.yaml": PROJECT, "a.yaml": BASE, "more/c.yaml": HEAD}
    over = {"prod/b.yaml": f"{HEAD}connectors: {{db: {{pool_size: 9}}}}\n"}
    base = loaded(tmp_path, {**files, "prod/b.yaml": HEAD}, "dev").configuration
    assert loaded(tmp_path, over, "dev").configuration.digest == base.digest
    assert loaded(tmp_path, over, "prod").configuration.digest != base.digest
    assert loaded(tmp_path, over, "dev").configuration.files == base.files


@pytest.mark.parametrize("name", ["prod", "./prod", "prod/", "x/../prod", "link"])
def test_an_overlay_folder_is_never_part_of_the_base(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to("prod")
    files = {
        "reconciler.yaml": f"version: 1\nenvironments: {{dev: , prod: {{overlays: ['{name}']}}}}\n",
        "a.yaml": BASE,
        "prod/b.yaml": f"{HEAD}limits: {{day: {{target: tenant, per: day, requests: 3}}}}\n",
    }
    assert "acme/limit/day" not in bodies(loaded(tmp_path, files, "dev"))
    assert "acme/limit/day" in bodies(loaded(tmp_path, files, "prod"))
    files["reconciler.yaml"] += "include: ['**/*.yaml']\n"
    assert "acme/limit/day" not in bodies(loaded(tmp_path, files, "dev"))


def test_an_overlay_folder_inside_of_another_belongs_to_its_own_environment(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": "version: 1\nenvironments: {dev: {overlays: [over]}, prod: {overlays: [over, over/prod]}}\n",
        "a.yaml": BASE,
        "over/b.yaml": f"{HEAD}connectors: {{db: {{pool_size: 8}}}}\n",
        "over/prod/b.yaml": f"{HEAD}connectors: {{db: {{pool_size: 9}}}}\n",
    }
    assert bodies(loaded(tmp_path, files, "dev"))["acme/connector/db"]["pool_size"] == 8
    assert bodies(loaded(tmp_path, files, "prod"))["acme/connector/db"]["pool_size"] == 9


def test_nulls_of_the_base_are_values(tmp_path: Path) -> None:
    base = f"{HEAD}connectors: {{c: {{type: sql, dialect: snowflake, dsn: '{DSN}', options: {{a: null, b: 1}}}}}}\n"
    files = {"reconciler.yaml": PROJECT, "a.yaml": base, "more/c.yaml": HEAD}
    over = f"{HEAD}connectors: {{c: {{pool_size: 9}}}}\n"
    plain = bodies(loaded(tmp_path, {**files, "prod/b.yaml": HEAD}, "prod"))["acme/connector/c"]["options"]
    assert bodies(loaded(tmp_path, {"prod/b.yaml": over}, "prod"))["acme/connector/c"]["options"] == plain


def test_shared_objects_are_not_changed(tmp_path: Path) -> None:
    base = f"""{HEAD}
connectors:
  a: &a {{type: sql, dialect: postgresql, dsn: '{DSN}', labels: &l {{team: a, site: x}}, options: &o {{p: {{q: 1}}}}}}
  b: *a
  c: {{<<: *a, pool_size: 3}}
  d: {{type: http, base_url: 'https://h', labels: *l}}
"""
    files = {
        "reconciler.yaml": PROJECT,
        "a.yaml": base,
        "prod/b.yaml": f"{HEAD}connectors: {{a: {{pool_size: 9, labels: {{team: z, site: null}}, options: {{p: {{q: 2}}}}}}}}\n",
        "more/c.yaml": HEAD,
    }
    found = bodies(loaded(tmp_path, files, "prod"))
    assert found["acme/connector/a"]["labels"] == {"team": "z"}
    assert found["acme/connector/a"]["options"] == {"p": {"q": 2}}
    for name in "bcd":
        assert found[f"acme/connector/{name}"]["labels"] == {"team": "a", "site": "x"}
    for name in "bc":
        assert found[f"acme/connector/{name}"]["options"] == {"p": {"q": 1}}
    assert [found[f"acme/connector/{name}"]["pool_size"] for name in "abc"] == [9, 5, 3]


def test_an_overlay_for_several_tenants(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": PROJECT,
        "a.yaml": "version: 1\ntenants: [a, b, c]\nlimits: {l: {target: tenant, per: day, requests: 1}}\n",
        "prod/b.yaml": "version: 1\ntenants: [a, c]\nlimits: {l: {requests: 2}}\n---\nversion: 1\ntenant: b\nlimits: {l: null}\n",
        "more/c.yaml": HEAD,
    }
    found = bodies(loaded(tmp_path, files, "prod"))
    assert {address: body["requests"] for address, body in found.items()} == {"a/limit/l": 2, "c/limit/l": 2}


def test_problems_stand_where_they_were_made(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": PROJECT,
        "a.yaml": BASE,
        "prod/b.yaml": f"{HEAD}connectors:\n  db: {{pool_size: 0, labels: {{team: [a]}}}}\n  api: {{auth: {{type: bearer}}}}\n",
        "more/c.yaml": f"{HEAD}connectors:\n  db: {{max_rows: x}}\n",
    }
    assert problems(tmp_path, files, "prod") == [
        ("wrong-type", "more/c.yaml:4:18"),
        ("out-of-range", "prod/b.yaml:4:19"),
        ("wrong-type", "prod/b.yaml:4:37"),
        ("missing-field", "prod/b.yaml:5:9"),
    ]


def test_a_problem_is_not_looked_for_in_what_was_replaced(tmp_path: Path) -> None:
    """The base has a `url` too, of another type: what is missing is missing in the overlay."""
    files = {
        "reconciler.yaml": PROJECT,
        "a.yaml": f"{HEAD}connectors:\n  c: {{type: http, base_url: 'https://h'}}\n",
        "prod/b.yaml": f"{HEAD}connectors:\n  c: {{type: mcp, transport: sse}}\n",
        "more/c.yaml": f"{HEAD}connectors:\n  c: {{type: http}}\n",
    }
    assert problems(tmp_path, files, "prod") == [("missing-field", "more/c.yaml:4:3")]


def test_what_is_wrong_in_one_environment_says_in_which(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text(
        "version: 1\ninclude: [base.yaml]\nenvironments: {dev: , prod: {overlays: [prod]}, test: {overlays: [prod]}}\n"
    )
    base = "version: 1\ntenant: acme\nlimits:\n  month: {target: tenant, per: month, requests: 1}\n"
    (tmp_path / "base.yaml").write_text(base)
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "a.yaml").write_text("version: 1\ntenant: acme\nlimits: {month: {requests: -1}}\n")
    assert "(in prod, test)" in reconciler("validate", cwd=tmp_path).ok(3).err
    (tmp_path / "base.yaml").write_text(base.replace("requests: 1", "tokens: -1, requests: 1"))
    found = {e["message"] for e in reconciler("validate", "--format", "json", cwd=tmp_path).ok(3).json["errors"]}
    assert len(found) == 2
    assert sum("(in " in message for message in found) == 1, "what is wrong everywhere needs no name"
