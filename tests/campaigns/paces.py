"""Applies random histories of configurations at every pace, in memory and on SQLite, and checks that uids follow things.

    python -m tests.campaigns.paces --histories 2000 --length 6 [--first N] [--sqlite EVERY]

Prints how many paces ended how as JSON; stops with exit 1 at the first one that breaks the law.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from random import Random

from tests.properties.arena import arena
from tests.properties.paces import history, paces
from tests.properties.test_paces import campaign, follow


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--length", type=int, default=6)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--sqlite", type=int, default=50, help="One history of so many is applied to a database, too.")
    arguments = parser.parse_args()
    started, ended = time.monotonic(), dict[str, int]()
    with arena("sqlite") as place:
        for seed in range(arguments.first, arguments.first + arguments.histories):
            try:
                for end, count in campaign(range(seed, seed + 1), arguments.length).items():
                    ended[end] = ended.get(end, 0) + count
                if seed % arguments.sqlite == 0:
                    story = history(Random(seed), arguments.length)
                    for pace in Random(seed).sample([*paces(arguments.length)], 5):
                        assert follow(story, pace, place) == follow(story, pace), f"history {seed} at {pace} on SQLite"
            except AssertionError as error:
                print(error, file=sys.stderr)
                for version in history(Random(seed), arguments.length).versions:
                    print(version, file=sys.stderr)
                return 1
    print(json.dumps({"paces": ended, "seconds": round(time.monotonic() - started, 1)}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
