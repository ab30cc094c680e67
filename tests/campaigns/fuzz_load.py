"""Loads broken files for as long as one likes: no exception, no leak, no slow file.

    python -m tests.campaigns.fuzz_load [--seconds 60] [--seed N]

Prints what was found as JSON; exits 1 if anything was. ``--seed`` starts at a number that an earlier run printed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from tests.load.fuzzing import is_fair, leaks, problems_of, tree

SLOW_SECONDS = 1.0
MOST_FINDINGS = 20


def attempt(seed: int, folder: Path) -> tuple[str | None, Counter[str]]:
    """What is wrong with one tree of files, if anything, and the codes of its problems."""
    start = time.process_time()
    try:
        files = tree(random.Random(seed))
        problems = problems_of(folder, files)
    except Exception:
        return traceback.format_exc(limit=-4), Counter()
    codes = Counter(problem.code for problem in problems)
    if (found := leaks(problems)) and is_fair(files):
        return f"leaked: {found[0][:2000]}", codes
    if time.process_time() - start > SLOW_SECONDS:
        return f"took {time.process_time() - start:.1f} s", codes
    return None, codes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    end, seed = time.monotonic() + arguments.seconds, arguments.seed
    findings: list[dict[str, Any]] = []
    codes: Counter[str] = Counter()
    while time.monotonic() < end and len(findings) < MOST_FINDINGS:
        with tempfile.TemporaryDirectory() as folder:
            wrong, found = attempt(seed, Path(folder))
        codes += found
        if wrong:
            findings.append({"seed": seed, "what": wrong})
        seed += 1
    print(
        json.dumps({"trees": seed - arguments.seed, "findings": findings, "codes": dict(codes.most_common())}, indent=2)
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
