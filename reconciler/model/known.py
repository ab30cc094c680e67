"""A resource as the runtime knows it: its body, who owns it, and whether it is as it was applied."""

from typing import NamedTuple

from reconciler.model.address import Address


class Text(NamedTuple):
    """A body as JSON, and the ``spec_version`` that it was written by."""

    json: str
    spec_version: int


class Known(NamedTuple):
    """``live`` is None where only a record of it is left. ``project`` is the owner, None for what somebody made by hand.

    ``settled``: live is what the owner applied last; ``applied`` is that, where it is another body (known of policies
    only). ``suspended``: an operator took it out of use.
    """

    address: Address
    uid: str
    live: Text | None
    project: str | None
    settled: bool
    applied: Text | None = None
    suspended: bool = False
