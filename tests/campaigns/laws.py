"""Takes every guard out of a copy of the program, one after the other: the test of its law has to fail.

    python -m tests.campaigns.laws [--workers N]

Exits 0 only if every one was noticed. The suite takes out one in eight of each room (`tests/laws/test_laws.py`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tests.conftest import ROOT
from tests.laws.test_laws import EVERY


def main() -> int:
    parser = argparse.ArgumentParser(description="Take out every guard.")
    parser.add_argument(
        "--workers", type=int, default=2 * (os.cpu_count() or 1), help="processes; laws wait half of their time"
    )
    workers = parser.parse_args().workers
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "tests/laws"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, EVERY: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
