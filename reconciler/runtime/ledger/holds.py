"""What one try of a model call holds of limits until it is settled, and what settles it."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.runtime.ledger.entries import Level


class Hold(NamedTuple):
    """What one try may use at most: a row in the ledger from before the provider sees a byte until it is settled.

    ``call`` is the id of the intent, ``number`` that of the try, from 1. ``levels`` have the amounts that are held. ``tokens``
    and ``cost`` (pico-dollars) are the bounds that the provider has to keep; None where no limit asks for one. ``integration`` is
    the uid of what the try is sent to, ``name`` its `integration/NAME`. ``seconds`` is when the try is over at the latest.
    """

    call: str
    number: int
    tenant: str
    levels: tuple[Level, ...]
    seconds: float
    integration: str
    name: str
    tokens: int | None = None
    cost: int | None = None


class Settlement(NamedTuple):
    """What a try was billed; None for both is not known, so that what was held is used."""

    hold: Hold
    tokens: int | None = None
    cost: int | None = None
