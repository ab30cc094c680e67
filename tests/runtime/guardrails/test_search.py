"""Detectors find what they name and leave what is like it; a text that arrives in pieces comes out as the whole one would."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

import pytest

from reconciler.runtime.guardrails.detector import Detector
from reconciler.runtime.guardrails.guard import BUILTIN
from reconciler.runtime.guardrails.patterns import NotUsable, detector_of
from reconciler.runtime.guardrails.search import Stream, redacted

from .samples import FOUND, KEY, LEFT, PROSE

EVERY = [*BUILTIN.values()]
OWN = [
    detector_of("ticket", r"\bT-[0-9]{6}\b"),
    detector_of("code", "[A-Z]{2}[0-9]{2,9}"),
    detector_of("x", "(?i:x|xyz)q?"),
]
PIECES = [text for texts in (*FOUND.values(), *LEFT.values()) for text in texts] + [
    *PROSE,
    "T-123456",
    "AB123",
    "xyzq",
    "XY",
]


def test_every_builtin_has_samples() -> None:
    assert {*FOUND} == {*LEFT} == {*BUILTIN}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FOUND.items() for text in texts])
@pytest.mark.parametrize("around", ["{}", "It is {}, I think.", "({})", "\n{}\n", '{{"a":"{}"}}'])
def test_it_is_found(name: str, text: str, around: str) -> None:
    assert redacted([BUILTIN[name]], around.format(text)).text == around.format(f"[{name}]")


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in LEFT.items() for text in texts])
def test_what_is_like_it_is_left(name: str, text: str) -> None:
    assert redacted([BUILTIN[name]], f"It is {text}, I think.").names == ()


def test_prose_is_left() -> None:
    assert redacted(EVERY, "".join(PROSE)).names == ()


def test_of_two_at_one_place_the_longer_counts() -> None:
    assert redacted(EVERY, "mail 4111111111111111@example.com now").text == "mail [email] now"


def streamed(detectors: Sequence[Detector], pieces: Sequence[str]) -> tuple[str, int]:
    stream = Stream(detectors)
    found = [*map(stream.feed, pieces), stream.finish()]
    return "".join(one.text for one in found), sum(len(one.names) for one in found)


def _splits(text: str, random_: random.Random) -> Iterator[str]:
    position = 0
    while position < len(text):
        size = random_.choice([0, 1, 1, 1, 2, 3, 5, 8, 40])
        yield text[position : position + size]
        position += size


@pytest.mark.parametrize("seed", range(6))
def test_however_it_is_split_a_text_comes_out_the_same(seed: int) -> None:
    random_ = random.Random(seed)
    for _ in range(500):
        glue = random_.choice(["", "", " ", "-", ". ", "\n", "1", "A"])
        text = glue.join(random_.choices(PIECES, k=random_.randint(1, 6)))
        if random_.random() < 0.5:
            text = text[random_.randrange(20) : len(text) - random_.randrange(20)]
        detectors = random_.sample([*EVERY, *OWN], random_.randint(1, len(EVERY) + len(OWN)))
        whole = redacted(detectors, text)
        assert streamed(detectors, [*_splits(text, random_)]) == (whole.text, len(whole.names)), text


@pytest.mark.parametrize("name", BUILTIN)
def test_split_at_every_place(name: str) -> None:
    for text in FOUND[name]:
        whole = f"It is {text}, I think."
        for place in range(len(whole) + 1):
            assert streamed([BUILTIN[name]], [whole[:place], whole[place:]])[0] == f"It is [{name}], I think."
        assert streamed([BUILTIN[name]], [*whole])[0] == f"It is [{name}], I think."


def test_no_part_of_what_is_found_leaves_before_it_is_whole() -> None:
    for name, texts in FOUND.items():
        for text in texts:
            stream, out = Stream([BUILTIN[name]]), ""
            for letter in f" {text}":
                out += stream.feed(letter).text
            assert out.strip() in {"", f"[{name}]"}, (name, out)


@pytest.mark.parametrize("detectors", [EVERY, [BUILTIN["credit_card"]], [BUILTIN["iban"]]], ids=["all", "card", "iban"])
def test_of_prose_hardly_anything_waits(detectors: Sequence[Detector]) -> None:
    stream, waiting = Stream(detectors), 0
    text = "Ask a colleague at the desk whether the answer that came today is the one which was meant. " * 20
    out = 0
    for number, letter in enumerate(text, 1):
        out += len(stream.feed(letter).text)
        waiting = max(waiting, number - out)
    assert waiting <= 12


def test_a_key_that_is_cut_off_is_found() -> None:
    cut = KEY[: KEY.index("-----END")]
    assert redacted([BUILTIN["private_key"]], f"{cut} and so on").text == "[private_key]\n and so on"


@pytest.mark.parametrize(
    "text", ["4" * 100_000, "4111 " * 20_000, "a@" * 50_000, "DE89" * 25_000, "-----BEGIN " * 9_000, "A" * 100_000]
)
def test_a_hostile_text_costs_linear_time(text: str) -> None:
    begun = time.process_time()
    redacted(EVERY, text)
    streamed(EVERY, [text[at : at + 50] for at in range(0, 20_000, 50)])
    assert time.process_time() - begun < 10


def test_memory_of_a_pattern_is_bounded() -> None:
    with pytest.raises(NotUsable):
        detector_of("wide", r"(?:\pL{1,900}x){1,900}")


def test_what_has_no_greatest_length_is_in_no_stream() -> None:
    with pytest.raises(ValueError, match="without a greatest length"):
        Stream([detector_of("long", "ab+")])
