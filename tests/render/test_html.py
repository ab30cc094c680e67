"""HTML reports as text: a golden page, what hostile text becomes, diffs that lose nothing, drawings that end."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds.table import KINDS
from reconciler.model.plan import Action
from reconciler.render.html.diff import line_rows, parts
from reconciler.render.html.graph import MOST, draw
from reconciler.render.html.rows import PageRow, RowHead, drift_rows, plan_rows
from reconciler.render.html.words import ACTIONS, GRAVEST
from tests.conftest import Db, Run
from tests.render.reports import drift, drift_html, empty, hostile, huge, plan_html, small

GOLDEN = Path(__file__).parent / "golden" / "plan.html"


def test_golden() -> None:
    """Without style and script, which have tests in a browser; write it anew with ``python -m tests.render.test_html``."""
    assert _without_assets(plan_html(small())) == GOLDEN.read_text(encoding="utf-8")


def _without_assets(page: str) -> str:
    page = re.sub("<style>.*?</style>", "<style></style>", page, flags=re.DOTALL)
    page = re.sub("<script>.*?</script>", "<script></script>", page, flags=re.DOTALL)
    return re.sub("sha256-[A-Za-z0-9+/=]+", "sha256-", page).replace('{"a":', '\n{"a":') + "\n"


def test_the_policy_names_the_very_bytes_of_style_and_script() -> None:
    page = plan_html(small())
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        expected = b64encode(sha256(inside.encode()).digest()).decode()
        assert f"{directive} 'sha256-{expected}';" in policy[1]


class Tags(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)


@pytest.mark.parametrize("page", [plan_html(hostile()), drift_html({**drift(), "pending": hostile()})])
def test_hostile_text_makes_no_element_and_hides_nothing(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert tags.tags.count("script") == 2
    assert tags.tags.count("style") == 1
    assert tags.tags.count("svg") == 1
    assert "img" not in tags.tags
    assert {tag for tag in tags.tags if tag in {"iframe", "object", "link", "base", "embed"}} == set()
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name in {"src", "style", "srcdoc"}]
    links = {value for name, value in tags.attributes if name == "href"}
    assert links
    assert all(value is not None and value.startswith("#") for value in links)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]", page
    )
    assert "\\u202e" in page
    page.encode()


def test_inside_of_svg_nothing_ends_it() -> None:
    """An HTML element inside of SVG would end the drawing, and with it what keeps its text apart."""
    drawing = re.search("<svg.*?</svg>", plan_html(hostile()), flags=re.DOTALL)
    assert drawing is not None
    tags = Tags()
    tags.feed(drawing[0])
    assert {*tags.tags} == {"svg", "g", "a", "title", "rect", "text", "path"}


def whole_rows(document: dict[str, Any]) -> list[PageRow]:
    return [head.whole() for head in plan_rows(document)]


def test_the_gravest_comes_first() -> None:
    rows = whole_rows(small())
    assert [(row["g"], row["n"]) for row in rows[:5]] == [
        ("Blocked", "old-report"),
        ("High risk", "archive"),
        ("High risk", "openai-prod"),
        ("High risk", "openai-prod-month"),
        ("Medium risk", "top-customers"),
    ]
    assert rows[-1]["g"].startswith("Changed outside")
    assert rows[2]["risks"] == ["overwrites-outside", "credential-changed", "access-widened"]


def test_without_risks_in_the_document_nothing_is_risky() -> None:
    document = small()
    for change in document["resource_changes"]:
        del change["risks"]
    assert not [row["g"] for row in whole_rows(document) if "risk" in row["g"]]


def test_every_action_has_words() -> None:
    assert {action.value for action in Action} == {*GRAVEST}
    assert {*ACTIONS} >= {*GRAVEST}


def test_nothing_to_do() -> None:
    page = plan_html(empty())
    assert "No changes. Your infrastructure matches the configuration." in page
    assert 'id="changes"' not in page
    clean = drift_html({**drift(), "findings": []})
    assert "No drift. What is live is what was applied last." in clean


LINES = st.lists(st.sampled_from(["SELECT a", "SELECT b", "FROM t", "", "  WHERE x = 1", "GROUP BY a, b"]), max_size=14)


@given(LINES, LINES)
def test_both_sides_can_be_read_from_the_rows(left: list[str], right: list[str]) -> None:
    assert _sides(line_rows(left, right)) == ([*enumerate(left, 1)], [*enumerate(right, 1)])


def test_also_of_texts_too_long_to_compare() -> None:
    left = ["same", *(f"left {n}" for n in range(2500)), "end"]
    right = ["same", *(f"right {n}" for n in range(2500)), "end"]
    assert _sides(line_rows(left, right)) == ([*enumerate(left, 1)], [*enumerate(right, 1)])


def test_what_would_take_minutes_to_align_is_shown_without_marks() -> None:
    """Twenty lines of 900 words, of two words only, took 171 seconds before there was a bound."""
    chosen = Random(1)
    texts = ["\n".join(" ".join(chosen.choice("ab") for _ in range(900)) for _ in range(20)) for _ in range(2)]
    begin = time.monotonic()
    (part,) = parts("change", *texts)
    assert time.monotonic() - begin < 10
    assert {row[0] for row in part["r"]} == {2, 3}


def _sides(rows: list[Any]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    lefts: list[tuple[int, str]] = []
    rights: list[tuple[int, str]] = []
    for sort, *rest in rows:
        if sort == 0:
            lefts.append((rest[0], rest[2]))
            rights.append((rest[1], rest[2]))
        elif sort == 1:
            lefts.append((rest[0], "".join(rest[1])))
            rights.append((rest[2], "".join(rest[3])))
        elif sort == 4:
            lefts.extend((rest[0] + n, text) for n, text in enumerate(rest[2]))
            rights.extend((rest[1] + n, text) for n, text in enumerate(rest[2]))
        else:
            (lefts if sort == 2 else rights).append((rest[0], rest[1]))
    return lefts, rights


def test_marks_stand_on_what_differs() -> None:
    (part,) = parts("change", "SELECT a, b FROM t\nWHERE x", "SELECT a, c FROM t\nWHERE x")
    assert part["r"][0] == [1, 1, ["SELECT a, ", "b", " FROM t"], 1, ["SELECT a, ", "c", " FROM t"]]
    assert part["r"][1] == [0, 2, 2, "WHERE x"]


def test_json_is_compared_by_key() -> None:
    before = {"type": "object", "properties": {"email": {"maxLength": 200, "type": "string"}}}
    after = {
        "type": "object",
        "properties": {"email": {"maxLength": 300, "type": "string"}, "age": {"type": "integer"}},
    }
    assert [(part["p"], part["r"]) for part in parts("change", before, after)] == [
        ("properties.age.type", [[3, 0, '"integer"']]),
        ("properties.email.maxLength", [[1, 0, ["200"], 0, ["300"]]]),
    ]


def test_the_drawing_is_bounded_and_says_what_it_leaves_out() -> None:
    document = huge(400)
    graph = draw(plan_rows(document))
    assert (graph.nodes, graph.svg.count("<rect")) == (MOST, MOST)
    assert f"{graph.left_out} left out" in plan_html(document)
    risky = sum(row["g"] in {"High risk", "Medium risk", "Low risk"} for row in whole_rows(document))
    assert graph.svg.count("risky") == min(risky, MOST)


def head(address: str, body: Any) -> RowHead:
    return plan_rows(small())[0]._replace(address=address, body=lambda: body)


def test_what_depends_on_a_change_is_drawn_too() -> None:
    made = [head("acme/connector/a", None)]
    graph = draw(made, {"acme/datasource/b": ["acme/connector/a"], "acme/template/c": ["acme/datasource/b"]})
    assert (graph.nodes, graph.svg.count('class="edge"')) == (3, 2)


def test_a_circle_of_references_is_drawn_as_well() -> None:
    """A plan's file is untrusted: what validation refuses may stand in it."""
    heads = [head("acme/limit/a", {"target": "limit/b"}), head("acme/limit/b", {"target": "limit/a"})]
    assert KINDS["limit"].references
    assert draw(heads).svg.count('class="edge"') == 2


