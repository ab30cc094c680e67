"""What a command may say of its writes when it ends early."""

from __future__ import annotations

import pytest

from reconciler.committed import Fate, Write, ending, fate_of, record, recording, written


def made(*fates: Fate) -> list[Write]:
    return [Write(f"the change {number}", f"id{number}", fate) for number, fate in enumerate(fates, 1)]


@pytest.mark.parametrize(
    ("fates", "fate", "said"),
    [
        ((), Fate.NOT_WRITTEN, "nothing was written."),
        ((Fate.NOT_WRITTEN,), Fate.NOT_WRITTEN, "nothing was written."),
        ((Fate.WRITTEN,), Fate.WRITTEN, "it was written before that: the change 1 id1."),
        ((Fate.NOT_WRITTEN, Fate.WRITTEN), Fate.WRITTEN, "it was written before that: the change 2 id2."),
        (
            (Fate.WRITTEN, Fate.WRITTEN, Fate.NOT_WRITTEN),
            Fate.WRITTEN,
            "2 changes were written before that, the last: the change 2 id2.",
        ),
        (
            (Fate.WRITTEN, Fate.UNKNOWN),
            Fate.UNKNOWN,
            "whether this was written is not known: the change 2 id2: look it up with `reconciler audit show id2`.",
        ),
    ],
)
def test_the_sentence(fates: tuple[Fate, ...], fate: Fate, said: str) -> None:
    writes = made(*fates)
    assert fate_of(writes) is fate
    assert ending(writes) == said


def test_only_what_begins_inside_is_recorded() -> None:
    record(Write("before"))
    with recording() as outer:
        written("a.yaml")
        with recording() as inner:
            one = record(Write("one"))
        one.fate = Fate.WRITTEN
    record(Write("after"))
    assert [str(write) for write in outer] == ["a.yaml"]
    assert [(write.what, write.fate) for write in inner] == [("one", Fate.WRITTEN)]
    assert one.id is not None
