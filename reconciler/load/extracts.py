"""Make the extracts of chunks: known ones come from the pack, the others are made, in several processes if they are many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

from reconciler.batches import Map
from reconciler.load.build import Count
from reconciler.load.cache import Pack, Ruling, used, write_pack
from reconciler.load.chunks import Chunk
from reconciler.load.extract import Extract, unpacked
from reconciler.load.frame import Frame
from reconciler.load.validate import extract
from reconciler.processes import forked

WORTH_A_PROCESS = 256 * 1024
"""Bytes to read; below that, a process of its own costs more than it saves."""

Extracts = dict[str, Extract]
"""By the key of their chunk."""


def extracts_of(pieces: Sequence[Chunk], pack: Pack, frame: Frame, count: Count) -> Extracts:
    """Return the extracts of the chunks, without those that hold problems or need other files to be judged."""
    found: Extracts = {}
    missing: dict[str, Chunk] = {}
    for piece in pieces:
        if (one := pack.extracts.get(piece.key)) is not None:
            found[piece.key] = one
        else:
            missing[piece.key] = piece
    todo = [*missing.values()]
    known = len(found)

    def work(piece: Chunk) -> bytes | None:
        made = extract(piece, frame)
        return made.pack() if made else None

    mapper: Map = map if sum(len(piece.data) for piece in todo) < WORTH_A_PROCESS else forked
    for number, (piece, packed) in enumerate(zip(todo, mapper(work, todo), strict=True), 1):
        count(known + number, len(pieces), "files")
        if packed is not None:
            found[piece.key] = unpacked(packed)
    return found


def keep(file: FilePath | None, pack: Pack, extracts: Extracts, rulings: dict[str, Ruling]) -> None:
    """Write a new pack if anything in it is new; what a typing error takes away for a while stays in the old one."""
    if file is None:
        return
    if rulings.items() <= pack.rulings.items() and all(key in pack.extracts for key in extracts):
        used(file)
    else:
        write_pack(file, extracts, rulings)
