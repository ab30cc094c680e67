"""Run every property on as many random examples as asked for.

    python -m tests.campaigns.properties [--times N] [pytest's arguments]

The suite takes a tenth of the examples that a property states, the same ones in every run. N=1 takes all of them,
N=4 four times as many. Exits with pytest's status.
"""

from __future__ import annotations

import argparse
import os
import sys

TESTS = (
    *("tests/properties", "tests/render/test_manifest.py", "tests/drift/test_every_field.py"),
    "tests/runtime/test_openapi.py",
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=float, default=1.0)
    own, others = parser.parse_known_args(arguments)
    os.environ["RECONCILER_EXAMPLES"] = str(own.times)  # read as the tests are imported
    import pytest

    return int(pytest.main(["-q", *others, *TESTS]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
