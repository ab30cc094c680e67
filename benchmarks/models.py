"""Calls of models through `serve` beside a bare passthrough: starlette and aiohttp, which check and record nothing.

`python -m benchmarks.models [CALLS]` prints seconds of wall clock and of the server's CPU for each call and each chunk, and the ratios of one run.
The server authenticates, decides, counts two limits and writes durable evidence.

With RECONCILER_BENCH_LITELLM (the program of `pip install 'litellm[proxy]'`, in an environment of its own) LiteLLM's proxy runs in the same run:
one worker, a master key, no database, so it checks a key and records nothing durable.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil

from tests.conftest import Db
from tests.runtime.servers import free_port, served, wait_for

CHUNKS = 200
LITELLM_KEY = "sk-benchmark"
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}
UPSTREAM = f"""
import asyncio, json, sys
from aiohttp import web
ANSWER = {ANSWER!r}
def chunk(delta, finish=None):
    return b"data: " + json.dumps({{"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m",
        "choices": [{{"index": 0, "delta": delta, "finish_reason": finish}}]}}).encode() + b"\\n\\n"
USAGE = b'data: {{"choices": [], "usage": {{"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}}}\\n\\n'
async def chat(request):
    body = await request.json()
    if not body.get("stream"):
        return web.json_response(ANSWER)
    response = web.StreamResponse(headers={{"Content-Type": "text/event-stream"}})
    await response.prepare(request)
    for _ in range({CHUNKS}):
        await response.write(chunk({{"content": " word"}}))
        await asyncio.sleep(0)
    for last in (chunk({{}}, "stop"), USAGE, b"data: [DONE]\\n\\n"):
        await response.write(last)
    return response
app = web.Application()
app.router.add_post("/v1/chat/completions", chat)
app.router.add_get("/readyz", lambda _: web.Response())
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
BARE = """
import sys, aiohttp, uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
session = None
async def chat(request):
    global session
    session = session or aiohttp.ClientSession()
    body = await request.body()
    reply = await session.post(f"http://127.0.0.1:{sys.argv[2]}/v1/chat/completions", data=body,
        headers={"content-type": "application/json"})
    kind = reply.headers["content-type"]
    if kind.startswith("text/event-stream"):
        return StreamingResponse(reply.content.iter_any(), media_type=kind)
    return Response(await reply.read(), media_type=kind)
routes = [Route("/v1/chat/completions", chat, methods=["POST"]), Route("/readyz", lambda _: PlainTextResponse("ok"))]
uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
"""


class Figures(NamedTuple):
    """Of one server: seconds a call alone, calls a second of 16 clients, CPU a call, CPU a chunk, and wall clock a chunk."""

    alone: float
    rate: float
    cpu: float
    chunk: float
    chunk_cpu: float


@contextmanager
def program(text: str, port: int, *arguments: str) -> Iterator[subprocess.Popen[Any]]:
    process = subprocess.Popen([sys.executable, "-c", text, str(port), *arguments])
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@contextmanager
def litellm(folder: Path, port: int, upstream: int) -> Iterator[subprocess.Popen[Any] | None]:
    """Run LiteLLM's proxy before the same provider; None where its program is not named."""
    if not (command := os.environ.get("RECONCILER_BENCH_LITELLM")):
        yield None
        return
    parameters = {"model": "openai/m", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": "fast", "litellm_params": parameters}],
        "general_settings": {"master_key": LITELLM_KEY},
    }
    (path := folder / "litellm.yaml").write_text(json.dumps(config))
    environment = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "NO_DOCS": "True",
    }
    arguments = ["--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen([command, *arguments], env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            wait_for(f"http://127.0.0.1:{port}", process, "/health/readiness", 90)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


async def figures(url: str, key: str, pid: int, calls: int) -> Figures:
    body = {"model": "fast", "messages": [{"role": "user", "content": "Hi " * 50}]}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    processes = [parent := psutil.Process(pid), *parent.children(recursive=True)]

    def cpu() -> float:
        return sum(float(times.user + times.system) for times in (one.cpu_times() for one in processes))

    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def once(stream: bool = False) -> None:
            async with session.post(
                f"{url}/v1/chat/completions", data=json.dumps({**body, "stream": stream})
            ) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

        for _ in range(50):
            await once()
        begun = time.perf_counter()
        for _ in range(calls // 4):
            await once()
        alone = (time.perf_counter() - begun) / (calls // 4)

        async def client(n: int) -> None:
            for _ in range(n):
                await once()

        begun, used = time.perf_counter(), cpu()
        await asyncio.gather(*(client(calls // 16) for _ in range(16)))
        took, used = time.perf_counter() - begun, cpu() - used
        await once(stream=True)
        streams, begun, before = max(4, calls // 100), time.perf_counter(), cpu()
        for _ in range(streams):
            await once(stream=True)
        chunks = streams * CHUNKS
        return Figures(
            alone,
            calls // 16 * 16 / took,
            used / (calls // 16 * 16),
            (time.perf_counter() - begun) / chunks,
            (cpu() - before) / chunks,
        )


def main(calls: int) -> None:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other_folder:
        upstream, bare, proxy = free_port(), free_port(), free_port()
        document = {
            "version": 1,
            "tenant": "acme",
            "integrations": {
                "main": {"provider": "custom", "base_url": f"http://127.0.0.1:{upstream}/v1", "include_usage": True}
            },
            "routes": {"fast": {"models": ["fast"], "deployments": [{"integration": "main", "model": "m"}]}},
            "callers": {"bot": {"roles": ["analyst"], "auth": {"api_key": {"max_age_days": 30}}}},
            "policies": {
                "models": {
                    "effect": "allow",
                    "subjects": {"roles": ["analyst"]},
                    "actions": ["invoke"],
                    "targets": {"names": ["route/*"]},
                }
            },
            "limits": {
                "tokens": {"target": "caller/bot", "per": "day", "tokens": 2_000_000_000},
                "calls": {"target": "route/fast", "per": "day", "requests": 10_000_000},
            },
        }
        prices = {
            "models": {"custom/m": {"input": 1, "output": 2, "context_window": 100_000, "max_output_tokens": 1000}}
        }
        path = Path(folder)
        with (
            program(UPSTREAM, upstream),
            program(BARE, bare, str(upstream)) as plain,
            litellm(Path(other_folder), proxy, upstream) as peer,
            served(path, Db(f"sqlite:///{path}/state.db"), document, prices=prices) as server,
        ):
            floor = asyncio.run(figures(f"http://127.0.0.1:{bare}", "none", plain.pid, calls))
            ours = asyncio.run(figures(server.agents, server.key, server.process.pid, calls))
            theirs = peer and asyncio.run(figures(f"http://127.0.0.1:{proxy}", LITELLM_KEY, peer.pid, calls // 8))
    print(f"{os.cpu_count()} cores; {calls} calls; {CHUNKS} chunks a stream")
    for name, unit, scale in (
        ("alone", "ms a call", 1e3),
        ("rate", "calls/s", 1),
        ("cpu", "ms of CPU a call", 1e3),
        ("chunk", "us a chunk", 1e6),
        ("chunk_cpu", "us of CPU a chunk", 1e6),
    ):
        one, other = getattr(floor, name) * scale, getattr(ours, name) * scale
        line = f"{name:10} bare {one:9.2f}  serve {other:9.2f} {unit:18} ratio {other / one:.2f}"
        if theirs:
            third = getattr(theirs, name) * scale
            line += f"  LiteLLM {third:9.2f}, {third / other if name != 'rate' else other / third:.1f} times ours"
        print(line)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
