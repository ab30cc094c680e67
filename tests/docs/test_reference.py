"""The reference pages are fresh, whole and readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from reconciler.cli import COMMANDS
from reconciler.error_codes import CODES
from reconciler.kinds.table import KINDS
from reconciler.load.project_file import ProjectFile
from reconciler.render.reference.codes import EXITS
from reconciler.render.reference.dangers import declared_risks
from reconciler.render.reference.examples import example, manifest
from reconciler.render.reference.project import EXAMPLE
from reconciler.render.reference.prose import anchor, bullet, prose
from tests.conftest import ROOT, reconciler

FOLDER = ROOT / "docs" / "reference"
PAGES = sorted(FOLDER.glob("*.md"))
BAD = [*(ROOT / "tests" / "load" / "bad").glob("*.py")]


def test_the_pages_are_fresh(tmp_path: Path) -> None:
    reconciler("debug", "reference", "--out", "fresh", cwd=tmp_path).ok()
    fresh = {path.name: path.read_text() for path in (tmp_path / "fresh").iterdir()}
    assert fresh == {path.name: path.read_text() for path in PAGES}, (
        "run: python -m reconciler debug reference --out docs/reference"
    )


def test_every_field_and_command_is_there() -> None:
    for kind in KINDS.values():
        page = (FOLDER / f"{kind.name}.md").read_text()
        for variant, model in kind.variants.items():
            assert not variant or f"## `{kind.discriminator}: {variant}`" in page
            for name, info in model.model_fields.items():
                assert name == kind.discriminator or f"- `{info.alias or name}` (" in page, (kind.name, variant, name)
    project = (FOLDER / "project.md").read_text()
    assert all(f"\n- `{info.alias or name}` (" in project for name, info in ProjectFile.model_fields.items())
    commands = (FOLDER / "commands.md").read_text()
    assert all(f"## reconciler {name}" in commands for name in COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_reads_well_as_source_and_rendered(page: Path) -> None:
    text = page.read_text()
    assert max(map(len, text.splitlines())) <= 120
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    assert not [token.content for token in [*tokens, *inline] if token.type.startswith("html")]
    assert not re.search(r"(?<!`)`(?!`)", "".join(token.content for token in inline if token.type == "text")), (
        "a span is open"
    )
    # a list's item that the source has is one, and no line of prose became one
    items = len(re.findall(r"(?m)^ *- ", re.sub(r"(?s)```.*?```", "", text)))
    assert sum(token.type == "list_item_open" for token in tokens) == items
    assert sum(token.type == "heading_open" for token in tokens) == len(re.findall(r"(?m)^#+ ", text))
    assert tokens[0].type == "heading_open"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_pages_lead_to_a_heading(page: Path) -> None:
    for file, heading in re.findall(r"\]\(([^)#]*)#([^)]+)\)", page.read_text()):
        target = (FOLDER / file if file else page).read_text()
        assert heading in {anchor(line.lstrip("# ")) for line in target.splitlines() if line.startswith("#")}, heading


def test_the_examples_are_one_valid_manifest(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(manifest())
    reconciler("validate", ".", cwd=tmp_path).ok()
    assert all([*kind.examples] == [*kind.variants] for kind in KINDS.values())
    for kind in KINDS.values():
        for variant in kind.variants:
            assert "\n".join(example(kind, variant)) in (FOLDER / f"{kind.name}.md").read_text()


def test_the_projects_example_is_valid(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "a.yaml").write_text(manifest())
    (tmp_path / "reconciler.yaml").write_text(EXAMPLE)
    reconciler("validate", cwd=tmp_path).ok()


def test_risks_of_fields() -> None:
    http = declared_risks(KINDS["connector"].variants["http"])
    assert http["base_url",] == ("endpoint-host-changed", "endpoint-path-changed")
    assert http["auth", "type"] == ("credential-changed",)
    assert http["auth", "bearer", "token"] == ("credential-changed",)
    assert http["network_exceptions", "*", "port"] == ("access-widened",)
    assert http["protected",] == ("protection-removed",)
    assert ("timeout_seconds",) not in http
    mcp = declared_risks(KINDS["connector"].variants["mcp"])
    assert mcp["env",] == ("credential-changed", "command-changed")
    assert mcp["tools", "*", "pin"] == ("pin-changed",)
    assert mcp["tools", "*", "requires_approval"] == ("approval-removed",)
    assert set(declared_risks(KINDS["limit"].variants[""])["on_exceed",]) == {"limit-raised", "limit-lowered"}
    assert declared_risks(KINDS["policy"].variants[""])["subjects", "map", "roles"] == (
        "access-widened",
        "access-narrowed",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_declared_risk_shows_at_its_field(kind: str) -> None:
    page = (FOLDER / f"{kind}.md").read_text()
    for model in KINDS[kind].variants.values():
        for path, names in declared_risks(model).items():
            field = next(part for part in reversed(path) if part not in {"*", "map"})
            if field == KINDS[kind].discriminator and len(path) == 1:
                continue  # the page says of all variants at once what another one does
            shown = re.findall(rf"- `{field}` \((?:(?!\n *- )[\s\S])*", page)
            assert any(all(f"#{name}" in text for name in names) for text in shown), path


def test_examples_of_invalid_files_have_known_codes() -> None:
    marked = {code for file in BAD for code in re.findall("⟦([a-z0-9-]+)⟧", file.read_text())}
    assert len(marked) > 40
    assert marked - {"code"} <= CODES.keys()


def test_exit_codes_are_those_of_the_readme() -> None:
    told = {int(number) for number in re.findall(r"(?m)^\| (\d+) \|", (ROOT / "README.md").read_text())}
    assert told | {130} == EXITS.keys()


def test_prose() -> None:
    assert prose("a <b> `<c>` and *d* [e]") == r"a \<b\> `<c>` and \*d\* \[e\]"
    assert prose("say --env dev, or ${var.x}") == "say `--env` dev, or `${var.x}`"
    assert prose("`export --canonical` and `${tenant}`") == "`export --canonical` and `${tenant}`"
    long = bullet(("word " * 30 + "`a code span of words` - + 1. ") * 5)
    assert len(MarkdownIt().parse("\n".join(long))) == len(MarkdownIt().parse("- x"))
    assert " ".join(line.strip() for line in long).count("`a code span of words`") == 5
    assert all(line.count("`") % 2 == 0 for line in long)
    assert yaml.safe_load(EXAMPLE)["version"] == 1
