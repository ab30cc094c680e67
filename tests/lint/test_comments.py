"""Comments that allow something: where they are found, what they are about, and where text only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Problems
from reconciler.lint.comments import allowances
from reconciler.load.source import Source, parse_source
from tests.lint.support import findings, manifest

ALLOW = "# lint: allow some-rule because of that"


def source(text: str | bytes) -> Source:
    problems = Problems()
    found = parse_source("a.yaml", text.encode() if isinstance(text, str) else text, problems)
    problems.raise_if_any()
    return found


def lines(text: str | bytes) -> list[tuple[int, int]]:
    """For each comment its line, and the line that it is about."""
    return [(one.line, one.about) for one in allowances(source(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a: 1 {ALLOW}", [(1, 1)]),
        (f"{ALLOW}\na: 1", [(1, 2)]),
        (f"a:\n  {ALLOW}\n  # more\n  {ALLOW}\n  b: 1\n", [(2, 5), (4, 5)]),
        (f"{ALLOW}\n\na: 1", [(1, 2)]),
        (f"a: 1\n{ALLOW}", [(2, 2)]),
        (f"a: [1, 2] {ALLOW}", [(1, 1)]),
        (f"a: {{b: 1, c: 'x'}}\t{ALLOW}", [(1, 1)]),
        (f"a: &anchor {ALLOW}\n  b: 1\nc: *anchor {ALLOW}", [(1, 1), (3, 3)]),
        (f"a: {ALLOW}\n  b: 1", [(1, 1)]),
        (f"a: {ALLOW}\nb: 1", [(1, 1)]),
        (f"a: | {ALLOW}\n  text\nb: 1 {ALLOW}", [(1, 1), (3, 3)]),
        (f"a: !!str >-2 {ALLOW}\n    text\n{ALLOW}\nb: 1", [(1, 1), (3, 4)]),
        (f"- a {ALLOW}\n- 'b' {ALLOW}", [(1, 1), (2, 2)]),
        (f"a: 1\r\nb: 2 {ALLOW}\r\n", [(2, 2)]),
        (f"a: 1\n--- {ALLOW}\nb: 1 {ALLOW}", [(2, 2), (3, 3)]),
        (f"\ufeffa: 1 {ALLOW}", [(1, 1)]),
        (f"ключ: значение {ALLOW}", [(1, 1)]),
        ("a: 1 #lint:allow some-rule because of that", [(1, 1)]),
        # what only looks like one
        (f"a: '1 {ALLOW}'", []),
        (f'a: "1 {ALLOW}"', []),
        ("a#: 1\nb: x# lint:allow", []),
        (f"? '{ALLOW}'\n: 1", []),
        (f"a: |\n  {ALLOW}\n  text {ALLOW}\n", []),
        (f"a: >\n  text\n\n  {ALLOW}\n", []),
        (f"a: 'one\n  {ALLOW}\n  two'\n", []),
        (f'a: "one\n| {ALLOW}\n  two"\n', []),
        (f"a: ['{ALLOW}',\n  '{ALLOW}']", []),
        (f"a: 1 # see {ALLOW}", []),
        ("a: 1 # lint is good", []),
    ],
)
def test_where_comments_are(text: str, expected: list[tuple[int, int]]) -> None:
    assert lines(text) == expected


pieces = st.sampled_from([*"ab #:|>-'\"\\\n{}[],&*!%\t", f" {ALLOW}", f"\n{ALLOW}\n"])
texts = st.lists(pieces, max_size=20).map("".join)


@given(
    st.dictionaries(st.sampled_from("abc"), texts | st.lists(texts, max_size=3), min_size=1),
    st.sampled_from([None, "'", '"', "|", ">"]),
)
def test_no_text_is_a_comment(value: object, style: str | None) -> None:
    """Whatever a value says and however it is quoted."""
    written = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=30)
    found = parse_source("a.yaml", written.encode(), problems := Problems())
    assert problems.found or [*allowances(found)] == []


@pytest.mark.parametrize(
    ("comment", "rules", "reason"),
    [
        ("# lint: allow a-b because of that", ("a-b",), "of that"),
        ("# lint: allow a, b ,c because x", ("a", "b", "c"), "x"),
        ("# lint: allow a,a because x", ("a",), "x"),
        ("# lint: allow a", ("a",), ""),
        ("# lint: allow a because", ("a",), ""),
        ("# lint: allow a because   ", ("a",), ""),
        ("# lint: alow a because x", (), ""),
        ("# lint: allow because x", (), ""),
        ("# lint: allow A because x", (), ""),
        ("# lint:", (), ""),
        ("# lint: allow a; b because x", (), ""),
        ("# lint: allow " + "a, " * 5000 + "b because x", ("a",), ""),
    ],
)
def test_what_comments_say(comment: str, rules: tuple[str, ...], reason: str) -> None:
    (found,) = allowances(source(f"a: 1 {comment}"))
    assert (found.rules, found.reason) == (rules, reason)


AI = "provider: openai, credential: vault://kv/acme/ai#key"
BECAUSE = "because the gateway limits it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # at the key of the resource: for everything inside of it
        (f"integrations:\n  ai: {{{AI}}} # lint: allow integration-without-limit, integration-any-model {BECAUSE}\n", []),
        (
            f"integrations:\n  # lint: allow integration-without-limit {BECAUSE}\n  ai: {{{AI}}}\n",
            [("integration-any-model", "acme.yaml:5:3")],
        ),
        (
            "connectors:\n  tools: # lint: allow mcp-tool-unpinned because they are ours\n    type: mcp\n"
            "    transport: stdio\n    command: x\n    tools:\n      a: {}\n      b: {}\n",
            [],
        ),
        # beside the line of the finding: for that alone
        (
            "connectors:\n  tools:\n    type: mcp\n    transport: stdio\n    command: x\n    tools:\n"
            "      a: {} # lint: allow mcp-tool-unpinned because it is ours\n      b: {}\n",
            [("mcp-tool-unpinned", "acme.yaml:10:10")],
        ),
        # another rule, no reason, an unknown rule, nonsense: the finding stays
        (
            f"integrations:\n  ai: {{{AI}, models: [m]}} # lint: allow integration-any-model {BECAUSE}\n",
            [("integration-without-limit", "acme.yaml:4:3"), ("lint-unused", f"acme.yaml:4:{17 + len(AI) + 6}")],
        ),
        (
            f"integrations:\n  ai: {{{AI}, models: [m]}} # lint: allow integration-without-limit\n",
            [("integration-without-limit", "acme.yaml:4:3"), ("lint-comment", f"acme.yaml:4:{17 + len(AI) + 6}")],
        ),
        (
            f"# lint: allow no-such-rule {BECAUSE}\nlimits: {{}}\n# lint: disable all\n",
            [("lint-comment", "acme.yaml:3:1"), ("lint-comment", "acme.yaml:5:1")],
        ),
    ],
)  # fmt: skip
def test_what_comments_allow(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    assert findings(tmp_path, manifest(text)) == expected


def test_a_comment_in_the_projects_defaults(tmp_path: Path) -> None:
    project = "version: 1\ndefaults:\n  connectors:\n    ssl: prefer # lint: allow sql-unencrypted because of the VPN\n"
    text = "connectors:\n  db: {type: sql, dialect: postgresql, dsn: vault://kv/acme/db#dsn}\n"
    assert findings(tmp_path, {"reconciler.yaml": project, **manifest(text)}) == []
    plain = project.partition(" #")[0] + "\n"
    found = findings(tmp_path, {"reconciler.yaml": plain, **manifest(text)})
    assert found == [("sql-unencrypted", "reconciler.yaml:4:10")]
