"""The keys that are configured, as what wraps and unwraps the data keys of secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from reconciler.errors import IntegrityFailed, Refused
from reconciler.secrets.envelope import FileKey, Wrapper
from reconciler.secrets.keys import Keys


class Ring(NamedTuple):
    """The key that wraps, and how to find one by its id."""

    primary: Wrapper
    by_id: Callable[[str], Wrapper]

    def is_known(self, counted_as: str) -> bool:
        """Whether what a secret is counted under is one of these keys, a retired one too. Vault's are counted by version."""
        return self._has(counted_as) or self._has(counted_as.rpartition(":")[0])

    def _has(self, key_id: str) -> bool:
        try:
            self.by_id(key_id)
        except IntegrityFailed:
            return False
        except Refused:
            return True
        return True


def ring_of(keys: Keys | None, transit: Wrapper | None, old: Sequence[Wrapper] = ()) -> Ring | None:
    """Keys of a file, a key of Vault's transit, or both: then transit wraps, and the file's keys still open.

    The keys of ``old`` only open: `reencrypt` moves from them to what wraps.

    ``by_id`` raises Refused for a key that is retired, IntegrityFailed for one that isn't known here.
    """
    known: dict[str, Wrapper] = {name: FileKey(name, key) for name, key in keys.by_id.items()} if keys else {}
    known |= {key.key_id: key for key in old}
    primary = transit or (known[keys.primary] if keys else None)
    if primary is None:
        return None

    def by_id(key_id: str) -> Wrapper:
        if key_id == primary.key_id:
            return primary
        if keys and key_id in keys.retired:
            raise Refused(f"the key {key_id} is retired", code="key-retired")
        if key_id not in known:
            raise IntegrityFailed(
                f"the secret was sealed with the key {_shown(key_id)}, which is not known here",
                code="key-unknown",
                hint="RECONCILER_KEY_FILE or `secrets` in reconciler.yaml names the keys, RECONCILER_TRANSIT_OLD those of Vault that only open",
            )
        return known[key_id]

    return Ring(primary, by_id)


def _shown(key_id: str) -> str:
    """Return a text of the database, where anybody may write, as it may be shown."""
    return repr(key_id[:80])
