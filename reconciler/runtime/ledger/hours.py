"""Evidence of one hour, counted: rows of integers by pair, result and code, and the digest of each tenant's rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import blake2b, sha256
from typing import NamedTuple

from sqlalchemy import Connection, text

from reconciler import strict_json
from reconciler.runtime.ledger.schema import first_id

HOUR, DAY = 3600, 86400
SLACK = 3600.0
"""By so much the clock of a server, which makes ids, may differ from the store's, which dates rows."""
LATE = 2 * 86400.0
"""A count of refusals names a row that is older by a minute, or by as long as the store was away."""
RUNNING = "running"
_RANGE = "i.at >= :begins AND i.at < :ends AND i.id >= {first} AND i.id < {behind}"
_CALLS = (
    "SELECT i.tenant, s.caller, i.subject, i.path, p.action, i.policy, COALESCE(o.outcome, 'running'), COALESCE(o.code, ''), "
    "count(*), sum(CASE WHEN i.shadow <> '' THEN 1 ELSE 0 END), COALESCE(sum(o.size), 0), COALESCE(sum(o.duration_ms), 0), "
    "max(i.at) FROM intents i LEFT JOIN outcomes o ON o.id = i.id LEFT JOIN subjects s ON s.number = i.subject "
    "LEFT JOIN paths p ON p.number = i.path WHERE {range} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
)
# an action that a caller made up is not of the pair: its path is none
_DENIED = (
    "SELECT d.tenant, s.caller, d.subject, d.path, COALESCE(p.action, ''), d.policy, 'denied', d.reason, {n}, 0, 0, 0, "
    "max(i.at) FROM {source} LEFT JOIN subjects s ON s.number = d.subject LEFT JOIN paths p ON p.number = d.path "
    "WHERE {range} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
)


class Pair(NamedTuple):
    """What is counted together. ``path`` is 0 for all names that callers made up, ``policy`` where none decided."""

    tenant: str
    caller: str
    subject: int
    path: int
    action: str
    policy: int

    def number(self, key: bytes) -> int:
        """Return 63 bits that are the same whenever it is counted anew."""
        return int.from_bytes(blake2b(strict_json.write(["Pair", *self]), digest_size=8, key=key).digest()) >> 1


class Counted(NamedTuple):
    """``last`` is in milliseconds since 1970."""

    calls: int
    shadow: int
    size: int
    ms: int
    last: int

    def plus(self, other: Counted) -> Counted:
        calls, shadow, size, ms = (one + two for one, two in zip(self[:4], other[:4], strict=True))
        return Counted(calls, shadow, size, ms, max(self.last, other.last))


Key = tuple[Pair, str, str]
"""A pair, the result, and its code or reason."""
Rows = Mapping[Key, Counted]


class Digest(NamedTuple):
    """Of one tenant's rows of one hour; ``calls`` counts refusals too."""

    sha256: str
    calls: int


def rows_of(connection: Connection, hour: int) -> Rows:
    """Count the evidence of an hour (since 1970); calls without an outcome have the result ``running``."""
    found: dict[Key, Counted] = {}
    for sql, slack in _statements(connection.dialect.name):
        begins, ends = float(hour * HOUR), float((hour + 1) * HOUR)
        given = {
            "begins": begins,
            "ends": ends,
            "first": first_id(max(0.0, begins - slack)),
            "behind": first_id(ends + SLACK),
        }
        for tenant, caller, subject, path, action, policy, result, code, *numbers, last in connection.execute(
            text(sql), given
        ):
            key = (Pair(tenant, caller or "", subject, path, action or "", policy), result, code)
            calls, shadow, size, ms = map(int, numbers)
            one = Counted(calls, shadow, size, ms, int(last * 1000))
            found[key] = found[key].plus(one) if key in found else one
    return found


def _statements(dialect: str) -> Iterable[tuple[str, float]]:
    cast = "CAST(:{} AS uuid)" if dialect == "postgresql" else ":{}"
    within = _RANGE.format(first=cast.format("first"), behind=cast.format("behind"))
    yield _CALLS.format(range=within), SLACK
    yield _DENIED.format(range=within, n="count(*)", source="denials i").replace("d.", "i."), SLACK
    counts = "denial_counts i JOIN denials d ON d.id = i.id"
    yield _DENIED.format(range=within, n="sum(i.n)", source=counts), LATE


def digests_of(rows: Rows) -> dict[str, Digest]:
    """Return the digest of each tenant's rows: SHA-256 of their JSON, sorted, in the order of their fields."""
    by_tenant: dict[str, list[list[int | str]]] = defaultdict(list)
    for (pair, result, code), counted in rows.items():
        by_tenant[pair.tenant].append([*pair[1:], result, code, *counted])
    return {
        tenant: Digest(sha256(strict_json.write(sorted(found))).hexdigest(), sum(_calls(one) for one in found))
        for tenant, found in sorted(by_tenant.items())
    }


def _calls(row: list[int | str]) -> int:
    return int(row[7])


def first_hour(connection: Connection, after: float = 0.0) -> int | None:
    """Return the first hour that holds evidence from the moment ``after`` on; None where there is none."""
    moments = [_first(connection, table, after) for table in ("intents", "denials", "denial_counts")]
    known = [moment for moment in moments if moment is not None]
    return int(min(known) // HOUR) if known else None


def _first(connection: Connection, table: str, after: float) -> float | None:
    """Look for the first by its id, then for an earlier one among those that are not much later."""
    cast = "CAST(:{} AS uuid)" if connection.dialect.name == "postgresql" else ":{}"
    slack = LATE if table == "denial_counts" else SLACK
    given = {"after": after, "first": first_id(max(0.0, after - slack))}
    sql = f"SELECT at FROM {table} WHERE at >= :after AND id >= {cast.format('first')} ORDER BY id LIMIT 1"
    found = connection.execute(text(sql), given).scalar()
    if found is None:
        return None
    sql = f"SELECT min(at) FROM {table} WHERE at >= :after AND id >= {cast.format('first')} AND id < {cast.format('behind')}"
    earlier = connection.execute(text(sql), {**given, "behind": first_id(found + slack)}).scalar()
    return float(found if earlier is None else min(found, earlier))
