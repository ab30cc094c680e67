"""How fast a file is read through a connector: a folder, and stores over HTTP on loopback, whose server is a process of its own.

    python -m benchmarks.files [--mib 256] [--runs 3]

Prints, by the store, MiB a second of wall time and of this process's own processor time, the best run of each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

from reconciler.runtime.call import Answer
from tests.runtime.calls import SECRETS, around
from tests.runtime.connectors.file_stores import AZURITE_KEY, near, s3_connector
from tests.runtime.connectors.file_support import Files, local


def _serve(size: int, port: Any) -> None:
    """Answer every request with so many bytes of text."""
    piece = b"0123456789abcdef" * 16384

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size)
                for _ in range(size // len(piece)):
                    writer.write(piece)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def _stores(folder: Path, port: int) -> dict[str, Files]:
    SECRETS["env://AZURE_KEY"] = AZURITE_KEY
    azure = {"provider": "azure", "account": "a", "container": "c", "endpoint_url": f"http://127.0.0.1:{port}"}
    return {
        "local": local(folder),
        "s3": Files(s3_connector(port), around()),
        "azure": Files({**azure, "credential": "env://AZURE_KEY", "network_exceptions": near(port)}, around()),
    }


def _run(files: Files, size: int, runs: int) -> dict[str, int]:
    walls, own = [], []

    async def run() -> None:
        for _ in range(runs):
            started, used = time.perf_counter(), time.process_time()
            answer = await files.called("read", "a.txt", connector={"max_bytes": size}, seconds=300)
            walls.append(time.perf_counter() - started)
            own.append(time.process_time() - used)
            assert isinstance(answer, Answer), answer
            assert answer.size == size

    asyncio.run(run())
    mib = size / 2**20
    return {"mib_per_second": round(mib / min(walls)), "mib_per_processor_second": round(mib / min(own))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    size = arguments.mib * 2**20
    port: Any = multiprocessing.Queue()
    server = multiprocessing.Process(target=_serve, args=(size, port), daemon=True)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            (folder / "a.txt").write_bytes(b"0123456789abcdef" * (size // 16))
            found = {store: _run(files, size, arguments.runs) for store, files in _stores(folder, port.get()).items()}
    finally:
        server.terminate()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