def test_five_thousand_changes_stay_below_six_megabytes() -> None:
    assert len(plan_html(huge()).encode()) < 6_000_000


def test_the_commands(run: Run, base: Path, db: Db) -> None:
    planned = run("plan", ".", "--out", "p.plan", "--format", "html").ok().out
    assert planned.startswith("<!doctype html>")
    assert _data(planned)["rows"][0]["a"] == "acme/connector/warehouse"
    assert run("show", "p.plan", "--format", "html").ok().out == planned
    run("apply", "p.plan", "--auto-approve").ok()
    assert run("show", "acme/limit/month", "--format", "html").ok(64)
    db.set_field("acme/limit/month", "cost_usd", "900")
    found = run("drift", "--pending", "--format", "html").ok(2).out
    assert [(row["g"], row["a"]) for row in _data(found)["rows"]] == [
        ("Changed outside", "acme/limit/month"),
        ("Pending: high risk", "acme/limit/month"),
    ]


def test_what_guards_would_refuse_is_told(run: Run, folder: Path) -> None:
    limits = ", ".join(f"l{n}: {{target: tenant, per: day, requests: {n}}}" for n in range(12))
    (folder / "acme.yaml").write_text(f"version: 1\ntenant: acme\nlimits: {{{limits}}}\n")
    run("apply", ".", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(
        "version: 1\ntenant: acme\nlimits: {l0: {target: tenant, per: day, requests: 0}}\n"
    )
    page = run("plan", ".", "--format", "html").ok().out
    assert "An apply of this plan would be refused" in page
    assert "--allow-deletes 11" in page


def _data(page: str) -> Any:
    (found,) = re.findall('<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    return json.loads(found)


if __name__ == "__main__":
    GOLDEN.write_text(_without_assets(plan_html(small())), encoding="utf-8")


def _blocked(document: dict[str, Any]) -> set[str]:
    return {row["n"] for row in whole_rows(document) if row["stop"]}


def test_every_change_that_a_blocker_is_about_is_blocked(run: Run, folder: Path, db: Db) -> None:
    """A guard that refuses a risk is one reason for all that have it."""
    limits = "\n".join(f"  l{n}: {{target: tenant, per: month, requests: {{0}}}}" for n in range(4))
    text = f"version: 1\ntenant: acme\nlimits:\n{limits}\n"
    (folder / "reconciler.yaml").write_text("version: 1\nguards: {refuse: [limit-raised]}\n")
    (folder / "acme.yaml").write_text(text.replace("{0}", "10").replace("{{", "{").replace("}}", "}"))
    run("apply", ".", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(text.replace("{0}", "20").replace("{{", "{").replace("}}", "}"))
    page = run("plan", ".", "--format", "html").ok().out
    data = re.search('id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert data is not None
    assert [(row["n"], row["g"]) for row in json.loads(data[1])["rows"]] == [(f"l{n}", "Blocked") for n in range(4)]


def test_a_blocker_about_two_ends_blocks_both_and_what_moves_away() -> None:
    made = small()
    told = {"code": "depended-on", "message": "no", "hint": ""}
    made["blockers"] = [{**told, "address": "acme/datasource/sales-db", "others": ["acme/limit/openai-prod-month"]}]
    assert _blocked(made) == {"sales", "openai-prod-month"}


def test_findings_of_one_sort_stand_together_whatever_their_tenant() -> None:
    made = drift()
    other = [{**finding, "tenant": "globex", "address": "globex/x/y"} for finding in made["findings"]]
    groups = [head.whole()["g"] for head in drift_rows({**made, "findings": [*made["findings"], *other]})]
    assert groups == ["Deleted outside"] * 2 + ["Changed outside"] * 2 + ["Created outside"] * 2
