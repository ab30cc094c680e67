"""Writes thousands of hostile values into messages of each channel: they are carried as text, or refused.

python -m tests.campaigns.messages --count 5000 --seed 1
"""

from __future__ import annotations

import argparse

from tests.runtime.connectors.message_hostile import carried


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    taken, refused = carried(asked.count, asked.seed)
    print(f"{taken} carried, {refused} refused")


if __name__ == "__main__":
    main()
