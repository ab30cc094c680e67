"""Reading equal texts once: whatever comes of the cut is what reading the whole gives, for honest and hostile files."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.load import blocks
from reconciler.load.blocks import Alike
from reconciler.load.documents import read_documents
from reconciler.remembered import LARGEST

HEAD = "version: 1\ntenant: acme\n"
ONE = "  a:\n    target: tenant\n    requests: 1\n"
LINES = [
    "a:", "b:", "limits:", "x: 1", 'y: "open', 'close"', "z: 'it''s", "end'", "w: [1,", "2]", "v: {k: 1,", "k2: 2}", "- item", "-", "# c",
    "t: |", "t: |+", "t: >-", "t: |2", "text", "text # no comment", "--- x", "---", "...", "? odd", ": value", "u: ${tenant}", "p: a\\b",
    'q: "\\x24{tenant}"', "null:", "12:", "a: {b: {c: d}}", "m: <<", "!!str s: t", "n: !!int 3", "", "   ", "r: a: b", "tab:\there", "*al", "o: @",
    "key: - x", "k1: 010", "k2: 1_000", "k3: yes", "k4: 1.50", "%TAG", "a : b", '"a": 1', "aé: 1", "a:b", "a:# no", "a: # yes",
]  # fmt: skip


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> Alike:
    """What one load has read; it gives up never."""
    monkeypatch.setattr(blocks, "TRIED", 10**9)
    return Alike()


def same(alike: Alike, data: bytes) -> bool:
    """Whether the cut was right; where it was, its outcome has to be that of the whole."""
    found = alike.read(data, "f")
    if found is None:
        return False
    whole, problems = read_documents(data, "f")
    assert not problems
    assert [replace(one, plain={}, is_harmless=False) for one in found] == whole
    assert [[*one.value] for one in found] == [[*one.value] for one in whole]
    for document in found:
        for key, name in document.plain:
            assert "${" not in repr(document.value[key][name])
            assert document.plain[key, name] in (None, repr(document.value[key][name]))
    return True


@pytest.mark.parametrize(
    "text",
    [
        ONE,
        ONE + "  b: {target: tenant, requests: 2} # on one line\n",
        ONE + "\n  # between\n\n  b:\n    # inside\n    target: tenant\n",
        ONE
        + "connectors: # of acme\n  c:\n    text: |+\n      a\n\n\n  d:\n    text: |\n      # no comment\n      b\n",
        ONE + "external: [connector/x]\n",
        ONE + "---\n# more\nversion: 1\ntenant: globex\nlimits:\n" + ONE,
        "  1:\n    ? odd\n    : value\n  b-2_c:\n    - a\n    - b\n",
    ],
)
def test_what_is_cut(alike: Alike, text: str) -> None:
    data = f"{HEAD}limits:\n{text}".encode()
    assert same(alike, data)
    assert same(alike, data)  # of what is known
    assert same(alike, data.replace(b"acme", b"globex"))


@pytest.mark.parametrize(
    "text",
    [
        "limits: {a: {target: tenant}}\n",  # its place is not told by the cut
        "limits:\n  a: &x {requests: 1}\n  b: *x\n",
        "limits:\n  a: {<<: {requests: 1}}\n",
        "limits:\n    a:\n      x: 1\n  b:\n    x: 1\n",
        "limits:\n  a:\n    x: 1\n  a:\n    x: 1\n",
        "limits:\n  a:\n    x: 1\nlimits:\n  b:\n    x: 1\n",
        "limits:\n",
        "limits:\n  - a\n",
        'limits:\n  a:\n    k: "abc\n  b:\n    z: def"\n',
        "limits:\n  a:\n    k: [1,\n  b:\n    2]\n",
        "limits:\n  a:\n    k: 'x\n",
        "limits:\n  a:\n    x: 1",  # no end of line
        "limits:\n  a:\r\n    x: 1\n",
        "limits:\n  a:\n    x:\t1\n",
        "limits:\n  é:\n    x: 1\n",
        "limits:\n  a:\n    x: 1\n...\n",
        "        deep: 1\n",
        "",
        "limits:\n  a: b: c\n",
    ],
)
def test_what_is_read_as_a_whole(alike: Alike, text: str) -> None:
    assert not same(alike, f"{HEAD}{text}".encode())
    assert same(alike, f"{HEAD}limits:\n{ONE}".encode())
    assert not same(alike, f"{HEAD}{text}".encode())


def test_a_known_text_closes_nothing_that_another_one_opened(alike: Alike) -> None:
    quoted = '  b:\n    k: "x"\n'
    assert same(alike, f"{HEAD}limits:\n{quoted}".encode())
    assert not same(alike, f'{HEAD}limits:\n  a:\n    k: "abc\n{quoted}'.encode())
    assert not same(alike, f'{HEAD}limits:\n{quoted}  c:\n    k: "abc\n'.encode())
    assert not same(alike, f'version: 1\ntenant: "acme\nlimits:\n{quoted}'.encode())


def test_the_same_text_at_another_depth_is_another_one(alike: Alike) -> None:
    explicit = "    k: |1\n      a\n"  # a block's indent counts from its parent's
    for indent in (1, 2, 3):
        assert same(alike, f"{HEAD}limits:\n{' ' * indent}a:\n{explicit}".encode())


def test_few_texts_are_remembered(alike: Alike) -> None:
    many = "".join(f"  a-{number}:\n    k: {number}\n" for number in range(blocks.MOST + 10))
    long = f"  long:\n    k: {'x' * LARGEST}\n"
    for _ in range(2):
        assert same(alike, f"{HEAD}limits:\n{many}{long}".encode())
    assert len(alike._known) <= blocks.MOST
    assert max(len(text) for _, text in alike._known) <= LARGEST


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False))
def test_hostile_files(dice: random.Random) -> None:
    alike = Alike()
    pieces = ["".join(hostile(dice)) for _ in range(4)]
    for _ in range(6):
        some = dice.sample(pieces, dice.randrange(1, 4))
        same(alike, f"{dice.choice([HEAD, '', '---' + chr(10)])}limits:\n{''.join(some)}".encode())


def hostile(dice: random.Random) -> list[str]:
    lines = ["  " + dice.choice("abcde") + ":" + chr(10)] if dice.random() < 0.7 else []
    indents = [" " * dice.choice([0, 1, 2, 2, 4, 4, 4, 4, 5, 6]) for _ in range(dice.randrange(5))]
    return [*lines, *(f"{indent}{dice.choice(LINES)}\n" for indent in indents)]


def test_where_nothing_is_alike_nothing_is_cut() -> None:
    def text(tenant: int) -> bytes:
        many = "".join(f"  a-{number}:\n    k: {tenant}-{number}\n" for number in range(300))
        return f"{HEAD}limits:\n{many}".encode()

    alike, unlike = Alike(), Alike()
    assert [alike.read(text(1), "f") is not None for _ in range(8)] == [True] * 8
    assert [unlike.read(text(number), "f") is not None for number in range(8)] == [True] * 4 + [False] * 4
